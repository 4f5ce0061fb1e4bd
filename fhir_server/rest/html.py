"""Pages for people: how templates become responses, with headers that let a browser show them and do nothing else.

https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/WCAG22/
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import fhir_server
from fhir_server.core import outcome
from fhir_server.interactions.context import RequestContext
from fhir_server.rest.context import BASE_PATH, open_context
from fhir_server.rest.negotiate import HTML

ASSETS_PATH = "/assets"

_FOLDER = Path(__file__).parent / "pages"
_ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}

_HEADERS: Mapping[str, str] = {
    # Nothing but our own style and icon is ever loaded, and no script runs, whatever a record may hold.
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# The templates are found beside this file, in a wheel too, and read once.
_environment = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
# For paths with queries as they are written in documentation: what would end or change the URL is percent-encoded.
_environment.filters["as_href"] = partial(quote, safe="%/?&=:,;+$@!*'()~")

PageOf = Callable[[Request, RequestContext], Awaitable[Response]]


def page(
    template: str,
    base: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with the page of `template`, a file of the folder `pages`.

    `base` is the FHIR base as its reader writes it; templates are given its path as `fhir`, and as `root` the path of
    what stands beside it, each without a slash at its end.
    """
    fhir = path_of(base)
    shared = {
        "fhir": fhir,
        "root": root_of(base),
        "assets": root_of(base) + ASSETS_PATH,
        "digest": _digest(),
        "version": fhir_server.__version__,
    }
    body = _environment.get_template(template).render(shared | dict(values))
    return Response(body, status, {**_HEADERS, **(headers or {})}, media_type=HTML)


def path_of(base: str) -> str:
    """The path of a FHIR base, without a slash at its end: `/fhir`."""
    return urlsplit(base).path.rstrip("/")


def root_of(base: str) -> str:
    """The path that the FHIR base, the pages and their style stand under; empty where that is the host itself."""
    return path_of(base).rpartition("/")[0]


class Page:
    """The endpoint of a page: GET and HEAD, for every Host that the server is known by."""

    def __init__(self, answer: PageOf) -> None:
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises FhirError 405 for other methods, 400 for a Host that this server is not known by."""
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            error = outcome.METHOD_NOT_ALLOWED(f"{request.method} is not possible here; GET, HEAD are.")
            error.headers = {"Allow": "GET, HEAD"}
            raise error
        response = await self.answer(request, open_context(request))
        await response(scope, receive, send)


def assets_route() -> Route:
    """The route of the style and the icon. Their links change with their content, so they may be kept for a year."""
    return Route(ASSETS_PATH + "/{name}", Page(_asset), methods=None)


async def _asset(request: Request, context: RequestContext) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise outcome.UNKNOWN_ROUTE(f"There is nothing at this path. The FHIR base is {BASE_PATH}.")
    headers = {**_HEADERS, "cache-control": "public, max-age=31536000, immutable"}
    return Response(_content(name), headers=headers, media_type=_ASSETS[name])


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


@cache
def _digest() -> str:
    return sha256(b"".join(map(_content, sorted(_ASSETS)))).hexdigest()[:12]
