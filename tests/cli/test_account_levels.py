"""What the help desk does by command for the owner of a DS Logon: levels, addresses, locks, one-time codes, its end."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.cli.test_auth_commands import NOTICED_SECONDS, Commands, signs_in
from tests.conftest import RunningServer, _end, start_server

PASSWORD = "correct horse battery"


@pytest.fixture
def commands(mongodb_uri: str, database_name: str) -> Commands:
    return Commands({"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name})


@pytest.fixture
def running(tmp_path: Path, mongodb_uri: str, database_name: str) -> Iterator[tuple[RunningServer, Commands]]:
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}
    server = start_server(tmp_path / "server.log", 1, settings, auth="smart")
    yield server, Commands({**settings, "FHIR_PORT": server.base.split(":")[2].split("/")[0]})
    _end(server)


def added(commands: Commands, username: str, *options: str) -> str:
    add = ("account", "add", username, "--kind", "patient", "--patient", "p1", *options)
    return commands(*add, typed=f"{PASSWORD}\n")


def row(commands: Commands, username: str) -> str:
    """An account's line of the list."""
    found = [line for line in commands("account", "list").splitlines() if line.split()[:1] == [username]]
    assert len(found) == 1, found
    return " ".join(found[0].split())


def test_an_account_has_the_level_it_was_added_with(commands: Commands) -> None:
    added(commands, "ann")
    added(commands, "ben", "--level", "level1")
    assert row(commands, "ann").startswith("ann patient level2 p1")
    assert row(commands, "ben").startswith("ben patient level1 p1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--level", "card"), "--level must be level1 or level2"),
        (("--email", "nowhere"), "--email must be an address"),
        (("--email", "a@b.c,d@e.f"), "--email must be an address"),
    ],
)
def test_what_cannot_be_is_refused(commands: Commands, options: tuple[str, ...], said: str) -> None:
    add = ("account", "add", "ann", "--kind", "patient", "--patient", "p1", *options)
    assert said in commands(*add, code=2, typed=f"{PASSWORD}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account", "deactivate", "nobody"), "no account nobody"),
        (("account", "unlock", "nobody"), "no account nobody"),
        (("account", "codes", "nobody"), "no account nobody"),
        (("account", "upgrade", "nobody", "--patient", "p1"), "no account nobody"),
        (("account", "upgrade", "ann", "--patient", "no id"), "id of a Patient"),
        (("account", "upgrade", "ann", "--patient", "p9"), "There is no Patient p9"),
        (("account", "codes", "ann", "--remove"), "asked for no codes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    commands: Commands, arguments: tuple[str, ...], said: str
) -> None:
    added(commands, "ann")
    assert said in commands(*arguments, code=2)


def test_who_is_asked_for_codes_is_told(commands: Commands) -> None:
    added(commands, "ann")
    assert "ann is asked for no codes." in commands("account", "codes", "ann")


def test_a_logon_that_is_deactivated_lets_nobody_in(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    added(command, "ann")
    assert signs_in(server, "ann", PASSWORD)
    assert "deactivated" in command("account", "deactivate", "ann")
    assert not signs_in(server, "ann", PASSWORD)
    assert "level2, deactivated" in row(command, "ann")


def test_a_lock_is_lifted(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    added(command, "ann")
    for _ in range(5):
        assert not signs_in(server, "ann", "wrong")
    assert not signs_in(server, "ann", PASSWORD)
    command("account", "unlock", "ann")
    assert signs_in(server, "ann", PASSWORD)


def test_an_upgrade_by_word_gives_the_record_and_ends_what_was_granted(
    running: tuple[RunningServer, Commands], tmp_path: Path
) -> None:
    server, command = running
    patient_made(server, command, tmp_path)
    added(command, "ann", "--level", "level1")
    command("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app")
    token = command("token", "issue", "--client", "app", "--user", "ann", "--scope", "openid fhirUser").strip()
    header = {"authorization": f"Bearer {token}"}

    def status() -> int:
        origin = server.base.removesuffix("fhir")
        return httpx.get(f"{origin}auth/userinfo", headers=header, trust_env=False).status_code

    assert status() == 200
    command("account", "upgrade", "ann", "--patient", "p1")
    assert row(command, "ann").startswith("ann patient level2 p1")
    time.sleep(NOTICED_SECONDS)
    assert status() == 401
    # A record that somebody uses is not given to a second one by a slip of the tongue.
    added(command, "ben", "--level", "level1")
    assert "another account's own" in command("account", "upgrade", "ben", "--patient", "p1", code=2)
    assert row(command, "ben").startswith("ben patient level1")


def test_a_new_password_by_command_ends_what_was_granted(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    added(command, "ann")
    command("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app")
    token = command("token", "issue", "--client", "app", "--user", "ann", "--scope", "openid fhirUser").strip()
    origin, header = server.base.removesuffix("fhir"), {"authorization": f"Bearer {token}"}
    command("account", "password", "ann", typed="another correct horse\n")
    time.sleep(NOTICED_SECONDS)
    assert httpx.get(f"{origin}auth/userinfo", headers=header, trust_env=False).status_code == 401
    assert not signs_in(server, "ann", PASSWORD)
    assert signs_in(server, "ann", "another correct horse")


def patient_made(server: RunningServer, command: Commands, tmp_path: Path) -> None:
    """Let a system put the Patient p1 there."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(ECKey.generate_key("P-384", {"kid": "k1"}).as_dict(private=False)))
    command(
        *("client", "add", "--name", "Exchange", "--system", "--auth-method", "private_key_jwt", "--id", "exchange"),
        *("--scope", "system/*.cruds", "--jwks", str(keys)),
    )
    token = command("token", "issue", "--client", "exchange", "--scope", "system/Patient.cruds").strip()
    put = httpx.put(
        f"{server.base}/Patient/p1",
        json={"resourceType": "Patient", "id": "p1"},
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert re.match("20[01]", str(put.status_code)), put.text
