"""What keeps a server from starting is one sentence with the remedy, an exit code that is not 0, and no traceback.

The MongoDBs here are real, but for those that are too old: they are sockets that speak its protocol.
https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from fhir_server.settings import misspelt
from fhir_server.store.embedded_binary import find_binary
from tests.cli.test_load import run
from tests.require import ROOT, require
from tests.vaults import environment_without_settings

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NOBODY = 65534


def refused(*arguments: str, settings: dict[str, str] | None = None, command: str = "serve") -> str:
    """What the command says when it does not start: one line, no more."""
    options = ["--auth", "off", "--port", "0"] if command == "serve" else []
    done = run(command, *options, *arguments, settings=settings)
    return one_sentence(done)


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode not in (0, 1), f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith(".")
    return line


@contextmanager
def mongod(folder: Path, *options: str) -> Iterator[str]:
    """A mongod with these options on a free port; its address."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(find_binary().path), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logpath", str(folder / "log"), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            f"127.0.0.1:{port}", directConnection=True, serverSelectionTimeoutMS=30_000
        )
        with client:
            client.admin.command("ping")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def old_mongodb(version: str, wire_version: int) -> Iterator[str]:
    """Something that says it is a MongoDB of this version, primary of a replica set; its address."""

    class Speaker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while head := self._read(16):
                length, request_id, _, kind = struct.unpack("<iiii", head)
                body = self._read(length - 16)
                if kind == OP_QUERY:
                    answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(described(address, version, wire_version))
                    kind = OP_REPLY
                else:
                    asked = next(iter(bson.decode(body[5:])))
                    known = asked in ("hello", "ismaster", "isMaster", "buildInfo", "ping")
                    found = described(address, version, wire_version) if known else {"ok": 0, "code": 59}
                    answer = struct.pack("<iB", 0, 0) + bson.encode(found)
                self.request.sendall(struct.pack("<iiii", len(answer) + 16, 1, request_id, kind) + answer)

        def _read(self, size: int) -> bytes:
            read = b""
            while len(read) < size:
                part = self.request.recv(size - len(read))
                if not part:
                    return b""
                read += part
            return read

    class Listening(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listening(("127.0.0.1", 0), Speaker) as listening:
        address = f"127.0.0.1:{listening.server_address[1]}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield address
        listening.shutdown()


def described(address: str, version: str, wire_version: int) -> dict[str, Any]:
    """Its answer to `hello` and to `buildInfo`, in one."""
    return {
        "ismaster": True,
        "isWritablePrimary": True,
        "setName": "rs0",
        "hosts": [address],
        "primary": address,
        "me": address,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "minWireVersion": 0,
        "maxWireVersion": wire_version,
        "version": version,
        "ok": 1.0,
    }


def test_a_mongodb_that_is_no_replica_set(tmp_path: Path) -> None:
    with mongod(tmp_path / "alone") as address:
        said = refused(settings={"FHIR_MONGODB_URI": f"mongodb://{address}/"})
    assert "no replica set" in said and "--replSet" in said and "rs.initiate()" in said


def test_a_replica_set_that_was_not_initiated(tmp_path: Path) -> None:
    with mongod(tmp_path / "new", "--replSet", "rs0") as address:
        said = refused(settings={"FHIR_MONGODB_URI": f"mongodb://{address}/?directConnection=true"})
    assert "rs.initiate()" in said


@pytest.mark.parametrize(
    ("version", "wire_version", "said"),
    [("5.0.31", 13, "MongoDB is 5.0.31: upgrade it to 6.0"), ("3.4.24", 5, "too old")],
)
def test_a_mongodb_that_is_too_old(version: str, wire_version: int, said: str) -> None:
    with old_mongodb(version, wire_version) as address:
        for options in ("?replicaSet=rs0", "?directConnection=true"):
            line = refused(settings={"FHIR_MONGODB_URI": f"mongodb://{address}/{options}"})
            assert said in line
            assert "upgrade it to 6.0 or newer" in line


def test_a_mongodb_that_wants_another_password(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("c2VjcmV0c2VjcmV0")
    key.chmod(0o600)
    with mongod(tmp_path / "locked", "--auth", "--replSet", "rs0", "--keyFile", str(key)) as address:
        with MongoClient[dict[str, Any]](address, directConnection=True) as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": address}]})
            while not client.admin.command("hello")["isWritablePrimary"]:
                time.sleep(0.05)
        for who in ("", "somebody:wrong@"):
            said = refused(settings={"FHIR_MONGODB_URI": f"mongodb://{who}{address}/?directConnection=true"})
            assert "refuses the server" in said and "password" in said
            assert "wrong@" not in said


def test_a_mongodb_that_nobody_answers_for() -> None:
    said = refused(settings={"FHIR_MONGODB_URI": "mongodb://127.0.0.1:9/?replicaSet=rs0"})
    assert "does not answer" in said and "FHIR_MONGODB_URI" in said


def test_the_other_commands_say_the_same() -> None:
    away = {"FHIR_MONGODB_URI": "mongodb://127.0.0.1:9/?replicaSet=rs0"}
    assert "does not answer" in refused(settings=away, command="reindex")
    assert "does not answer" in refused(str(ROOT / "tests"), settings=away, command="load")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"FHIR_PORT": "99999"}, "FHIR_PORT"),
        ({"FHIR_WORKERS": "many"}, "FHIR_WORKERS"),
        ({"FHIR_WORKERS": "0"}, "FHIR_WORKERS"),
        ({"FHIR_TRUSTED_PROXIES": "10.0.0.1"}, "FHIR_TRUSTED_PROXIES"),
        ({"FHIR_BASE_URL": "fhir.example.org"}, "FHIR_BASE_URL"),
        ({"FHIR_SEARCH_SECONDS": "-1"}, "FHIR_SEARCH_SECONDS"),
        ({"FHIR_MONGODB_DRIVER": "mysql"}, "FHIR_MONGODB_DRIVER"),
        ({"FHIR_LOG_LEVEL": "loud"}, "FHIR_LOG_LEVEL"),
        ({"FHIR_LOG_FORMAT": "xml"}, "FHIR_LOG_FORMAT"),
        ({"FHIR_OTEL_ENDPOINT": "127.0.0.1:4318"}, "FHIR_OTEL_ENDPOINT"),
        ({"FHIR_METRICS_DIR": "/nowhere/at/all"}, "FHIR_METRICS_DIR"),
        ({"FHIR_MONGODB_URI": "http://127.0.0.1"}, "FHIR_MONGODB_URI"),
        ({"FHIR_MONGOD": "/nowhere/mongod"}, "FHIR_MONGOD"),
        ({"FHIR_HOST": "localhost."}, ""),
        ({"FHIR_MONGODB_URL": "mongodb://127.0.0.1:27017"}, "Rename it to FHIR_MONGODB_URI"),
        ({"FHIR_LOGLEVEL": "debug"}, "Rename it to FHIR_LOG_LEVEL"),
        ({"FHIR_STEP_UP": "always"}, "FHIR_STEP_UP"),
        ({"FHIR_CARD_CRLS": "/etc/fhir/62.crl"}, "FHIR_CARD_CRLS"),
        ({"FHIR_CARD_REVOCATION": "never"}, "FHIR_CARD_REVOCATION"),
        ({"FHIR_PASSWORD_POLICY": "none"}, "FHIR_PASSWORD_POLICY"),
        ({"FHIR_PROVIDERS": "login.gov"}, "FHIR_PROVIDERS"),
        ({"FHIR_PROXY_LIMITED_YEARS": "19"}, "FHIR_PROXY_LIMITED_YEARS must not be above FHIR_PROXY_ADULT_YEARS"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], named: str, tmp_path: Path) -> None:
    done = run("serve", "--auth", "off", settings={"FHIR_PORT": "0", "FHIR_DATA_DIR": str(tmp_path)} | settings)
    assert named in one_sentence(done)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"FHIR_STEP_UP": "card"}, "set FHIR_CARD_ANCHORS"),
        ({"FHIR_CARD_ANCHORS": "/etc/fhir/roots.pem"}, "FHIR_TRUSTED_PROXIES"),
        (
            {
                "FHIR_CARD_ANCHORS": "/etc/fhir/roots.pem",
                "FHIR_TRUSTED_PROXIES": '["127.0.0.1"]',
                "FHIR_CARD_PROXY_SECRET": "SECRET-too-short",
            },
            "FHIR_CARD_PROXY_SECRET, at least 32 characters",
        ),
        ({"FHIR_REGISTRY_URL": "http://registry.example.org"}, "FHIR_REGISTRY_URL must begin with https://"),
        ({"FHIR_MAIL_URL": "https://mail.example.org"}, "FHIR_MAIL_URL must be smtp://"),
        ({"FHIR_MAIL_URL": "smtp://me:SECRET@mail.example.org?starttls=off"}, "starttls=required"),
    ],
)
def test_a_way_in_that_would_not_be_safe_is_refused_with_the_remedy(
    settings: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    done = run("serve", "--auth", "smart", settings={"FHIR_PORT": "0", "FHIR_DATA_DIR": str(tmp_path)} | settings)
    said = one_sentence(done)
    assert remedy in said
    assert "SECRET" not in said.replace("PROXY_SECRET", "")


def test_variables_of_others_are_no_misspelt_settings() -> None:
    of_kubernetes = ("SERVICE_HOST", "SERVICE_PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "PORT_8080_TCP_PROTO")
    others = ("FHIR_BASE", "FHIR_TEST_MONGODB_URI", "FHIR_DEFINITION_PACKAGES", "FHIR_SERVER", "MONGODB_URL")
    assert misspelt((*(f"FHIR_{name}" for name in of_kubernetes), *others)) is None


def test_a_port_in_use_is_said_before_a_mongodb_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("serve", "--auth", "off", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert port in one_sentence(done) and "Choose another with --port" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_port_that_another_server_took_meanwhile_is_said_too(tmp_path: Path) -> None:
    program = (
        "import os, socket, sys\n"
        "from fhir_server import cli\n"
        "async def take(settings, uri):\n"
        "    global taken\n"
        "    taken = socket.socket()\n"
        "    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "    taken.bind(('127.0.0.1', int(os.environ['FHIR_PORT'])))\n"
        "    taken.listen()\n"
        "cli._say_outdated = take\n"
        f"sys.argv = ['fhir-server', 'serve', '--auth', 'off', '--port', '0', '--data-dir', {str(tmp_path / 'd')!r}]\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Choose another with --port" in done.stderr
    assert "Traceback" not in done.stderr


def without(right: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, run by a user who lacks a right that root has, one of capabilities(7)."""
    command = [sys.executable, "-m", "fhir_server.cli", *arguments]
    if os.geteuid() == 0:
        command = [require("setpriv"), f"--bounding-set=-{right}", *command]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment_without_settings(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("account", "list")])
def test_settings_that_sign_in_cannot_stand_on(mongodb_uri: str, command: tuple[str, ...]) -> None:
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_PROVIDERS": '[{"name": "Peer"}]'}
    assert "FHIR_PROVIDERS is wrong" in one_sentence(run(*command, settings=settings))


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that may be read and not written in."""
    chosen = tmp_path / "closed"
    chosen.mkdir()
    chosen.chmod(0o555)
    yield chosen
    chosen.chmod(0o755)


def test_a_data_folder_without_permission(closed: Path) -> None:
    for data_dir in (closed, closed / "new"):
        serve = ("serve", "--auth", "off", "--port", "0", "--data-dir", str(data_dir))
        said = one_sentence(without("dac_override", *serve))
        assert f"This user may not write in {data_dir}" in said and "--data-dir" in said


def test_a_data_folder_of_another_user(closed: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of another user")
    closed.chmod(0o777)
    (closed / "mongodb").mkdir()
    os.chown(closed / "mongodb", NOBODY, NOBODY)
    said = refused("--data-dir", str(closed))
    assert "belongs to another user" in said and "--data-dir" in said


def test_a_port_below_1024_without_the_right_to_it() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("on this machine every user may take every port")
    said = one_sentence(without("net_bind_service", "serve", "--auth", "off", "--port", "80"))
    assert "port 80" in said and "--port" in said


def test_a_mongodb_that_goes_away_between_the_checks_and_the_start_is_no_traceback(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from fhir_server.core import outcome\n"
        "from fhir_server.store import parameter_sets\n"
        "async def away(database): raise outcome.UNAVAILABLE('SECRET')\n"
        "parameter_sets.prepare = away\n"
        "from fhir_server.cli import main\n"
        f"sys.argv = ['fhir-server', 'serve', '--auth', 'off', '--port', '0', '--data-dir', {str(tmp_path / 'd')!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr and "SECRET" not in done.stderr
    assert "start failed" in done.stderr
    with pytest.raises(PyMongoError):
        MongoClient(str(tmp_path / "d" / "mongodb" / "mongod.sock"), serverSelectionTimeoutMS=500).admin.command("ping")
