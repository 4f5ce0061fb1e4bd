"""Scenarios written in a client's own language: a program runs them all and says of each, in TAP, whether it held.

https://testanything.org/tap-version-14-specification.html
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROGRAM_SECONDS = 300

_RESULT = re.compile(r"^(ok|not ok) \d+ - (.*?)(?: # .*)?$")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "java_tool_options"})


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program said: whether each scenario held, by its title; `output` explains a failure."""

    held: Mapping[str, bool]
    output: str

    def refuse_failed(self, title: str) -> None:
        """Raise AssertionError where the scenario did not hold or was not run."""
        assert title in self.held, f"'{title}' was not run:\n{self.output[-4000:]}"
        assert self.held[title], f"'{title}' did not hold:\n{_explained(self.output, title)}"


def titles(file: str, call: str) -> list[str]:
    """The scenarios of a file beside this one, in their order: the first text given to each `call`."""
    return re.findall(rf'^\s*{call}\("([^"]+)"', (FOLDER / file).read_text(encoding="utf-8"), re.MULTILINE)


def run(command: Sequence[str], base: str) -> Ran:
    """Run a program of scenarios in this folder against the server at `base`, which it finds in the variable FHIR."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
    done = subprocess.run(
        command,
        cwd=FOLDER,
        env=kept | {"FHIR": base, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_SECONDS,
        check=False,
    )
    found = (_RESULT.match(line) for line in done.stdout.splitlines())
    return Ran({result[2]: result[1] == "ok" for result in found if result}, done.stdout)


def _explained(output: str, title: str) -> str:
    after = output.partition(f" - {title}\n")[2]
    return re.split(r"^(?:ok|not ok|1\.\.) ?", after, maxsplit=1, flags=re.MULTILINE)[0][:4000]
