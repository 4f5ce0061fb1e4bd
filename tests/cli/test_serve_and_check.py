"""`fhir-server serve` and `check`: what keeps them from starting is one sentence with the remedy."""

import socket
from pathlib import Path

import httpx
import pytest

from tests.cli.test_load import run
from tests.conftest import StartServer

UNREACHABLE = {"FHIR_MONGODB_URI": "mongodb://127.0.0.1:9/?replicaSet=rs0"}


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--host", "0.0.0.0"], {}, "FHIR_BASE_URL"),
        (["--auth", "smart", "--host", "::"], {}, "needs TLS"),
        (["--auth", "smart"], {"FHIR_BASE_URL": "http://fhir.example.org/fhir"}, "https://"),
        (["--auth", "maybe"], {}, "FHIR_AUTH"),
        (["--auth", "off", "--host", "0.0.0.0"], {}, "refused on 0.0.0.0"),
        (["--auth", "off", "--host", "::"], {}, "refused on ::"),
        (["--auth", "off"], {"FHIR_TRUSTED_PROXIES": '["10.0.0.1"]'}, "proxy"),
        (["--auth", "off"], {"FHIR_BASE_URL": "https://fhir.example.org/fhir"}, "FHIR_BASE_URL"),
        (["--auth", "off"], {"FHIR_PORT": "http"}, "FHIR_PORT"),
        (["--auth", "off", "--port", "0"], UNREACHABLE, "MongoDB does not answer"),
        (["--auth", "off", "--port", "0"], {"FHIR_MONGODB_URI": "mongodb://"}, "FHIR_MONGODB_URI is wrong"),
        (["--auth", "off", "--port", "0"], {"FHIR_MONGOD": "/bin/true"}, "FHIR_MONGODB_URI"),
        (["--auth", "off", "--port", "0", "--data-dir", "/proc/nowhere"], {}, "--data-dir"),
    ],
)
def test_serve_says_in_one_sentence_why_it_does_not_start(
    arguments: list[str], settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    if "--data-dir" not in arguments:
        settings = {"FHIR_DATA_DIR": str(tmp_path)} | settings
    done = run("serve", *arguments, settings=settings)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--auth", "off", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "Choose another with --port" in done.stderr


def test_serve_ends_with_code_0_and_leaves_no_mongod_behind(tmp_path: Path, server: StartServer) -> None:
    for workers in (1, 2):
        running = server(data_dir=tmp_path / "data", workers=workers)
        assert httpx.get(f"{running.base}/Patient", trust_env=False).status_code == 200
        assert running.stop() == 0
        assert not _mongods(tmp_path / "data")


def test_check_prints_a_table_and_fails_where_something_is_wrong(mongodb_uri: str, database_name: str) -> None:
    fine = run("check", settings={"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name})
    assert fine.returncode == 0, fine.stdout + fine.stderr
    for what in ("settings", "open files", "146 resource types", "MongoDB", "replica set", "indexes"):
        assert what in fine.stdout
    broken = run("check", settings=UNREACHABLE)
    assert broken.returncode == 1
    assert "does not answer" in broken.stdout


def _mongods(data_dir: Path) -> list[str]:
    """The command lines of running mongods of a data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "mongod" in command and str(data_dir) in command:
            found.append(command)
    return found
