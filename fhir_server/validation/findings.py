"""What a check finds, where it is, and the bounded list that gathers it.

https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression

Paths are linked tuples: one is made for each object walked, and none is turned into text until something is found.
"""

import re
from dataclasses import dataclass
from typing import Any

from fhir_server.core.outcome import Failure, Issue

MAX_FINDINGS = 100
"""Findings told one by one; one more issue says how many others there are."""

GIVE_UP_AFTER = 1000
"""Findings after which the rest of the resource is not looked at."""

Path = tuple["Path | None", str, int | None, int]
"""Parent, element name, index in its array or None, and depth: how many objects and arrays enclose, itself included."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one value; the text follows the element's name: `must be true or false`."""

    failure: Failure
    text: str


class Enough(Exception):
    """Raised by `Findings.add` after GIVE_UP_AFTER findings, to end the walk."""


class Findings:
    """Issues in the order found; past MAX_FINDINGS only their number is kept."""

    __slots__ = ("_issues", "_last", "_more")

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._more = 0
        self._last: Failure | None = None

    @property
    def full(self) -> bool:
        """Whether further texts would be dropped, so that a costly one need not be made."""
        return len(self._issues) >= MAX_FINDINGS

    def add(self, failure: Failure, text: str, path: Path, name: str | None = None, index: int | None = None) -> None:
        """One finding at the element `name` (and `index`) under `path`, or at `path` itself."""
        if len(self._issues) < MAX_FINDINGS:
            self._issues.append(failure.issue(text, expression(path, name, index)))
            return
        self._more += 1
        self._last = failure
        if self._more >= GIVE_UP_AFTER - MAX_FINDINGS:
            raise Enough

    def issues(self) -> tuple[Issue, ...]:
        if self._last is None:
            return tuple(self._issues)
        at_least = "at least " if self._more >= GIVE_UP_AFTER - MAX_FINDINGS else ""
        rest = f"There are {at_least}{self._more} more findings; correct those listed and send the resource again."
        return (*self._issues, self._last.issue(rest))


def expression(path: Path, name: str | None = None, index: int | None = None) -> str:
    """The FHIRPath of an element, in the simple subset: `Observation.component[0].code.coding[1].system`."""
    steps: list[str] = [] if name is None else [_step(name, index)]
    step: Path | None = path
    while step is not None:
        steps.append(_step(step[1], step[2]))
        step = step[0]
    return ".".join(reversed(steps))


def shown(name: str) -> str:
    """A property name fit for a text: cut, and without control characters."""
    return _UNSAFE.sub("?", name[:_MAX_NAME])


def kind(value: Any) -> str:
    """Which kind of JSON value it is, in words; of the value itself nothing is told."""
    if value is None:
        return "null"
    return _KINDS.get(type(value), "a number")


def _step(name: str, index: int | None) -> str:
    # FHIRPath delimits a name that is not an identifier by backticks.
    written = name if _IDENTIFIER.fullmatch(name[:_MAX_NAME]) else f"`{shown(name).replace('`', '?')}`"
    return written[:_MAX_NAME] if index is None else f"{written[:_MAX_NAME]}[{index}]"


_MAX_NAME = 64
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[^ -~\xa1-\ud7ff\ue000-\ufffd]")
_KINDS: dict[type, str] = {bool: "true or false", str: "a string", list: "an array", dict: "an object"}
