"""The operations guide does what it says: all of its commands run in order in one shell, with real mongods.

While the guide lets the primary step down, clients write through HTTP; what was acknowledged is looked for afterwards.
"""

import asyncio
import configparser
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import typer.main
import yaml
from pydantic import SecretStr

from fhir_server import cli
from fhir_server.cli import app as command_line
from fhir_server.rest import protocol
from fhir_server.settings import Settings
from fhir_server.store import mongo
from fhir_server.store.embedded_binary import find_binary
from tests.conftest import free_port
from tests.crash.conftest import reckon
from tests.crash.ledger import Ledger
from tests.crash.traffic import traffic
from tests.docs.commands import Block, Ran, blocks, fences, refuse_untrue
from tests.require import ROOT
from tests.vaults import environment_without_settings

GUIDE = ROOT / "docs" / "operations.md"
PORTS = ("8080", "27017", "27018", "27019", "27020")
BLOCK_SECONDS = 120.0
_ENDED = "-- end of block"


class Shell:
    """One bash for all blocks: its variables, functions and background jobs stay from block to block."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.ports = ports
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        _write_program(programs / "python", f'exec {shlex.quote(sys.executable)} "$@"')
        _write_program(programs / "fhir-server", f'exec {shlex.quote(sys.executable)} -m fhir_server.cli "$@"')
        (programs / "mongod").symlink_to(find_binary().path)
        kept = environment_without_settings()
        inherited = {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "no_proxy": "*", "FHIR_PORT": ports["8080"]}
        self.process = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"],
            cwd=folder,
            env={**inherited, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace"))
        self.lines.put(None)

    def run(self, block: Block) -> Ran:
        """What the block gives. Ports are those of the test, in its commands and, back again, in its output."""
        assert self.process.stdin is not None
        script = f"{self._with_own_ports(block.commands)}\nprintf '\\n%s\\n' {shlex.quote(_ENDED)}\n"
        self.process.stdin.write(script.encode())
        self.process.stdin.flush()
        output, deadline = "", time.monotonic() + BLOCK_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return Ran(block, 124, f"{output}\nnot done within {BLOCK_SECONDS:.0f} s")
            if line is None:
                return Ran(block, self.process.wait(), output)
            if line.rstrip("\n") == _ENDED:
                return Ran(block, 0, output)
            output += line

    def value(self, name: str) -> str:
        """A variable of the shell."""
        ran = self.run(Block("variable", 0, f'printf "%s\\n" "${name}"'))
        return ran.output.strip()

    def _with_own_ports(self, commands: str) -> str:
        return re.sub("|".join(PORTS), lambda found: self.ports[found[0]], commands)


def _write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell in an empty folder; whatever it started is ended, by process id, when the block ends."""
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    running = Shell(folder, ports)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()
        for lock in folder.rglob("mongod.lock"):
            pid = lock.read_text().strip()
            with suppress(OSError):
                if pid and b"mongod" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)


def _free_ports(count: int) -> list[str]:
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return [str(port) for port in found]


def part(title: str) -> list[Block]:
    """The blocks between a heading of the second level and the next."""
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, start=1) if line.startswith("## ")]
    start = next(number for number in starts if lines[number - 1] == f"## {title}")
    end = min((number for number in starts if number > start), default=len(lines) + 1)
    return [block for block in blocks(GUIDE) if start < block.line < end]


def all_of(running: Shell, guide: list[Block]) -> None:
    for block in guide:
        refuse_untrue(running.run(block))


@pytest.mark.slow
def test_backup_restore_and_upgrade_of_an_embedded_mongodb_are_as_the_guide_says(tmp_path: Path) -> None:
    with shell(tmp_path) as running:
        all_of(running, part("On one machine"))
        assert (tmp_path / "lost").is_dir(), "the restored server ran on the old folder"


@pytest.mark.slow
async def test_a_replica_set_serves_through_a_step_down_and_is_restored_from_its_backup(tmp_path: Path) -> None:
    set_up, *others = part("A replica set of three"), part("Watching it"), part("Limits")
    stepping = next(index for index, block in enumerate(set_up) if "replSetStepDown" in block.commands)
    restoring = next(index for index, block in enumerate(set_up) if "mkdir restored" in block.commands)
    with shell(tmp_path) as running:
        await asyncio.to_thread(all_of, running, set_up[:stepping])
        base = f"http://127.0.0.1:{running.ports['8080']}/fhir"
        ledger = Ledger()
        async with traffic(base, ledger) as writes:
            await writes.more(40)
            await asyncio.to_thread(all_of, running, set_up[stepping : stepping + 1])
            await writes.more(40)
            await asyncio.to_thread(all_of, running, set_up[stepping + 1 : stepping + 2])
            await writes.more(20)
        assert [str(sent) for sent in ledger.sent if sent.response is None] == [], "the server broke a connection"
        uri = running.value("ADMIN_URI")
        await reckon(ledger, base, uri)
        await asyncio.to_thread(all_of, running, set_up[stepping + 2 : restoring + 1])
        # Nothing was written since the copy was made, so that the restored set holds all there was.
        restored = (
            f"mongodb://admin:{running.value('ADMIN_PASSWORD')}@127.0.0.1:{running.ports['27020']}/?replicaSet=fhir"
        )
        await reckon(ledger, base, restored)
        for rest in others:
            await asyncio.to_thread(all_of, running, rest)


def test_every_command_of_the_guide_is_in_a_part_that_is_run() -> None:
    run = [
        block
        for title in ("On one machine", "A replica set of three", "Watching it", "Limits")
        for block in part(title)
    ]
    assert [block.line for block in run] == [block.line for block in blocks(GUIDE)]
    assert len(run) > 12


def of_language(language: str) -> str:
    (content,) = [content for _, found, content in fences(GUIDE) if found == language]
    return content


def test_the_unit_for_systemd_starts_the_server_as_it_can_be_started() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(of_language("ini"))
    program, name, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/.venv/bin/fhir-server")
    command = typer.main.get_command(command_line).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, words)
    assert int(unit["Service"]["LimitNOFILE"]) >= cli.OPEN_FILES_WANTED
    # mongod has a minute to close its files, the server 20 s to answer.
    assert int(unit["Service"]["TimeoutStopSec"]) >= 80


def test_the_settings_of_a_key_management_service_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.partition("=") for line in of_language("properties").splitlines()]
    for name, _, value in lines:
        monkeypatch.setenv(name, value)
    settings = Settings()
    for name, _, value in lines:
        setting = getattr(settings, name.removeprefix("FHIR_").lower())
        assert value == (setting.get_secret_value() if isinstance(setting, SecretStr) else str(setting))


def test_every_metric_the_guide_names_is_there(shared_server: object) -> None:
    import httpx

    from tests.conftest import RunningServer

    assert isinstance(shared_server, RunningServer)
    text = httpx.get(shared_server.base.removesuffix("/fhir") + "/metrics", trust_env=False).text
    offered = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    guide = GUIDE.read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(fhir_\w+)` \|", guide, re.MULTILINE))
    assert described == offered
    alerts = [rule["expr"] for group in yaml.safe_load(of_language("yaml"))["groups"] for rule in group["rules"]]
    for name in re.findall(r"fhir_\w+", " ".join(alerts)):
        assert re.sub(r"_(?:bucket|count|sum)$", "", name) in described, name


def test_the_limits_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    fields = Settings.model_fields
    told = {
        "a body": f"{fields['max_body_bytes'].default >> 20} MB",
        "request line and headers": f"{protocol.MAX_HEAD_BYTES >> 10} KB",
        "a search": f"{fields['search_seconds'].default:.0f} s",
        "a page link": f"{fields['cursor_hours'].default:.0f} h",
        "until a primary is given up on": f"{mongo._SERVER_SELECTION_MS // 1000} s",
        "until the majority has confirmed a write": f"{mongo._MAJORITY_MS // 1000} s",
        "a worker that does not answer its supervisor": f"{cli.WORKER_SILENT_SECONDS} s",
    }
    for what, much in told.items():
        assert rows[what].startswith(much), what
    assert f"{cli.OPEN_FILES_WANTED:,}" in rows["open files"]
