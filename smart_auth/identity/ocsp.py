"""Whether a certificate was revoked, asked of its issuer's responder (RFC 6960), with lists in reserve by setting.

An answer counts for five minutes at most. A responder that is away, slow, not entitled or not current tells nothing;
one that is away or slow is left alone for half a minute, so that not every card waits for it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha1, sha256

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from smart_auth.identity.certificate_path import extension, has_strong_key, has_strong_signature
from smart_auth.identity.certificate_refused import CertificateRefused
from smart_auth.identity.revocation import SKEW_SECONDS, Revocation, revoked, unknown

ANSWER_SECONDS = 300
"""For how long an answer counts, where it does not end earlier."""

ASK_SECONDS = 3.0
"""For how long an answer is waited for, to all that is asked of one certificate."""
SILENT_SECONDS = 30
"""For how long a responder that did not answer is not asked again. What is unknown until then is refused."""

MAX_BYTES = 65_536
MOST_ANSWERS = 10_000

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CONTENT_TYPE = "application/ocsp-request"

Ask = Callable[[str, bytes], Awaitable[bytes]]
"""Sends a request (DER) to a responder's address and gives its answer; raises NoAnswer."""


class NoAnswer(Exception):
    """A responder cannot be reached, or does not answer as one."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a responder said of a certificate, and until when that counts."""

    is_revoked: bool
    until: int


async def ask(url: str, request: bytes) -> bytes:
    """Post to a responder within ASK_SECONDS. Raises NoAnswer."""
    try:
        async with asyncio.timeout(ASK_SECONDS), httpx.AsyncClient(trust_env=False, timeout=ASK_SECONDS) as http:
            headers = {"content-type": _CONTENT_TYPE}
            async with http.stream("POST", url, content=request, headers=headers) as response:
                if response.status_code != 200:
                    raise NoAnswer(f"status {response.status_code}")
                answer = bytearray()
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > MAX_BYTES:
                        raise NoAnswer("too long an answer")
                return bytes(answer)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
        raise NoAnswer(type(error).__name__) from error


class Responders:
    """Asks the configured responder, or without one the one that each certificate names. Answers are this worker's."""

    def __init__(self, url: str | None = None, ask: Ask = ask) -> None:
        self._url = url
        self._ask = ask
        self._known: dict[tuple[bytes, int], _Known] = {}
        self._silent: dict[str, int] = {}

    async def check(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> None:
        """Raises CertificateRefused where the responder says revoked, or nothing that counts."""
        about = (sha256(_key_bits(issuer)).digest(), certificate.serial_number)
        known = self._known.get(about)
        if known is None or known.until <= now:
            known = await self._asked(certificate, issuer, now)
            if len(self._known) >= MOST_ANSWERS:
                del self._known[next(iter(self._known))]
            self._known[about] = known
        if known.is_revoked:
            raise revoked()

    async def _asked(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> _Known:
        """Raises CertificateRefused certificate-revocation-unknown."""
        url = self._url or _address(certificate)
        if url is None or self._silent.get(url, 0) > now:
            raise unknown()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self._answered(url, certificate, issuer, now)
        except TimeoutError:
            self._note_silence(url, now)
            raise unknown() from None

    async def _answered(self, url: str, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> _Known:
        # Many responders know certificates by SHA-1 alone, which only names them here and proves nothing.
        for digest in (hashes.SHA256(), hashes.SHA1()):
            nonce = secrets.token_bytes(16)
            request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, digest)
            sent = request.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)
            try:
                answer = await self._ask(url, sent)
            except Exception:
                # Besides NoAnswer, whatever else a connection can end by.
                self._note_silence(url, now)
                raise unknown() from None
            try:
                found = _read(answer, certificate, issuer, nonce, now)
            except Exception:
                # Besides NoAnswer, whatever the parser stumbles over in what came over the network.
                raise unknown() from None
            if found is not None:
                return found
        raise unknown()

    def _note_silence(self, url: str, now: int) -> None:
        if len(self._silent) >= MOST_ANSWERS:
            self._silent.clear()
        self._silent[url] = now + SILENT_SECONDS


class ElseLists:
    """Asks a responder, and looks into the lists where it tells nothing."""

    def __init__(self, responders: Revocation, lists: Revocation) -> None:
        self._responders = responders
        self._lists = lists

    async def check(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> None:
        """Raises CertificateRefused where one of them says revoked, or neither knows."""
        try:
            await self._responders.check(certificate, issuer, now)
        except CertificateRefused as refusal:
            if refusal.reason == "certificate-revoked":
                raise
            await self._lists.check(certificate, issuer, now)


def _read(
    answer: bytes, certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes, now: int
) -> _Known | None:
    """What an answer says; None where the responder does not know the certificate by this digest.

    Raises NoAnswer, ValueError, InvalidSignature and the like for an answer that does not count.
    """
    response = ocsp.load_der_ocsp_response(answer)
    if response.response_status in (ocsp.OCSPResponseStatus.UNAUTHORIZED, ocsp.OCSPResponseStatus.MALFORMED_REQUEST):
        return None
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise NoAnswer(response.response_status.name)
    _verify(response, _signer(response, issuer, now))
    sent_back = [each.value.nonce for each in response.extensions if isinstance(each.value, x509.OCSPNonce)]
    if sent_back and sent_back != [nonce]:
        raise NoAnswer("another question's answer")
    for each in response.responses:
        if _is_about(each, certificate, issuer):
            return _current(each, is_fresh=bool(sent_back), now=now)
    return None


def _current(each: ocsp.OCSPSingleResponse, *, is_fresh: bool, now: int) -> _Known | None:
    """Raises NoAnswer where the answer is of another time. One without an end must repeat what it was asked."""
    since = each.this_update_utc.timestamp()
    until = each.next_update_utc
    if since > now + SKEW_SECONDS or (until is not None and until.timestamp() <= now):
        raise NoAnswer("not current")
    if until is None and (not is_fresh or since < now - SKEW_SECONDS):
        raise NoAnswer("of no known age")
    if each.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return None
    ends = now + ANSWER_SECONDS if until is None else min(now + ANSWER_SECONDS, int(until.timestamp()))
    return _Known(each.certificate_status is ocsp.OCSPCertStatus.REVOKED, ends)


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: int) -> x509.Certificate:
    """Who answered: the issuer, or somebody whom it let answer (RFC 6960 section 4.2.2.2). Raises NoAnswer."""
    for each in (issuer, *response.certificates):
        is_named = (
            response.responder_name == each.subject
            or response.responder_key_hash == sha1(_key_bits(each), usedforsecurity=False).digest()
        )
        if is_named and (each == issuer or _is_delegate(each, issuer, now)):
            return each
    raise NoAnswer("not entitled to answer")


def _is_delegate(certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> bool:
    """Whether the issuer entitles this one. It must be excused from being asked about itself, as nobody is asked."""
    extended = extension(certificate, x509.ExtendedKeyUsage)
    if extended is None or ExtendedKeyUsageOID.OCSP_SIGNING not in extended:
        return False
    if extension(certificate, x509.OCSPNoCheck) is None:
        return False
    if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
        return False
    if not (has_strong_key(certificate) and has_strong_signature(certificate)):
        return False
    certificate.verify_directly_issued_by(issuer)
    return True


def _verify(response: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    """Raises NoAnswer and InvalidSignature."""
    key, digest = signer.public_key(), response.signature_hash_algorithm
    if not isinstance(digest, _HASHES):
        raise NoAnswer("a weak signature")
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
    else:
        raise NoAnswer("an unknown kind of key")


def _is_about(each: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    digests = {"sha1": sha1, "sha256": sha256}
    digest = digests.get(each.hash_algorithm.name)
    if digest is None or each.serial_number != certificate.serial_number:
        return False
    name = digest(issuer.subject.public_bytes(), usedforsecurity=False).digest()
    return (
        each.issuer_name_hash == name
        and each.issuer_key_hash == digest(_key_bits(issuer), usedforsecurity=False).digest()
    )


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The bits of a public key without its algorithm, as they are digested here (RFC 6960 section 4.1.1)."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return b""


def _address(certificate: x509.Certificate) -> str | None:
    """The responder that the certificate names."""
    for each in extension(certificate, x509.AuthorityInformationAccess) or ():
        place = each.access_location
        if each.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            place, x509.UniformResourceIdentifier
        ):
            return place.value if place.value.startswith(("http://", "https://")) else None
    return None
