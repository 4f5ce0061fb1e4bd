"""The commands of a page, run by bash as a reader would paste them: every fenced `sh` block, in one shell, in order.

A `text` or `json` block that follows a command block says what the output holds: each of its lines, in that order; `…`
stands for anything. Where a page names 127.0.0.1:8080 the server of the test is asked, and `.venv/bin/fhir-server` is
the command line of this checkout.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.require import ROOT
from tests.vaults import environment_without_settings

ADDRESS = "127.0.0.1:8080"
"""Where a page's server listens."""

PAGE_SECONDS = 300

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOWN = frozenset({"text", "json"})
_ENDED = "-- end of block"


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of a page, the line they begin at, and the lines that the page shows as their output."""

    page: str
    line: int
    commands: str
    shown: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a block. `exit_code` is None where a block before it failed and this one was not run."""

    block: Block
    exit_code: int | None
    output: str


def fences(page: Path) -> Iterator[tuple[int, str, str]]:
    """The fenced blocks of a page: line of the first command, language, content."""
    text = page.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        yield text.count("\n", 0, fence.start()) + 2, fence[1], fence[2]


def blocks(page: Path) -> tuple[Block, ...]:
    """The `sh` blocks of a page, each with the output that is shown after it."""
    found: list[Block] = []
    last = ""
    for line, language, content in fences(page):
        if language == "sh":
            found.append(Block(page.relative_to(ROOT).as_posix(), line, content))
        elif language in _SHOWN and last == "sh":
            before = found[-1]
            found[-1] = Block(before.page, before.line, before.commands, tuple(content.splitlines()))
        last = language
    return tuple(found)


def run_blocks(
    page: tuple[Block, ...], address: str, folder: Path, environment: Mapping[str, str] | None = None
) -> list[Ran]:
    """Run the blocks in one shell that stops at the first command that fails. `address` is host:port of the server."""
    _install(folder)
    script = ["set -e -o pipefail"]
    for block in page:
        script += [block.commands.replace(ADDRESS, address).rstrip(), f"printf '\\n%s\\n' {shlex.quote(_ENDED)}"]
    inherited = environment_without_settings()
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "no_proxy": "*", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )
    outputs = done.stdout.replace(address, ADDRESS).split(f"\n{_ENDED}\n")
    return [_ran(block, index, outputs, done.returncode) for index, block in enumerate(page)]


def missing(ran: Ran) -> list[str]:
    """The lines that the page shows and the output lacks."""
    lines = iter(ran.output.splitlines())
    return [shown for shown in ran.block.shown if not any(_matches(shown, line) for line in lines)]


def refuse_untrue(ran: Ran) -> None:
    """Raise AssertionError where the block failed, was not reached, or gave something else than the page shows."""
    if ran.exit_code is None:
        raise AssertionError(f"{ran.block} was not reached: a block before it failed")
    if ran.exit_code:
        raise AssertionError(f"{ran.block} ended with exit code {ran.exit_code}:\n{ran.output[-4000:]}")
    lacking = missing(ran)
    if lacking:
        raise AssertionError(f"{ran.block} does not give {lacking[0]!r}:\n{ran.output[-4000:]}")


def _ran(block: Block, index: int, outputs: list[str], exit_code: int) -> Ran:
    ended = len(outputs) - 1
    if index < ended:
        return Ran(block, 0, outputs[index])
    return Ran(block, exit_code or 1, outputs[index]) if index == ended else Ran(block, None, "")


def _matches(shown: str, line: str) -> bool:
    pattern = ".*".join(re.escape(part.strip()) for part in shown.split("…"))
    return re.search(rf"^\s*{pattern}\s*$", line) is not None


def _install(folder: Path) -> None:
    """`.venv/bin/fhir-server` and `.venv/bin/python` below the folder, as make installs them."""
    programs = folder / ".venv" / "bin"
    if programs.is_dir():
        return
    programs.mkdir(parents=True)
    for name, start in (("python", ""), ("fhir-server", " -m fhir_server.cli")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{start} "$@"\n')
        program.chmod(0o755)
