"""CORS: which pages of other sites may read answers. Those of registered apps, and of what is open to all every page.

https://fetch.spec.whatwg.org/#http-cors-protocol, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from collections.abc import Callable, Collection, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_server.rest.context import BASE_PATH

Header = tuple[bytes, bytes]

OPEN_PATHS = frozenset({f"{BASE_PATH}/metadata"})
OPEN_PREFIX = f"{BASE_PATH}/.well-known/"
"""What every page may read: it is the same for everybody and holds nothing of anybody."""

PREFLIGHT_SECONDS = 60
"""For how long a browser need not ask again; an app that is removed is refused its next request in any case."""

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT = (
    "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, "
    "X-Request-Id"
)
SHOWN = "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id"


class Cors:
    """Says so in every answer to a page that may read it, a refusal included, and answers what browsers ask before.

    `origins` gives the web origins of registered apps as they are now. `endpoints` are the paths beside the FHIR base
    that apps call themselves; pages that a person looks at are not among them. Credentials are never allowed, so that
    no cookie counts.
    """

    def __init__(self, app: ASGIApp, origins: Callable[[], Collection[str]], endpoints: Iterable[str]) -> None:
        self.app = app
        self.origins = origins
        self.endpoints = frozenset(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        allowed = None if origin is None else self._allowed(scope["path"], origin)
        if allowed is None:
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, _Sending(send, [*allowed, _EXPOSED]))

    def _allowed(self, path: str, origin: bytes) -> list[Header] | None:
        """The headers that let a page of this origin read the answer; None where it may not."""
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIX):
            return [(_ALLOWED, b"*")]
        is_ours = path == BASE_PATH or path.startswith(f"{BASE_PATH}/") or path in self.endpoints
        if is_ours and origin.decode("latin-1") in self.origins():
            return [(_ALLOWED, origin), (b"vary", b"Origin")]
        return None


class _Sending:
    """The way out of one answer, with the headers added where they are not there yet."""

    __slots__ = ("headers", "send")

    def __init__(self, send: Send, headers: list[Header]) -> None:
        self.send = send
        self.headers = headers

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and all(name != _ALLOWED for name, _ in message["headers"]):
            message["headers"] = [*message["headers"], *self.headers]
        await self.send(message)


_ALLOWED = b"access-control-allow-origin"
_EXPOSED: Header = (b"access-control-expose-headers", SHOWN.encode())
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", SENT.encode()),
    (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
    (b"cache-control", b"no-store"),
)


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return None
