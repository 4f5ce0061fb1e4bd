"""The log: one line of JSON for each event and each request, or readable lines on a terminal; no health data in either.

What is in a line is written in the code: names of interactions and resource types, numbers, ids of requests. Texts of
exceptions and of other libraries are left out, because they may quote what was sent. https://www.structlog.org/
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import structlog

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]

_LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FRAMES = 8
# What these say is made of their own words and of numbers. uvicorn's trace of a failed start is cut off below.
_PLAIN_SPOKEN = frozenset({"uvicorn", "uvicorn.error"})

Event = MutableMapping[str, Any]


@dataclass(slots=True)
class _Chosen:
    """What this process writes, and where: a file descriptor."""

    level: int = _LEVELS["info"]
    is_json: bool = True
    descriptor: int = 2


_chosen = _Chosen()
_PID = os.getpid()


def configure(format: Format = "auto", level: Level = "info") -> None:
    """Write to standard error from now on, whatever is logged in this process, by us or by a library.

    `auto` is `console` on a terminal and `json` elsewhere.
    """
    _chosen.level = _LEVELS[level]
    _chosen.is_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, _without_values, _finished],
        wrapper_class=structlog.make_filtering_bound_logger(_chosen.level),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Libraries):
            root.removeHandler(handler)
    root.addHandler(_Libraries())
    # Below that, libraries tell what they send and receive.
    root.setLevel(max(_chosen.level, logging.WARNING))
    if _chosen.is_json:
        sys.excepthook = _unhandled


def request(
    request_id: str, interaction: str, type: str | None, method: str, status: int, seconds: float, size: int
) -> None:
    """One line for one request; `size` is the answer's in bytes. 5 µs, most of it the system's for writing.

    Not made by structlog, which takes four times as long: every part is known to need no escaping.
    """
    is_failure = status >= 500 or status == 0
    if _chosen.level > (_LEVELS["warning"] if is_failure else _LEVELS["info"]):
        return
    milliseconds = seconds * 1000
    if _chosen.is_json:
        level = "warning" if is_failure else "info"
        of = f'"type":"{type}",' if type else ""
        _write(
            f'{{"time":"{_moment()}","level":"{level}","event":"request","request_id":"{request_id}",'
            f'"interaction":"{interaction}",{of}"method":"{method}","status":{status},"ms":{milliseconds:.2f},'
            f'"bytes":{size},"pid":{_PID}}}\n'
        )
        return
    what = f"{interaction} {type}" if type else interaction
    _write(f"{_moment()[11:19]}  {status:3}  {what:<34} {milliseconds:8.1f} ms {size:>9,} B  {request_id}\n")


def _write(line: str) -> None:
    # A log that cannot be written must not cost an answer.
    with suppress(OSError):
        os.write(_chosen.descriptor, line.encode())


_second: tuple[int, str] = (0, "")


def _moment() -> str:
    """Now, as `2026-11-22T09:26:36.123Z`. The part up to the seconds is made once a second."""
    global _second
    now = time.time()
    whole = int(now)
    if _second[0] != whole:
        _second = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{_second[1]}.{int((now - whole) * 1000):03}Z"


class _Lines:
    """Where structlog hands finished lines, whatever their level."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        _write(line)

    debug = info = warning = error = critical = msg


class _Libraries(logging.Handler):
    """What libraries log through Python's own logging, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Event = {"event": _said(record), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            event.update(described(record.exc_info[1]))
        _write(_finished(None, "", event))


def _said(record: logging.LogRecord) -> str:
    """The first line of what a library says that quotes nobody; of another only where in it that was."""
    if record.name not in _PLAIN_SPOKEN:
        return f"a library reports {record.levelname.lower()} at {record.module}:{record.lineno}"
    first, _, rest = record.getMessage().strip().partition("\n")
    if first.startswith("Traceback"):
        # `module.Kind: text`, of which only the kind is safe to tell.
        return f"start failed: {rest.strip().splitlines()[-1].partition(':')[0][:80] if rest.strip() else 'no reason'}"
    return first


def described(error: BaseException) -> dict[str, Any]:
    """An exception without its text, which may quote what was sent: its kind, and through which functions it came."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        frames.append(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    # What these say is about the program.
    why = {"why": str(error)} if isinstance(error, ImportError | NameError | SyntaxError) else {}
    return {"kind": type(error).__name__, **why, "frames": frames[-_FRAMES:]}


def _without_values(_: Any, __: str, event: Event) -> Event:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(described(error))
    return event


def _finished(_: Any, __: str, event: Event) -> str:
    """The line of an event."""
    return _as_json(event) if _chosen.is_json else _as_text(event)


_json: Callable[..., str | bytes] = structlog.processors.JSONRenderer(ensure_ascii=False, separators=(",", ":"))


def _as_json(event: Event) -> str:
    ordered = {"time": _moment(), "level": event.pop("level", "info"), "event": event.pop("event", "")}
    return f"{_json(None, '', {**ordered, **event, 'pid': _PID})!s}\n"


def _as_text(event: Event) -> str:
    level, what = event.pop("level", "info"), event.pop("event", "")
    rest = "  ".join(f"{name}={value}" for name, value in event.items())
    return f"{_moment()[11:19]}  {level}: {what}{'  ' if rest else ''}{rest}\n"


def _unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().error("the process ends by an error nobody foresaw", **described(error))
