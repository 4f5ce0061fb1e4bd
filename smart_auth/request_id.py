"""The id of the HTTP request at hand, for audit rows and refusals: set once at the edge, read wherever it is told."""

from contextvars import ContextVar

from starlette.types import Scope

_current: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """The id; empty outside of a request, and where nobody gave it one."""
    return _current.get()


def enter(scope: Scope) -> None:
    """Take the id that whoever serves this request gave it, as `request_id` of its state."""
    _current.set(str(scope.get("state", {}).get("request_id", "")))
