"""Which certificates are cards to sign in with, and why the others are not (domain.md 3.3)."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from smart_auth.identity.cards import Card
from smart_auth.identity.certificates import CARD_AUTHENTICATION, CardTrust, CertificateRefused, card
from tests.auth.card_authority import (
    CAC_NAME,
    COMMON_AUTHENTICATION,
    DAY,
    DER,
    DOD_MEDIUM_HARDWARE,
    PIV_NAME,
    Authority,
    key,
    pem,
    self_signed,
    trust,
    weak_key,
)

NOW = 1_800_000_000
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root(NOW)


@pytest.fixture(scope="module")
def issuer(root: Authority) -> Authority:
    return root.below()


async def read(trusted: CardTrust, certificate: x509.Certificate, now: int = NOW) -> Card:
    return await card(trusted, pem(certificate), now)


async def reason(trusted: CardTrust, certificate: x509.Certificate, now: int = NOW) -> str:
    with pytest.raises(CertificateRefused) as caught:
        await read(trusted, certificate, now)
    assert caught.value.status == 401
    return caught.value.reason


class TestCards:
    async def test_a_cac_tells_its_holders_dod_id_and_name(self, root: Authority, issuer: Authority) -> None:
        found = await read(trust(root, issuer), issuer.card())
        assert (found.kind, found.dod_id, found.name) == ("cac", "1234567890", "ANA LUCIA RIVERA")
        assert found.not_after == NOW + 30 * DAY

    async def test_the_middle_name_may_be_missing(self, root: Authority, issuer: Authority) -> None:
        found = await read(trust(root, issuer), issuer.card(common="RIVERA.ANA.1234567890"))
        assert (found.dod_id, found.name) == ("1234567890", "ANA RIVERA")

    async def test_another_agencys_card_has_no_dod_id(self, root: Authority, issuer: Authority) -> None:
        found = await read(trust(root, issuer), issuer.piv())
        assert (found.kind, found.dod_id, found.name) == ("piv", None, PIV_NAME)

    async def test_digits_in_the_name_of_another_agencys_card_are_no_dod_id(
        self, root: Authority, issuer: Authority
    ) -> None:
        found = await read(trust(root, issuer), issuer.piv(common=CAC_NAME))
        assert (found.kind, found.dod_id) == ("piv", None)

    @pytest.mark.parametrize("common", ["RIVERA.ANA.123456789", "RIVERA.ANA.12345678901", "1234567890", ".1234567890"])
    async def test_only_ten_digits_after_a_name_are_a_dod_id(
        self, root: Authority, issuer: Authority, common: str
    ) -> None:
        assert (await read(trust(root, issuer), issuer.card(common=common))).dod_id is None

    async def test_a_card_issued_anew_by_another_authority_has_the_same_key(self, root: Authority) -> None:
        one, two = root.below("DOD ID CA-1"), root.below("DOD ID CA-2")
        trusted = trust(root, one, two)
        before = await read(trusted, one.card())
        after = await read(trusted, two.card(key=key("the new chip")))
        assert before.key == after.key
        assert len(before.key) == 128

    async def test_the_same_name_below_another_root_is_another_card(self, root: Authority, issuer: Authority) -> None:
        other = Authority.root(NOW, "Another Root")
        ours, theirs = await read(trust(root, issuer), issuer.card()), await read(trust(other), other.card())
        assert ours.key != theirs.key

    async def test_a_root_may_issue_cards_itself(self, root: Authority) -> None:
        assert (await read(trust(root), root.card())).kind == "cac"


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"not_after": -1, "not_before": -DAY}, "certificate-expired"),
            ({"not_before": 60}, "certificate-not-yet-valid"),
            ({"extended": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)}, "certificate-usage"),
            ({"extended": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, "certificate-usage"),
            ({"extended": ()}, "certificate-usage"),
            ({"extended": (ExtendedKeyUsageOID.CLIENT_AUTH, CARD_AUTHENTICATION)}, "certificate-usage"),
            ({"usage": ("key_encipherment",)}, "certificate-usage"),
            ({"usage": ()}, "certificate-usage"),
            ({"more": ((x509.BasicConstraints(True, None), True),)}, "certificate-usage"),
            ({"policies": ("1.2.3.4.5",)}, "certificate-policy"),
            ({"policies": ()}, "certificate-policy"),
            ({"policies": ("2.5.29.32.0",)}, "certificate-policy"),
            ({"more": ((UNKNOWN, True),)}, "certificate-untrusted"),
            # All such would have one key, and sign in to one account.
            ({"subject": x509.Name([])}, "certificate-usage"),
        ],
    )
    async def test_a_card_that_is_not_for_this_is_refused(
        self, root: Authority, issuer: Authority, fields: dict[str, Any], expected: str
    ) -> None:
        assert await reason(trust(root, issuer), issuer.card(**fields)) == expected

    async def test_an_extension_that_is_not_critical_does_not_matter(self, root: Authority, issuer: Authority) -> None:
        assert (await read(trust(root, issuer), issuer.card(more=((UNKNOWN, False),)))).kind == "cac"

    async def test_a_card_of_nobody_is_self_signed(self, root: Authority, issuer: Authority) -> None:
        assert await reason(trust(root, issuer), self_signed(NOW)) == "certificate-self-signed"

    async def test_an_anchor_is_not_a_card(self, root: Authority) -> None:
        assert await reason(trust(root), root.certificate) == "certificate-self-signed"

    async def test_another_root_of_the_same_name_is_not_trusted(self, root: Authority) -> None:
        other = Authority.root(NOW)
        forger = Authority(other.certificate, key("forger"), NOW)
        assert await reason(trust(root), forger.card()) == "certificate-untrusted"

    async def test_a_card_below_an_unknown_authority_is_not_trusted(self, root: Authority, issuer: Authority) -> None:
        assert await reason(trust(root), issuer.card()) == "certificate-untrusted"

    async def test_a_card_may_not_issue_cards(self, root: Authority, issuer: Authority) -> None:
        holder = issuer.card(usage=("digital_signature", "key_cert_sign"))
        forger = Authority(holder, key(f"card of {CAC_NAME}"), NOW)
        assert (
            await reason(trust(root, issuer, forger), forger.card(common="X.Y.9999999999")) == "certificate-untrusted"
        )

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"not_after": -1}, "certificate-expired"),
            ({"not_before": 60}, "certificate-not-yet-valid"),
            ({"is_authority": False}, "certificate-untrusted"),
            ({"uses": ("crl_sign",)}, "certificate-untrusted"),
            ({"more": ((UNKNOWN, True),)}, "certificate-untrusted"),
            (
                {"more": ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),)},
                "certificate-untrusted",
            ),
            (
                {"more": ((x509.NameConstraints([x509.DNSName("mil")], None), True),)},
                "certificate-untrusted",
            ),
            ({"asserts": ("1.2.3.4.5",)}, "certificate-policy"),
            ({"asserts": ()}, "certificate-policy"),
        ],
    )
    async def test_every_authority_must_be_one(self, root: Authority, fields: dict[str, Any], expected: str) -> None:
        wrong = root.below("Wrong CA", **fields)
        assert await reason(trust(root, wrong), wrong.card()) == expected

    async def test_an_expired_root_is_refused(self) -> None:
        old = Authority.root(NOW, "Old Root", not_after=-1)
        assert await reason(trust(old), old.card()) == "certificate-expired"

    async def test_a_path_may_not_be_longer_than_its_root_allows(self) -> None:
        short = Authority.root(NOW, "Short Root", path_length=0)
        below = short.below("Below Short")
        assert await reason(trust(short, below), below.card()) == "certificate-untrusted"
        assert (await read(trust(short), short.card())).kind == "cac"

    @pytest.mark.parametrize("skip, expected", [(0, "certificate-policy"), (1, None)])
    async def test_any_policy_counts_until_an_authority_above_forbids_it(self, skip: int, expected: str | None) -> None:
        top = Authority.root(NOW, "Any Root")
        first = top.below("Any First", asserts=("2.5.29.32.0",), more=((x509.InhibitAnyPolicy(skip), True),))
        second = first.below("Any Second", asserts=("2.5.29.32.0",))
        trusted = trust(top, first, second)
        if expected is None:
            assert (await read(trusted, second.card())).kind == "cac"
        else:
            assert await reason(trusted, second.card()) == expected

    async def test_a_policy_that_one_authority_does_not_have_does_not_count(self, root: Authority) -> None:
        other = root.below("Other Agency CA", asserts=(COMMON_AUTHENTICATION,))
        assert await reason(trust(root, other), other.card(policies=(DOD_MEDIUM_HARDWARE,))) == "certificate-policy"
        both = other.card(policies=(DOD_MEDIUM_HARDWARE, COMMON_AUTHENTICATION))
        assert (await read(trust(root, other), both)).kind == "piv"

    async def test_a_weak_key_is_refused(self, root: Authority, issuer: Authority) -> None:
        assert await reason(trust(root, issuer), issuer.card(key=weak_key())) == "certificate-untrusted"

    async def test_a_signature_over_a_shorter_digest_than_sha_256_is_refused(self) -> None:
        own = rsa.generate_private_key(65537, 2048)
        root = Authority.root(NOW, "Sound Root")
        weak = Authority(root.certificate, root.key, NOW).card(digest=hashes.SHA224(), key=own)
        assert await reason(trust(root), weak) == "certificate-untrusted"

    async def test_dates_are_those_of_the_moment(self, root: Authority, issuer: Authority) -> None:
        trusted, shown = trust(root, issuer), issuer.card()
        assert (await read(trusted, shown, NOW + 30 * DAY)).kind == "cac"
        assert await reason(trusted, shown, NOW + 30 * DAY + 1) == "certificate-expired"

    async def test_a_second_way_counts_where_the_first_has_ended(self, root: Authority) -> None:
        ended = root.below("Crossed CA", not_after=-1)
        current = root.below("Crossed CA")
        assert (await read(trust(root, ended, current), current.card())).kind == "cac"


class TestTexts:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nü\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n" + "A" * 20_000,
        ],
    )
    async def test_what_is_no_certificate_is_malformed(self, root: Authority, text: str) -> None:
        with pytest.raises(CertificateRefused) as caught:
            await card(trust(root), text, NOW)
        assert caught.value.reason == "certificate-malformed"

    async def test_two_certificates_are_malformed(self, root: Authority, issuer: Authority) -> None:
        text = pem(issuer.card()) + pem(issuer.certificate)
        with pytest.raises(CertificateRefused) as caught:
            await card(trust(root, issuer), text, NOW)
        assert caught.value.reason == "certificate-malformed"

    async def test_any_bit_of_a_certificate_that_changes_makes_it_worthless(
        self, root: Authority, issuer: Authority
    ) -> None:
        whole = issuer.card().public_bytes(DER)
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 1 << at % 8
            text = base64.encodebytes(bytes(changed)).decode()
            with pytest.raises(CertificateRefused):
                await card(trust(root, issuer), f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n", NOW)

    async def test_any_line_of_a_text_that_changes_makes_it_worthless(self, root: Authority, issuer: Authority) -> None:
        lines = pem(issuer.card()).splitlines()
        for at in range(1, len(lines) - 1):
            changed = lines[at].swapcase() if lines[at].swapcase() != lines[at] else lines[at][::-1]
            with pytest.raises(CertificateRefused):
                await card(trust(root, issuer), "\n".join([*lines[:at], changed, *lines[at + 1 :]]), NOW)
