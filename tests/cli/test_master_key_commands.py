"""`fhir-server master-key`: what opens messages moves from file to file and to a service, and none is lost.

docs/operations.md, docs/adr/0032-encryption-at-rest.md
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.test_auth_commands import Commands
from tests.conftest import StartServer
from tests.key_service import key_service

MESSAGE: dict[str, Any] = {
    "resourceType": "Communication",
    "id": "m",
    "status": "completed",
    "payload": [{"contentString": "the words"}],
}


@pytest.fixture
def settings(tmp_path: Path, mongodb_uri: str, database_name: str) -> dict[str, str]:
    """Those of an installation whose master key is in a file."""
    found = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}
    return found | {"FHIR_MASTER_KEY_FILE": str(tmp_path / "first.key"), "FHIR_DATA_DIR": str(tmp_path / "data")}


def words(start: StartServer, settings: dict[str, str]) -> str:
    """What a new server with these settings reads of the message, which it stores where there is none."""
    running = start(settings=settings)
    answer = httpx.get(f"{running.base}/Communication/m", trust_env=False, timeout=30)
    if answer.status_code == 404:
        answer = httpx.put(f"{running.base}/Communication/m", json=MESSAGE, trust_env=False, timeout=30)
    running.stop()
    return str(answer.json()["payload"][0]["contentString"])


def test_the_master_key_is_changed_to_another_file_to_a_service_and_back(
    tmp_path: Path, settings: dict[str, str], server: StartServer
) -> None:
    first, second = tmp_path / "first.key", tmp_path / "second.key"
    command = Commands(settings)
    for path in (first, second):
        assert str(path) in command("master-key", "make", str(path))
    assert words(server, settings) == "the words"
    assert "1 keys are sealed under" in command("master-key", "rotate", str(second))
    assert "0 keys are sealed under" in command("master-key", "rotate", str(second))
    settings |= {"FHIR_MASTER_KEY_FILE": str(second)}
    assert words(server, settings) == "the words"
    with key_service(tmp_path / "service") as service:
        of_service = service.settings(service.add("one"))
        environment = {f"FHIR_{name.upper()}": str(value) for name, value in of_service.items()}
        environment["FHIR_KMS_MASTER_KEY"] = json.dumps(of_service["kms_master_key"])
        moved = Commands(settings | environment)
        assert "1 keys are sealed under the key of FHIR_KMS_PROVIDER=aws" in moved("master-key", "rotate")
        assert "Content key 2 is in force" in moved("master-key", "renew")
        without_file = environment | {name: value for name, value in settings.items() if name != "FHIR_MASTER_KEY_FILE"}
        assert words(server, without_file) == "the words"
        assert "2 keys are sealed under" in Commands(without_file)("master-key", "rotate", str(first))
    settings |= {"FHIR_MASTER_KEY_FILE": str(first)}
    assert words(server, settings) == "the words"


def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, settings: dict[str, str], server: StartServer
) -> None:
    command = Commands(settings)
    first = tmp_path / "first.key"
    command("master-key", "make", str(first))
    assert "never overwritten" in command("master-key", "make", str(first), code=2)
    assert "Name the FILE" in command("master-key", "rotate", code=2)
    assert "cannot be read" in command("master-key", "rotate", str(tmp_path / "none.key"), code=2)
    assert words(server, settings) == "the words"
    command("master-key", "make", str(tmp_path / "stranger.key"))
    stranger = Commands(settings | {"FHIR_MASTER_KEY_FILE": str(tmp_path / "stranger.key")})
    assert "FHIR_MASTER_KEY_FILE" in stranger("master-key", "rotate", str(tmp_path / "stranger.key"), code=2)
