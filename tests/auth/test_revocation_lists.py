"""Lists of revoked certificates: what they say counts, and what they do not say is refused (RFC 5280 section 6.3)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from smart_auth.identity.certificates import CertificateRefused, card
from smart_auth.identity.revocation import RevocationLists
from tests.auth.card_authority import DAY, DER, Authority, key, pem, trust

NOW = 1_800_000_000
PLACE = x509.UniformResourceIdentifier("http://crl.test/1.crl")


def point(**fields: Any) -> x509.IssuingDistributionPoint:
    given = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **fields,
    }
    return x509.IssuingDistributionPoint(**given)


class Agency:
    """A root and the authority below it, with a file of lists for each."""

    def __init__(self, folder: Path) -> None:
        self.root = Authority.root(NOW)
        self.issuer = self.root.below()
        self.of_root, self.of_issuer = folder / "root.crl", folder / "issuer.crl"
        self.of_root.write_bytes(self.root.revocation_list())
        self.of_issuer.write_bytes(self.issuer.revocation_list())
        self.lists = RevocationLists((self.of_root, self.of_issuer))

    async def outcome(self, certificate: x509.Certificate, now: int = NOW) -> str:
        trusted = trust(self.root, self.issuer, revocation=self.lists)
        try:
            await card(trusted, pem(certificate), now)
        except CertificateRefused as refusal:
            return refusal.reason
        return "accepted"


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path)


async def test_a_card_that_no_list_names_is_accepted(agency: Agency) -> None:
    assert await agency.outcome(agency.issuer.card()) == "accepted"


async def test_a_revoked_card_is_refused_and_another_is_not(agency: Agency) -> None:
    lost, kept = agency.issuer.card(), agency.issuer.card()
    agency.of_issuer.write_bytes(agency.issuer.revocation_list([lost]))
    assert await agency.outcome(lost) == "certificate-revoked"
    assert await agency.outcome(kept) == "accepted"


async def test_a_new_file_counts_from_the_next_card_on(agency: Agency) -> None:
    lost = agency.issuer.card()
    assert await agency.outcome(lost) == "accepted"
    new = agency.of_issuer.with_suffix(".new")
    new.write_bytes(agency.issuer.revocation_list([lost]))
    new.replace(agency.of_issuer)
    assert await agency.outcome(lost) == "certificate-revoked"


async def test_a_revoked_authority_takes_its_cards_with_it(agency: Agency) -> None:
    shown = agency.issuer.card()
    agency.of_root.write_bytes(agency.root.revocation_list([agency.issuer.certificate]))
    assert await agency.outcome(shown) == "certificate-revoked"


async def test_a_list_may_be_binary_and_a_file_may_hold_several(agency: Agency, tmp_path: Path) -> None:
    lost = agency.issuer.card()
    binary = x509.load_pem_x509_crl(agency.issuer.revocation_list([lost]))
    agency.of_issuer.write_bytes(binary.public_bytes(DER))
    assert await agency.outcome(lost) == "certificate-revoked"
    agency.of_root.write_bytes(agency.root.revocation_list() + agency.issuer.revocation_list())
    agency.of_issuer.unlink()
    assert await agency.outcome(lost) == "accepted"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda agency: agency.of_issuer.unlink(),
        lambda agency: agency.of_root.unlink(),
        lambda agency: agency.of_issuer.write_bytes(b"no list"),
        lambda agency: agency.of_issuer.write_bytes(b""),
        lambda agency: agency.of_issuer.write_bytes(agency.issuer.revocation_list(issued=-2 * DAY, until=-1)),
        lambda agency: agency.of_issuer.write_bytes(agency.issuer.revocation_list(issued=3600)),
        lambda agency: agency.of_issuer.write_bytes(agency.issuer.revocation_list(by=key("forger"))),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(more=((x509.DeltaCRLIndicator(1), True),))
        ),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(more=((point(indirect_crl=True), True),))
        ),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(more=((point(only_contains_ca_certs=True), True),))
        ),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(more=((point(full_name=[PLACE]), True),))
        ),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(
                more=((point(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), True),)
            )
        ),
        lambda agency: agency.of_issuer.write_bytes(
            agency.issuer.revocation_list(
                more=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)
            )
        ),
    ],
    ids=[
        "the issuer's is missing",
        "the root's is missing",
        "no list",
        "empty",
        "past its end",
        "of the future",
        "signed by another",
        "a difference to another list",
        "about others' certificates",
        "about authorities alone",
        "about certificates of another place",
        "about some reasons alone",
        "with something unknown that is critical",
    ],
)
async def test_where_no_list_can_tell_the_card_is_refused(agency: Agency, spoil: Callable[[Agency], object]) -> None:
    spoil(agency)
    assert await agency.outcome(agency.issuer.card()) == "certificate-revocation-unknown"


async def test_a_list_ends_at_its_moment(agency: Agency) -> None:
    shown = agency.issuer.card()
    assert await agency.outcome(shown, NOW + DAY - 1) == "accepted"
    assert await agency.outcome(shown, NOW + DAY) == "certificate-revocation-unknown"


async def test_a_list_of_one_place_is_about_the_certificates_that_name_it(agency: Agency) -> None:
    agency.of_issuer.write_bytes(agency.issuer.revocation_list(more=((point(full_name=[PLACE]), True),)))
    named = x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, None)])
    assert await agency.outcome(agency.issuer.card(more=((named, False),))) == "accepted"


async def test_an_authority_that_may_sign_no_lists_signs_none(tmp_path: Path) -> None:
    agency = Agency(tmp_path)
    agency.issuer = agency.root.below("Silent CA", uses=("key_cert_sign",))
    agency.of_issuer.write_bytes(agency.issuer.revocation_list())
    assert await agency.outcome(agency.issuer.card()) == "certificate-revocation-unknown"


async def test_without_any_list_every_card_is_refused(tmp_path: Path) -> None:
    agency = Agency(tmp_path)
    agency.lists = RevocationLists(())
    assert await agency.outcome(agency.issuer.card()) == "certificate-revocation-unknown"


async def test_a_list_with_any_byte_changed_lets_nobody_in(agency: Agency) -> None:
    lost = agency.issuer.card()
    whole = x509.load_pem_x509_crl(agency.issuer.revocation_list([lost])).public_bytes(DER)
    found = set()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        agency.of_issuer.write_bytes(bytes(changed))
        found.add(await agency.outcome(lost))
    assert found <= {"certificate-revoked", "certificate-revocation-unknown"}
    assert "certificate-revocation-unknown" in found
