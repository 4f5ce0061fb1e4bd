"""An agency that issues cards, for tests: a root, the authority below it, cards of every kind, lists and answers.

The names, OIDs and usages are those of domain.md 3.3; nothing here is trusted anywhere else.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smart_auth.identity.certificates import CardTrust
from smart_auth.identity.revocation import Revocation

DOD_MEDIUM_HARDWARE = "2.16.840.1.101.2.1.11.42"
COMMON_AUTHENTICATION = "2.16.840.1.101.3.2.1.3.13"
POLICIES = frozenset({DOD_MEDIUM_HARDWARE, COMMON_AUTHENTICATION})
CAC_NAME = "RIVERA.ANA.LUCIA.1234567890"
PIV_NAME = "ANN EXAMPLE (affiliate)"
SECRET = "a secret that the proxy alone knows, 0123456789"
SMART_CARD_LOGON = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.2")
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
DAY = 86_400


def moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """A key for each name, made once."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def named(common: str, unit: str = "DoD") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "U.S. Government"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def usage(*said: str) -> x509.KeyUsage:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in said for name in names})


def policies(oids: Sequence[str]) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in oids])


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(PEM).decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a certificate is to say. `extensions` are added to, or with None taken from, those of a card."""

    common: str = CAC_NAME
    unit: str = "DoD"
    subject: x509.Name | None = None
    not_before: int = -DAY
    not_after: int = 30 * DAY
    policies: Sequence[str] = (DOD_MEDIUM_HARDWARE,)
    extended: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.CLIENT_AUTH, SMART_CARD_LOGON)
    usage: Sequence[str] = ("digital_signature",)
    more: Sequence[tuple[x509.ExtensionType, bool]] = ()
    key: Any = None
    serial: int | None = None
    digest: Any = field(default_factory=hashes.SHA256)


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody who issues; `now` is the moment about which everything is dated."""

    certificate: x509.Certificate
    key: Any
    now: int

    @classmethod
    def root(cls, now: int, name: str = "DoD Root CA T", by: str | None = None, **fields: Any) -> "Authority":
        """One of this name; with `by`, made by somebody who has that key alone."""
        subject, own = named(name, "PKI"), key(by or name)
        certificate = _authority(subject, own.public_key(), subject, own, now, **fields)
        return cls(certificate, own, now)

    def below(self, name: str = "DOD ID CA-T", **fields: Any) -> "Authority":
        own = key(name)
        subject = named(name, "PKI")
        certificate = _authority(subject, own.public_key(), self.certificate.subject, self.key, self.now, **fields)
        return Authority(certificate, own, self.now)

    def card(self, **fields: Any) -> x509.Certificate:
        """A card's certificate for authentication."""
        asked = replace(Asked(), **fields)
        own = asked.key or key(f"card of {asked.common}")
        built = _dated(asked.not_before, asked.not_after, self.now)
        built = built.subject_name(named(asked.common, asked.unit) if asked.subject is None else asked.subject)
        built = built.issuer_name(self.certificate.subject)
        built = built.public_key(own.public_key()).serial_number(asked.serial or x509.random_serial_number())
        other = x509.OtherName(UPN, b"\x0c\x0f1234567890@test")
        built = built.add_extension(x509.SubjectAlternativeName([other]), critical=False)
        if asked.usage:
            built = built.add_extension(usage(*asked.usage), critical=True)
        if asked.extended:
            built = built.add_extension(x509.ExtendedKeyUsage(list(asked.extended)), critical=False)
        if asked.policies:
            built = built.add_extension(policies(asked.policies), critical=False)
        for extension, critical in asked.more:
            built = built.add_extension(extension, critical)
        return built.sign(self.key, asked.digest)

    def piv(self, **fields: Any) -> x509.Certificate:
        """A card of another agency, without a DoD ID."""
        return self.card(**{"common": PIV_NAME, "unit": "Agency", "policies": (COMMON_AUTHENTICATION,), **fields})

    def revocation_list(
        self,
        revoked: Sequence[x509.Certificate] = (),
        *,
        issued: int = -3600,
        until: int | None = DAY,
        by: Any = None,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """A list in PEM, of its dates in seconds from now."""
        built = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        built = built.last_update(moment(self.now + issued)).next_update(moment(self.now + (until or DAY)))
        for each in revoked:
            row = x509.RevokedCertificateBuilder().serial_number(each.serial_number)
            built = built.add_revoked_certificate(row.revocation_date(moment(self.now + issued)).build())
        for extension, critical in more:
            built = built.add_extension(extension, critical)
        return built.sign(by or self.key, hashes.SHA256()).public_bytes(PEM)

    def responder(self, name: str = "OCSP T", **fields: Any) -> x509.Certificate:
        """A certificate of whoever answers for this authority."""
        extended = (ExtendedKeyUsageOID.OCSP_SIGNING,)
        return self.card(
            **{"common": name, "extended": extended, "key": key(name), "more": ((x509.OCSPNoCheck(), False),), **fields}
        )

    def answer(
        self,
        request: bytes,
        revoked: Sequence[x509.Certificate] = (),
        *,
        responder: x509.Certificate | None = None,
        by: Any = None,
        issued: int = -60,
        until: int | None = 3600,
        repeats_nonce: bool = True,
        nonce: bytes | None = None,
        about: x509.Certificate | None = None,
        digest: Any = None,
    ) -> bytes:
        """What a responder answers to a request."""
        asked = ocsp.load_der_ocsp_request(request)
        serial = asked.serial_number if about is None else about.serial_number
        is_revoked = serial in {each.serial_number for each in revoked}
        built = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            serial,
            asked.hash_algorithm,
            ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD,
            moment(self.now + issued),
            None if until is None else moment(self.now + until),
            moment(self.now - DAY) if is_revoked else None,
            None,
        )
        built = built.responder_id(ocsp.OCSPResponderEncoding.NAME, responder or self.certificate)
        if responder is not None:
            built = built.certificates([responder])
        sent = [each.value for each in asked.extensions if isinstance(each.value, x509.OCSPNonce)]
        if nonce is not None:
            built = built.add_extension(x509.OCSPNonce(nonce), critical=False)
        elif repeats_nonce and sent:
            built = built.add_extension(sent[0], critical=False)
        return built.sign(by or self.key, digest or hashes.SHA256()).public_bytes(DER)


def self_signed(now: int) -> x509.Certificate:
    """A card that its holder made, in every respect but its issuer like a real one."""
    own = key("somebody")
    name = named(CAC_NAME)
    return Authority(_authority(name, own.public_key(), name, own, now), own, now).card(key=own)


def trust(
    root: Authority, *intermediates: Authority, revocation: Revocation | None = None, secret: str = SECRET
) -> CardTrust:
    """Whoever accepts cards below this root."""
    below = tuple(each.certificate for each in intermediates)
    return CardTrust((root.certificate,), below, POLICIES, revocation or NeverRevoked(), secret)


class NeverRevoked:
    """Where nothing is ever revoked."""

    async def check(self, certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> None:
        return None


def _authority(
    subject: x509.Name,
    public: Any,
    issuer: x509.Name,
    signed_by: Any,
    now: int,
    *,
    path_length: int | None = None,
    is_authority: bool = True,
    uses: Sequence[str] = ("key_cert_sign", "crl_sign"),
    asserts: Sequence[str] = (DOD_MEDIUM_HARDWARE, COMMON_AUTHENTICATION),
    not_before: int = -365 * DAY,
    not_after: int = 365 * DAY,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    built = _dated(not_before, not_after, now).subject_name(subject).issuer_name(issuer).public_key(public)
    built = built.serial_number(x509.random_serial_number())
    built = built.add_extension(x509.BasicConstraints(is_authority, path_length if is_authority else None), True)
    built = built.add_extension(usage(*uses), critical=True)
    if asserts:
        built = built.add_extension(policies(asserts), critical=False)
    for extension, critical in more:
        built = built.add_extension(extension, critical)
    return built.sign(signed_by, hashes.SHA256())


def _dated(not_before: int, not_after: int, now: int) -> x509.CertificateBuilder:
    built = x509.CertificateBuilder().not_valid_before(moment(now + not_before))
    return built.not_valid_after(moment(now + not_after))
