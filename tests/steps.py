"""How much work something is, counted and not timed: lines of the server's own Python that were run.

A machine that is busy counts the same. What the interpreter does inside one line (a regular expression, a search in a
list) is not seen.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any
from unittest.mock import patch

from tests.require import ROOT

_OWN = tuple(f"{ROOT / package}/" for package in ("fhir_server", "smart_auth"))


@dataclass
class Steps:
    """Lines run so far."""

    count: int = 0


@contextmanager
def counted() -> Iterator[Steps]:
    """Count while the block runs, what goes to other threads included: it is run in this one meanwhile."""
    steps = Steps()

    def in_frame(frame: FrameType, event: str, argument: Any) -> Any:
        steps.count += event == "line"
        return in_frame

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        return in_frame if frame.f_code.co_filename.startswith(_OWN) else None

    async def here(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    before = sys.gettrace()
    with patch.object(asyncio, "to_thread", here):
        sys.settrace(called)
        try:
            yield steps
        finally:
            sys.settrace(before)
