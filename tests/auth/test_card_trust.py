"""Settings of cards become whose cards are trusted; a file that cannot be used stops the start with a reason."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server.card_trust import card_trust
from fhir_server.settings import Settings
from smart_auth.identity.certificates import CertificateRefused, card
from smart_auth.identity.ocsp import ElseLists, Responders
from smart_auth.identity.revocation import RevocationLists
from tests.auth.card_authority import COMMON_AUTHENTICATION, SECRET, Authority, pem

NOW = 1_800_000_000


@pytest.fixture
def agency(tmp_path: Path) -> Authority:
    """An authority below a root, with their files beside each other."""
    root = Authority.root(NOW)
    issuer = root.below()
    (tmp_path / "roots.pem").write_text(pem(root.certificate) + pem(Authority.root(NOW, "Second").certificate))
    (tmp_path / "authorities.pem").write_text(pem(issuer.certificate))
    (tmp_path / "root.crl").write_bytes(root.revocation_list())
    (tmp_path / "issuer.crl").write_bytes(issuer.revocation_list())
    return issuer


def settings(folder: Path, **fields: Any) -> Settings:
    given = {
        "trusted_proxies": ("127.0.0.1",),
        "card_anchors": folder / "roots.pem",
        "card_intermediates": folder / "authorities.pem",
        "card_crls": (folder / "root.crl", folder / "issuer.crl"),
        "card_proxy_secret": SECRET,
        **fields,
    }
    return Settings(**given)


async def test_a_card_is_accepted_by_the_settings(agency: Authority, tmp_path: Path) -> None:
    trusted = card_trust(settings(tmp_path))
    assert trusted is not None
    assert len(trusted.anchors) == 2 and trusted.proxy_secret == SECRET
    assert (await card(trusted, pem(agency.card()), NOW)).kind == "cac"


async def test_only_the_configured_policies_count(agency: Authority, tmp_path: Path) -> None:
    trusted = card_trust(settings(tmp_path, card_policies=(COMMON_AUTHENTICATION,)))
    assert trusted is not None
    with pytest.raises(CertificateRefused):
        await card(trusted, pem(agency.card()), NOW)


def test_without_roots_no_card_is_read() -> None:
    assert card_trust(Settings()) is None


@pytest.mark.parametrize(
    ("said", "asked"), [("crl", RevocationLists), ("ocsp", Responders), ("ocsp-else-crl", ElseLists)]
)
def test_revocation_is_asked_where_the_settings_say(
    agency: Authority, tmp_path: Path, said: str, asked: type[object]
) -> None:
    trusted = card_trust(settings(tmp_path, card_revocation=said))
    assert trusted is not None and isinstance(trusted.revocation, asked)


@pytest.mark.parametrize("setting", ["card_anchors", "card_intermediates"])
@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_file_that_cannot_be_used_is_named(
    agency: Authority, tmp_path: Path, setting: str, content: str | None
) -> None:
    place = tmp_path / "wrong.pem"
    if content is not None:
        place.write_text(content)
    with pytest.raises(ValueError, match=f"FHIR_{setting.upper()}"):
        card_trust(settings(tmp_path, **{setting: place}))
