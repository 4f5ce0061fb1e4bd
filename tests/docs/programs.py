"""The program of a page: its fenced blocks of one language, run as one program, in order.

What a `text` block after them shows is what the output holds, as for the commands of a page (tests/docs/commands.py).
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.commands import ADDRESS, Block, Ran, fences
from tests.require import ROOT, java_options, require, require_npm

PROGRAM_SECONDS = 300

_ENDED = "-- end of block"
_JAVA_IMPORT = re.compile(r"^import .*;\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Language:
    """How the blocks of a page become a file, and the command that runs it in the folder it stands in."""

    file: str
    source: Callable[[Sequence[str]], str]
    command: Callable[[Path], list[str]]


def page_blocks(page: Path, language: str) -> tuple[Block, ...]:
    """The blocks of one language, each with the output that a `text` block right after it shows."""
    found: list[Block] = []
    last = ""
    for line, named, content in fences(page):
        if named == language:
            found.append(Block(page.relative_to(ROOT).as_posix(), line, content))
        elif named == "text" and last == language:
            before = found[-1]
            found[-1] = Block(before.page, before.line, before.commands, tuple(content.splitlines()))
        last = named
    return tuple(found)


def run_program(blocks: Sequence[Block], language: str, address: str, folder: Path) -> list[Ran]:
    """Run the blocks as one program in an empty folder. `address` is host:port of the server they speak to."""
    how = LANGUAGES[language]
    source = how.source([block.commands.replace(ADDRESS, address) for block in blocks])
    command = how.command(folder)
    (folder / how.file).write_text(source, encoding="utf-8")
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_SECONDS,
        check=False,
    )
    outputs = done.stdout.replace(address, ADDRESS).split(f"{_ENDED}\n")
    return [_ran(block, index, outputs, done.returncode) for index, block in enumerate(blocks)]


def _ran(block: Block, index: int, outputs: Sequence[str], exit_code: int) -> Ran:
    ended = len(outputs) - 1
    if index < ended:
        return Ran(block, 0, outputs[index])
    return Ran(block, exit_code or 1, outputs[index]) if index == ended else Ran(block, None, "")


def _environment() -> Mapping[str, str]:
    # A proxy of the machine would be asked for loopback too.
    proxies = {"http_proxy", "https_proxy", "all_proxy", "java_tool_options"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    return {name: value for name, value in kept.items() if not name.startswith("FHIR_")} | {"NO_COLOR": "1"}


def _python(blocks: Sequence[str]) -> str:
    return "".join(f"{block}\nprint({_ENDED!r}, flush=True)\n" for block in blocks)


def _javascript(blocks: Sequence[str]) -> str:
    return "".join(f"{block}\nconsole.log({_ENDED!r});\n" for block in blocks)


def _java(blocks: Sequence[str]) -> str:
    imports = "".join(line for block in blocks for line in _JAVA_IMPORT.findall(block))
    body = "".join(f'{_JAVA_IMPORT.sub("", block)}\nSystem.out.println("{_ENDED}");\n' for block in blocks)
    return f"{imports}\npublic class Connect {{\npublic static void main(String[] words) {{\n{body}}}\n}}\n"


def _node(folder: Path) -> list[str]:
    # Node looks for packages beside the program, however it was called.
    (folder / "node_modules").symlink_to(require_npm("fhirclient").parent)
    return [require("node"), "page.mjs"]


LANGUAGES: Mapping[str, Language] = {
    "python": Language("page.py", _python, lambda folder: [sys.executable, "page.py"]),
    "js": Language("page.mjs", _javascript, _node),
    "java": Language("Connect.java", _java, lambda folder: [require("java"), *java_options("hapi"), "Connect.java"]),
}
