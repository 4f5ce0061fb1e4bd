"""The commands that administer sign-in, on a database that a server works on at the same time."""

import json
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.conftest import RunningServer, _end, start_server
from tests.require import ROOT

NOTICED_SECONDS = 1.3

ALL_SCOPES = ("--scope", "patient/*.rs user/*.rs")


def claims(token: str) -> tuple[str, str]:
    """Base and patient of an access token."""
    body = token.split(".")[1]
    said = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return said["iss"], said["patient"]


def signs_in(server: RunningServer, username: str, password: str) -> bool:
    """Whether somebody can sign in at the page that shows what apps may see."""
    with httpx.Client(base_url=server.base.removesuffix("/fhir"), trust_env=False, follow_redirects=True) as browser:
        page = browser.get("/auth/manage").text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
        shown = browser.post("/auth/login", data={**hidden, "username": username, "password": password})
        return shown.status_code == 200 and "Signed in as" in shown.text


class Commands:
    """Runs `fhir-server` on one database."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)

    def __call__(self, *arguments: str, code: int = 0, typed: str = "") -> str:
        """What the command writes to standard output; where it fails as expected, what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "fhir_server.cli", *arguments],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **self.settings},
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    def values(self, *arguments: str) -> dict[str, str]:
        """The lines `name: value` that it writes."""
        return dict(line.split(": ", 1) for line in self(*arguments).splitlines() if ": " in line)


@pytest.fixture
def running(tmp_path: Path, mongodb_uri: str, database_name: str) -> Iterator[tuple[RunningServer, Commands]]:
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}
    server = start_server(tmp_path / "server.log", 1, settings, auth="smart")
    yield server, Commands({**settings, "FHIR_PORT": server.base.split(":")[2].split("/")[0]})
    _end(server)


@pytest.fixture
def commands(mongodb_uri: str, database_name: str) -> Commands:
    return Commands({"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name})


def test_a_token_by_hand_reads_until_it_is_revoked(running: tuple[RunningServer, Commands], tmp_path: Path) -> None:
    server, command = running
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(ECKey.generate_key("P-384", {"kid": "k1"}).as_dict(private=False)))
    added = command.values(
        *("client", "add", "--name", "Exchange", "--system", "--auth-method", "private_key_jwt", "--id", "exchange"),
        *("--scope", "system/*.cruds", "--jwks", str(keys)),
    )
    assert added == {"client_id": "exchange"}
    token = command("token", "issue", "--client", "exchange", "--scope", "system/Patient.cruds system/Group.r").strip()
    header = {"authorization": f"Bearer {token}"}

    def read() -> int:
        return httpx.get(f"{server.base}/Patient/p1", headers=header, trust_env=False).status_code

    put = httpx.put(
        f"{server.base}/Patient/p1", json={"resourceType": "Patient", "id": "p1"}, headers=header, trust_env=False
    )
    assert put.status_code == 201, put.text
    assert read() == 200
    refused = httpx.get(f"{server.base}/Observation/o1", headers=header, trust_env=False)
    assert refused.status_code == 403
    command("token", "revoke", "-", typed=token + "\n")
    time.sleep(NOTICED_SECONDS)
    assert read() == 401


def test_a_new_key_signs_and_the_old_tokens_stay_good(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    command("account", "add", "administrator", "--kind", "admin", typed="a long enough password\n")
    command("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app")
    issue = ("token", "issue", "--client", "app", "--user", "administrator", "--scope", "user/*.rs")
    before = command(*issue).strip()
    kid = command.values("keys", "rotate")["kid"]
    after = command(*issue).strip()
    for token in (before, after):
        header = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.base}/Patient", headers=header, trust_env=False).status_code == 200
    listed = httpx.get(f"{server.base.removesuffix('fhir')}auth/jwks", trust_env=False).json()["keys"]
    assert kid in {each["kid"] for each in listed} and len(listed) == 2
    command("token", "revoke", "--user", "administrator")
    time.sleep(NOTICED_SECONDS)
    header = {"authorization": f"Bearer {after}"}
    assert httpx.get(f"{server.base}/Patient", headers=header, trust_env=False).status_code == 401


def test_a_new_key_at_once_ends_every_token_of_the_old_ones(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    command("account", "add", "administrator", "--kind", "admin", typed="a long enough password\n")
    command("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app")
    issue = ("token", "issue", "--client", "app", "--user", "administrator", "--scope", "user/*.rs")

    def status(token: str) -> int:
        header = {"authorization": f"Bearer {token}"}
        return httpx.get(f"{server.base}/Patient", headers=header, trust_env=False).status_code

    before = command(*issue).strip()
    assert status(before) == 200
    kid = command.values("keys", "rotate", "--at-once")["kid"]
    time.sleep(NOTICED_SECONDS)
    assert status(before) == 401
    assert status(command(*issue).strip()) == 200
    listed = httpx.get(f"{server.base.removesuffix('fhir')}auth/jwks", trust_env=False).json()["keys"]
    assert [each["kid"] for each in listed] == [kid]


def test_signing_keys_are_sealed_under_a_file_without_which_no_server_starts(
    commands: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    setting = "FHIR_KEY_ENCRYPTION_KEY_FILE"
    sealing = Commands({**commands.settings, setting: str(file)})
    assert "cannot be read" in sealing("keys", "rotate", code=2)
    file.write_bytes(b"short")
    assert "at least 32 bytes" in sealing("serve", "--port", "0", code=2)
    file.write_bytes(b"0123456789" * 4)
    sealing("keys", "rotate")
    assert f"Set {setting}" in commands("serve", "--port", "0", code=2)
    commands("keys", "rotate", "--at-once")


def test_clients_are_listed_rotated_and_removed(commands: Commands) -> None:
    added = commands.values(
        *("client", "add", "--name", "Web app", "--redirect-uri", "https://app.example.org/callback"),
        *("--auth-method", "client_secret_basic"),
    )
    id, secret = added["client_id"], added["client_secret"]
    listed = commands("client", "list")
    assert id in listed and "Web app" in listed and secret not in listed
    assert commands.values("client", "rotate", id)["client_secret"] != secret
    commands("client", "remove", id)
    assert id not in commands("client", "list")
    assert "no client" in commands("client", "remove", id, code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("client", "add", "--name", "App", "--redirect-uri", "http://app.example.org/"), "redirect_uri"),
        (("client", "add", "--name", "App", "--redirect-uri", "https://a.example/", "--auth-method", "x"), "one of"),
        (("client", "rotate", "nobody"), "no client nobody"),
        (("token", "issue", "--client", "nobody", "--scope", "system/*.rs"), "no client nobody"),
        (("token", "revoke"), "Say one of"),
        (("token", "revoke", "not-a-token"), "no access token"),
        (("account", "disable", "nobody"), "no account nobody"),
        (("account", "enable", "nobody"), "no account nobody"),
        (("account", "add", "ann", "--kind", "king"), "--kind must be"),
        (("account", "add", "ann", "--kind", "patient"), "needs --patient"),
        (("account", "add", "ann", "--kind", "patient", "--patient", "no id"), "id of a Patient"),
        (("account", "add", "ann", "--kind", "practitioner"), "needs --fhir-user"),
        (("account", "add", "ann", "--kind", "practitioner", "--fhir-user", "Patient/p1"), "needs --fhir-user"),
        (("account", "add", "ann", "--kind", "admin", "--fhir-user", "ann"), "--fhir-user must be"),
        (("account", "add", "ann", "--kind", "admin"), "at least 15 characters"),
        (("account", "password", "nobody"), "no account nobody"),
        (("client", "add", "--name", "App"), "Say --redirect-uri"),
        (("client", "add", "--name", "App", "--system"), "say --jwks"),
        (
            ("client", "add", "--name", "App", "--system", "--jwks", "/nowhere.json"),
            "Cannot read /nowhere.json",
        ),
        (("client", "add", "--name", "App", "--system", "--jwks", "README.md"), "README.md is not JSON"),
        (("token", "revoke", "--grant", "unknown"), "no grant unknown"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(commands: Commands, arguments: tuple[str, ...], said: str) -> None:
    assert said in commands(*arguments, code=2)


def test_an_account_is_added_once_and_disabled(commands: Commands) -> None:
    add = ("account", "add", "Ann", "--kind", "patient", "--patient", "p1", "--fhir-user", "Patient/p1")
    commands(*add, typed="correct horse battery\n")
    assert "already" in commands(*add, typed="correct horse battery\n", code=2)
    assert "Patient/p1" in commands("account", "list")
    commands("account", "disable", "ann")
    assert "disabled" in commands("account", "list")
    commands("account", "enable", "ann")
    assert "disabled" not in commands("account", "list")
    (_, listed) = commands("account", "list", "--ids").splitlines()
    assert re.fullmatch(r" Ann +[0-9a-f]{32} *", listed)


def test_who_is_enabled_again_signs_in_and_what_was_granted_before_stays_ended(
    running: tuple[RunningServer, Commands],
) -> None:
    server, command = running
    command("account", "add", "admin", "--kind", "admin", typed="a long enough password\n")
    command("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app")
    issue = ("token", "issue", "--client", "app", "--user", "admin", "--scope", "user/*.rs")

    def status(token: str) -> int:
        header = {"authorization": f"Bearer {token}"}
        return httpx.get(f"{server.base}/Patient", headers=header, trust_env=False).status_code

    before = command(*issue).strip()
    command("account", "disable", "admin")
    assert not signs_in(server, "admin", "a long enough password")
    command("account", "enable", "admin")
    time.sleep(NOTICED_SECONDS)
    assert signs_in(server, "admin", "a long enough password")
    assert status(before) == 401
    assert status(command(*issue).strip()) == 200


def test_a_token_by_hand_is_for_a_record_that_its_person_may_act_for(commands: Commands) -> None:
    for name, patients in (("ann", ("p1",)), ("ben", ("p2", "p3"))):
        acts_for = [word for patient in patients for word in ("--patient", patient)]
        added = commands("account", "add", name, "--kind", "patient", *acts_for, typed="correct horse battery\n")
        assert f"no Patient {patients[0]} yet" in added
    commands("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", "app", *ALL_SCOPES)
    issue = ("token", "issue", "--client", "app", "--scope", "patient/*.rs", "--user")
    assert "acts for p1 alone" in commands(*issue, "ann", "--patient", "p2", code=2)
    assert "say --patient" in commands(*issue, "ben", code=2)
    assert "no Patient p3" in commands(*issue, "ben", "--patient", "p3", code=2)
    assert claims(commands(*issue, "ann", "--base", "http://localhost:9999/fhir")) == (
        "http://localhost:9999/fhir",
        "p1",
    )
    assert "none of this server's bases" in commands(*issue, "ann", "--base", "http://fhir.example.org/fhir", code=2)
    commands("account", "disable", "ann")
    assert "ann is disabled" in commands(*issue, "ann", code=2)


def test_tables_show_every_value_whole(commands: Commands) -> None:
    id = "an-app-whose-id-is-rather-long"
    commands("client", "add", "--name", "App", "--redirect-uri", "https://app.example.org/", "--id", id, *ALL_SCOPES)
    narrow = Commands({**commands.settings, "COLUMNS": "80"})
    listed = narrow("client", "list")
    assert id in listed and "…" not in listed


def test_a_new_password_takes_the_place_of_the_old_one(running: tuple[RunningServer, Commands]) -> None:
    server, command = running
    command("account", "add", "ann", "--kind", "admin", typed="correct horse battery\n")
    command("account", "password", "ann", typed="another horse battery\n")
    assert not signs_in(server, "ann", "correct horse battery")
    assert signs_in(server, "ann", "another horse battery")


def test_an_invitation_registers_one_app(commands: Commands) -> None:
    assert len(commands.values("client", "invite")["initial_access_token"]) >= 40
