"""Whether a certificate was revoked, by lists in files (RFC 5280 sections 5 and 6.3). What is not known is refused.

Whoever runs the server fetches the lists (docs/operations.md); a file that was replaced counts from the next card on.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from smart_auth.identity.certificate_path import extension, has_strong_signature
from smart_auth.identity.certificate_refused import CertificateRefused

SKEW_SECONDS = 300
"""By how much the clock of whoever signs a list or an answer may be ahead of ours."""

_KNOWN = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT})
_BEGIN = b"-----BEGIN X509 CRL-----"

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


class Revocation(Protocol):
    """Where it is asked whether a certificate was revoked."""

    async def check(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> None:
        """Raises CertificateRefused certificate-revoked, and certificate-revocation-unknown where nobody can say."""
        ...


def revoked() -> CertificateRefused:
    """The refusal of a certificate that its issuer took back."""
    return CertificateRefused("certificate-revoked", "The certificate, or one above it, was revoked.")


def unknown() -> CertificateRefused:
    """The refusal where it cannot be known at the moment."""
    return CertificateRefused(
        "certificate-revocation-unknown",
        "Whether the certificate was revoked cannot be found out at the moment. Try again later.",
    )


@dataclass(slots=True)
class _RevocationList:
    """A list as it was read. `sound_for` keeps for the digest of an issuer's key whether it signed the list."""

    crl: x509.CertificateRevocationList
    serials: frozenset[int]
    sound_for: dict[bytes, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """What a file held when it looked like this: inode, size and time of change in nanoseconds."""

    stamp: tuple[int, int, int]
    lists: tuple[_RevocationList, ...]


class RevocationLists:
    """Lists in files, DER or PEM. A list of an agency has up to some hundred thousand rows, so it is read in a thread,
    once.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._paths = tuple(files)
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()

    async def check(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> None:
        """Raises CertificateRefused where no current list of the issuer says that the certificate still counts."""
        if not await asyncio.to_thread(self._is_listed_as_good, certificate, issuer, now):
            raise unknown()

    def _is_listed_as_good(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> bool:
        """Raises CertificateRefused certificate-revoked."""
        found = False
        for each in self._lists():
            if _covers(each.crl, certificate) and _is_current(each.crl, now) and _is_sound(each, issuer):
                if certificate.serial_number in each.serials:
                    raise revoked()
                found = True
        return found

    def _lists(self) -> list[_RevocationList]:
        with self._lock:
            return [each for path in self._paths for each in self._read(path)]

    def _read(self, path: Path) -> tuple[_RevocationList, ...]:
        try:
            about = path.stat()
            stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
            known = self._files.get(path)
            if known is None or known.stamp != stamp:
                known = self._files[path] = _File(stamp, _parsed(path.read_bytes()))
        except Exception:
            # Away, or whatever the parser stumbles over: nothing is known of those it is about, and they are refused.
            self._files.pop(path, None)
            return ()
        return known.lists


def _parsed(content: bytes) -> tuple[_RevocationList, ...]:
    """Raises ValueError."""
    if _BEGIN not in content:
        crls = [x509.load_der_x509_crl(content)]
    else:
        crls = [x509.load_pem_x509_crl(_BEGIN + each) for each in content.split(_BEGIN)[1:]]
    return tuple(_RevocationList(crl, frozenset(row.serial_number for row in crl)) for crl in crls)


def _is_current(crl: x509.CertificateRevocationList, now: int) -> bool:
    until = crl.next_update_utc
    began = crl.last_update_utc.timestamp() <= now + SKEW_SECONDS
    return began and until is not None and now < until.timestamp()


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether this is a whole list of the certificate's issuer, about certificates of this kind."""
    try:
        if crl.issuer != certificate.issuer or any(each.critical and each.oid not in _KNOWN for each in crl.extensions):
            return False
        if _extension(crl, x509.DeltaCRLIndicator) is not None:
            return False
        scope = _extension(crl, x509.IssuingDistributionPoint)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return scope is None or _is_in(scope, certificate)


def _is_in(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    if scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs or scope.relative_name:
        return False
    constraints = extension(certificate, x509.BasicConstraints)
    is_authority = constraints is not None and constraints.ca
    if scope.only_contains_user_certs if is_authority else scope.only_contains_ca_certs:
        return False
    return scope.full_name is None or bool(set(scope.full_name) & _points(certificate))


def _points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    """Where a certificate says that its lists are."""
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    return {name for point in points for name in point.full_name or ()}


def _is_sound(each: _RevocationList, issuer: x509.Certificate) -> bool:
    """Whether this issuer signed the list, and may."""
    usage = extension(issuer, x509.KeyUsage)
    if usage is None or not usage.crl_sign or issuer.subject != each.crl.issuer:
        return False
    key = issuer.public_key()
    digest = sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    if digest not in each.sound_for:
        try:
            is_signed = has_strong_signature(each.crl) and each.crl.is_signature_valid(key)  # type: ignore[arg-type]
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            is_signed = False
        each.sound_for[digest] = is_signed
    return each.sound_for[digest]


def _extension(crl: x509.CertificateRevocationList, kind: type[_Kind]) -> _Kind | None:
    try:
        return crl.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
