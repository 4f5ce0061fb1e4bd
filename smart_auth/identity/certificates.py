"""What makes a certificate a card that somebody may sign in with: chain, dates, usage, policy, revocation.

RFC 5280 section 6, https://www.idmanagement.gov/implement/pki/ (PIV authentication certificates), domain.md 3.3
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha512

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smart_auth.identity import certificate_path
from smart_auth.identity.cards import Card
from smart_auth.identity.certificate_path import Path
from smart_auth.identity.certificate_refused import CardReason, CertificateRefused
from smart_auth.identity.revocation import Revocation

__all__ = ["CardReason", "CardTrust", "CertificateRefused", "card"]

LONGEST_PEM = 16_384
"""Characters. A card's certificate has about 2,500."""

CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")
"""For the key that a card uses without its PIN (FIPS 201-3 section 4.2.2): it shows the card, not its holder."""

DOD_POLICIES = "2.16.840.1.101.2.1.11."
"""The arc of the Department of Defense's certificate policies."""

_BEGIN = "-----BEGIN CERTIFICATE-----"
_CAC_NAME = re.compile(r"(?P<name>[^.].*)\.(?P<dod_id>[0-9]{10})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CardTrust:
    """Whose cards are accepted. `policies` are OIDs, of which a card's chain must assert one.

    `proxy_secret` is what a proxy sends along with a certificate, so that nobody else can send one.
    """

    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    policies: frozenset[str]
    revocation: Revocation
    proxy_secret: str


async def card(trust: CardTrust, pem: str, now: int) -> Card:
    """The card of a certificate. Raises CertificateRefused.

    Where several chains lead to an anchor the first good one counts; the refusal is that of the first.
    """
    leaf = parsed(pem)
    first: CertificateRefused | None = None
    for path in certificate_path.paths(leaf, trust.intermediates, trust.anchors):
        try:
            policies = _checked(path, trust, now)
            await _refuse_revoked(path, trust, now)
            return _card(path, policies)
        except CertificateRefused as refusal:
            first = first or refusal
    raise first or _without_anchor(leaf)


def parsed(pem: str) -> x509.Certificate:
    """The one certificate of a PEM text. Raises CertificateRefused certificate-malformed."""
    if len(pem) > LONGEST_PEM or pem.count(_BEGIN) != 1 or not pem.lstrip().startswith(_BEGIN):
        raise _malformed()
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        # These are read lazily; what is wrong with them is to be known here.
        certificate.subject, certificate.issuer, certificate.extensions  # noqa: B018
        certificate.public_key()
    except Exception:
        # The parser names many errors, UnsupportedAlgorithm among them; whatever it stumbles over is no card of ours.
        raise _malformed() from None
    return certificate


def _checked(path: Path, trust: CardTrust, now: int) -> frozenset[str]:
    """The accepted policies of a card. Raises CertificateRefused for whatever is wrong but revocation."""
    certificate_path.check(path, now)
    _check_usage(path.leaf)
    if not list(path.leaf.subject):
        # Its key would be that of every other such card.
        raise CertificateRefused("certificate-usage", "This certificate does not say whose card it is.")
    accepted = certificate_path.policies(path) & trust.policies
    if not accepted:
        raise CertificateRefused(
            "certificate-policy", "This certificate was not issued under a policy that is accepted here."
        )
    return accepted


def _check_usage(leaf: x509.Certificate) -> None:
    usage = certificate_path.extension(leaf, x509.KeyUsage)
    extended = certificate_path.extension(leaf, x509.ExtendedKeyUsage)
    constraints = certificate_path.extension(leaf, x509.BasicConstraints)
    is_right = (
        usage is not None
        and usage.digital_signature
        and extended is not None
        and ExtendedKeyUsageOID.CLIENT_AUTH in extended
        and CARD_AUTHENTICATION not in extended
        and not (constraints is not None and constraints.ca)
    )
    if not is_right:
        raise CertificateRefused(
            "certificate-usage",
            "This certificate is not the one for authentication. Choose the one named for PIV authentication.",
        )


async def _refuse_revoked(path: Path, trust: CardTrust, now: int) -> None:
    for certificate, issuer in path.links():
        await trust.revocation.check(certificate, issuer, now)


def _card(path: Path, policies: frozenset[str]) -> Card:
    names = path.leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common = str(names[0].value) if len(names) == 1 else ""
    found = _CAC_NAME.fullmatch(common)
    not_after = int(path.leaf.not_valid_after_utc.timestamp())
    if found is not None and any(each.startswith(DOD_POLICIES) for each in policies):
        return Card("cac", _key(path), found["dod_id"], _in_order(found["name"].split(".")), not_after)
    return Card("piv", _key(path), None, common, not_after)


def _in_order(parts: Sequence[str]) -> str:
    """LAST.FIRST.MIDDLE as it is said."""
    return " ".join([*parts[1:], parts[0]])


def _key(path: Path) -> str:
    subjects = (path.anchor.subject, path.leaf.subject)
    # Both are DER, so neither can run into the other.
    return sha512(b"".join(each.public_bytes() for each in subjects)).hexdigest()


def _without_anchor(leaf: x509.Certificate) -> CertificateRefused:
    if leaf.issuer == leaf.subject:
        return CertificateRefused(
            "certificate-self-signed", "This certificate was made by its holder, not by an agency."
        )
    return CertificateRefused("certificate-untrusted", "This certificate was not issued by an agency known here.")


def _malformed() -> CertificateRefused:
    return CertificateRefused("certificate-malformed", "What was sent is not one certificate.")
