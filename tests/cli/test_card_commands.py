"""Cards of staff by command: the certificate is checked as at a sign-in, bound, shown and taken away again."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pymongo import MongoClient

from fhir_server.card_trust import card_trust
from fhir_server.settings import Settings
from fhir_server.store.indexes import AUDIT
from smart_auth.identity.certificates import card
from smart_auth.records import CARDS
from tests.auth.card_authority import PEM, SECRET, Authority, key, pem, self_signed
from tests.cli.test_account_levels import PASSWORD, added
from tests.cli.test_auth_commands import Commands

DOCTORS = {"common": "OKAFOR.GRACE.9900000074"}


@pytest.fixture
def agency() -> Authority:
    return Authority.root(int(time.time())).below()


@pytest.fixture
def trusted(agency: Authority, tmp_path: Path) -> dict[str, str]:
    """The settings of a server that takes the agency's cards; nothing is revoked."""
    root = Authority.root(agency.now)
    for name, content in {
        "roots.pem": pem(root.certificate).encode(),
        "authorities.pem": pem(agency.certificate).encode(),
        "root.crl": root.revocation_list(),
        "agency.crl": agency.revocation_list(),
    }.items():
        (tmp_path / name).write_bytes(content)
    return {
        "FHIR_TRUSTED_PROXIES": '["127.0.0.1"]',
        "FHIR_CARD_PROXY_SECRET": SECRET,
        "FHIR_CARD_ANCHORS": str(tmp_path / "roots.pem"),
        "FHIR_CARD_INTERMEDIATES": str(tmp_path / "authorities.pem"),
        "FHIR_CARD_CRLS": f'["{tmp_path / "root.crl"}", "{tmp_path / "agency.crl"}"]',
    }


@pytest.fixture
def commands(mongodb_uri: str, database_name: str, trusted: dict[str, str]) -> Commands:
    return Commands({"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name, **trusted})


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | x509.Certificate], str]:
    """Puts a certificate, or a text, into a file; its path."""

    def write(content: str | x509.Certificate) -> str:
        path = tmp_path / "card.pem"
        path.write_text(content if isinstance(content, str) else pem(content))
        return str(path)

    return write


def staff(commands: Commands, username: str) -> None:
    add = ("account", "add", username, "--kind", "practitioner", "--fhir-user", "Practitioner/d1")
    commands(*add, typed=f"{PASSWORD}\n")


def key_of(said: str) -> str:
    return next(line.split()[1] for line in said.splitlines() if line.startswith("key:"))


def test_a_card_is_bound_shown_and_taken_away(
    commands: Commands,
    agency: Authority,
    written: Callable[..., str],
    mongodb: MongoClient[dict[str, Any]],
    database_name: str,
    trusted: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    staff(commands, "grace")
    certificate = agency.card(**DOCTORS)
    said = commands("card", "bind", "grace", written(f"Subject: OKAFOR\n{pem(certificate)}"))
    assert "bound to: grace" in said and "OKAFOR" in said
    for name, value in trusted.items():
        monkeypatch.setenv(name, value)
    trust = card_trust(Settings())
    assert trust is not None
    # The key by which /auth/card finds the account.
    shown = asyncio.run(card(trust, pem(agency.card(**DOCTORS, key=key("another chip"))), int(time.time())))
    assert shown.key == key_of(said)
    assert f"CAC {shown.key}" in " ".join(
        word for word in commands("card", "list", "grace").split() if not word.startswith("20")
    )
    commands("card", "remove", shown.key)
    assert shown.key not in commands("card", "list", "grace")
    assert "no card of this key" in commands("card", "remove", shown.key, code=2)
    texts = [row.get("text", "") for row in mongodb[database_name][AUDIT].find()]
    assert "CAC bound, by command" in texts and "card removed, by command" in texts
    assert "9900000074" not in repr(list(mongodb[database_name][AUDIT].find()))


def test_a_card_is_not_taken_from_somebody_else(
    commands: Commands,
    agency: Authority,
    written: Callable[..., str],
    mongodb: MongoClient[dict[str, Any]],
    database_name: str,
) -> None:
    staff(commands, "grace")
    staff(commands, "monica")
    card_of_grace = written(agency.card(**DOCTORS))
    commands("card", "bind", "grace", card_of_grace)
    commands("card", "bind", "grace", card_of_grace)
    assert "bound to grace" in commands("card", "bind", "monica", card_of_grace, code=2)
    assert mongodb[database_name][f"auth.{CARDS}"].count_documents({}) == 1


def test_what_nobody_could_sign_in_by_is_not_bound(
    commands: Commands, agency: Authority, written: Callable[..., str], tmp_path: Path
) -> None:
    staff(commands, "grace")
    day = 86_400
    private = agency.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    for content, said in (
        (agency.card(not_before=-2 * day, not_after=-day), "certificate-expired"),
        (self_signed(agency.now), "certificate-self-signed"),
        (agency.card(policies=()), "certificate-policy"),
        ("no certificate at all", "no certificate in PEM"),
        (pem(agency.card()) + private, "private key"),
    ):
        assert said in commands("card", "bind", "grace", written(content), code=2)
    assert "cannot be read" in commands("card", "bind", "grace", str(tmp_path / "nowhere.pem"), code=2)
    (tmp_path / "agency.crl").write_bytes(agency.revocation_list([revoked := agency.card(**DOCTORS)]))
    assert "certificate-revoked" in commands("card", "bind", "grace", written(revoked), code=2)


def test_whose_account_it_is_decides(commands: Commands, agency: Authority, written: Callable[..., str]) -> None:
    good = written(agency.piv())
    assert "no account nobody" in commands("card", "bind", "nobody", good, code=2)
    added(commands, "ann")
    assert "registered by its owner" in commands("card", "bind", "ann", good, code=2)
    staff(commands, "grace")
    commands("account", "deactivate", "grace")
    assert "deactivated" in commands("card", "bind", "grace", good, code=2)
    # A CAC does not hang on the DS Logon.
    assert "bound to: grace" in commands("card", "bind", "grace", written(agency.card(**DOCTORS)))


def test_where_no_card_is_read_none_is_bound(
    mongodb_uri: str, database_name: str, agency: Authority, written: Callable[..., str]
) -> None:
    bare = Commands({"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name})
    staff(bare, "grace")
    assert "set FHIR_CARD_ANCHORS" in bare("card", "bind", "grace", written(agency.card()), code=2)
