"""The way from a card's certificate to an anchor, and what each link of it must be (RFC 5280 section 6.1).

Narrower than the RFC where a card needs no more: policies are never mapped, name constraints and every other critical
extension that is not looked at here are refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from smart_auth.identity.certificate_refused import CertificateRefused

MOST_LINKS = 6
"""Certificates of a path without its anchor. A card's has two or three."""

MOST_PATHS = 8
"""As many are looked at where cross-certificates lead along several."""

ANY_POLICY = "2.5.29.32.0"

_RSA_BITS = range(2048, 8193)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_OF_ALL = frozenset(
    {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.CERTIFICATE_POLICIES}
    | {ExtensionOID.EXTENDED_KEY_USAGE}
)
_OF_CARDS = _OF_ALL | {ExtensionOID.SUBJECT_ALTERNATIVE_NAME}
# A policy is always asked for and never mapped, so policy constraints ask for nothing more.
_OF_AUTHORITIES = _OF_ALL | {ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.INHIBIT_ANY_POLICY}

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Path:
    """Certificates from the card's to the one that the anchor issued; each was signed by the next."""

    certificates: tuple[x509.Certificate, ...]
    anchor: x509.Certificate

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Those between the card and the anchor, the card's issuer first."""
        return self.certificates[1:]

    def links(self) -> list[tuple[x509.Certificate, x509.Certificate]]:
        """Each certificate with its issuer, the card's first."""
        issuers = (*self.certificates[1:], self.anchor)
        return list(zip(self.certificates, issuers, strict=True))


def paths(
    leaf: x509.Certificate, intermediates: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> list[Path]:
    """The ways to an anchor, shortest first, whose signatures hold; at most MOST_PATHS."""
    found: list[Path] = []
    begun: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while begun and len(found) < MOST_PATHS:
        longer: list[tuple[x509.Certificate, ...]] = []
        for chain in begun:
            found += [Path(chain, anchor) for anchor in anchors if _is_issued_by(chain[-1], anchor)]
            if len(chain) < MOST_LINKS:
                above = [each for each in intermediates if each not in chain and _is_issued_by(chain[-1], each)]
                longer += [(*chain, each) for each in above]
        begun = longer[:MOST_PATHS]
    # An anchor is not a card, and a chain that ends below it need not pass it.
    return [each for each in found if leaf != each.anchor][:MOST_PATHS]


def check(path: Path, now: int) -> None:
    """Raises CertificateRefused for dates, algorithms, authorities and extensions that are not as they must be."""
    for certificate in (*path.certificates, path.anchor):
        _check_dates(certificate, now)
    for depth, authority in enumerate((*path.authorities, path.anchor)):
        _check_authority(authority, depth)
    for certificate, known in _with_known(path):
        if any(each.critical and each.oid not in known for each in certificate.extensions):
            raise _untrusted("asks for something that is not looked at here")


def policies(path: Path) -> frozenset[str]:
    """The policies (OIDs) of a card that every authority above it may assert."""
    allowed: frozenset[str] | None = None
    any_policy_for = MOST_LINKS
    for authority in reversed(path.authorities):
        asserted = _asserted(authority)
        if ANY_POLICY not in asserted or any_policy_for <= 0:
            allowed = asserted - {ANY_POLICY} if allowed is None else allowed & asserted
        any_policy_for -= 1
        inhibit = extension(authority, x509.InhibitAnyPolicy)
        if inhibit is not None:
            any_policy_for = min(any_policy_for, inhibit.skip_certs)
    asserted = _asserted(path.leaf) - {ANY_POLICY}
    return asserted if allowed is None else asserted & allowed


def extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    """An extension's value; None where the certificate has none. Raises CertificateRefused where it cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise CertificateRefused("certificate-malformed", "The certificate's chain cannot be read.") from None


def _asserted(certificate: x509.Certificate) -> frozenset[str]:
    found = extension(certificate, x509.CertificatePolicies)
    return frozenset() if found is None else frozenset(each.policy_identifier.dotted_string for each in found)


def _with_known(path: Path) -> Iterator[tuple[x509.Certificate, frozenset[x509.ObjectIdentifier]]]:
    yield path.leaf, _OF_CARDS
    for authority in path.authorities:
        yield authority, _OF_AUTHORITIES


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        if not (has_strong_key(certificate) and has_strong_key(issuer) and has_strong_signature(certificate)):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def has_strong_key(certificate: x509.Certificate) -> bool:
    """Whether the key is RSA of 2048 to 8192 bits or on a NIST curve from P-256 (SP 800-78-5)."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)


def has_strong_signature(signed: x509.Certificate | x509.CertificateRevocationList) -> bool:
    """Whether it is signed over SHA-256 or longer."""
    return isinstance(signed.signature_hash_algorithm, _HASHES)


def _check_dates(certificate: x509.Certificate, now: int) -> None:
    if now < certificate.not_valid_before_utc.timestamp():
        raise CertificateRefused("certificate-not-yet-valid", "The certificate, or one above it, is not valid yet.")
    if now > certificate.not_valid_after_utc.timestamp():
        raise CertificateRefused("certificate-expired", "The certificate, or one above it, has expired.")


def _check_authority(authority: x509.Certificate, depth: int) -> None:
    """`depth` is how many authorities stand between this one and the card."""
    constraints = extension(authority, x509.BasicConstraints)
    usage = extension(authority, x509.KeyUsage)
    extended = extension(authority, x509.ExtendedKeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise _untrusted("was issued by somebody who may issue none")
    if constraints.path_length is not None and depth > constraints.path_length:
        raise _untrusted("was issued by way of more authorities than its root allows")
    wanted = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if extended is not None and not any(each in extended for each in wanted):
        raise _untrusted("was issued by an authority that issues none for authentication")
    if extension(authority, x509.NameConstraints) is not None:
        raise _untrusted("was issued by an authority with constraints on names, which are not looked at here")


def _untrusted(what: str) -> CertificateRefused:
    return CertificateRefused("certificate-untrusted", f"The certificate {what}.")
