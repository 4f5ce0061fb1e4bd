"""How templates become responses: no script, nothing from elsewhere, never in a frame, never kept.

https://www.w3.org/TR/CSP3/, https://www.rfc-editor.org/rfc/rfc9700#section-4.16
"""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from smart_auth.request_id import request_id
from smart_auth.who_helps import help_desk

STYLE_PATH = "/auth/style.css"

_FOLDER = Path(__file__).parent

# There is no form-action: browsers hold it against the redirects that follow a form too, and an app may send people
# on to any number of hosts. No Cross-Origin-Opener-Policy: an app that opens sign-in in a window of its own waits
# there for it to come back.
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "pragma": "no-cache",
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


def page(
    template: str, values: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with the page of `template`, a file of this folder."""
    shared = {"style": f"{STYLE_PATH}?{_digest()}", "help_desk": help_desk(), "request_id": request_id()}
    body = _environment.get_template(template).render(shared | dict(values))
    return Response(body, status, page_headers(headers), media_type="text/html")


def page_headers(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers of every page, and of the redirects between them."""
    return {**_HEADERS, **(more or {})}


def style() -> Response:
    """The pages' style. Its link changes with its content, so it may be kept for a year."""
    headers = page_headers({"cache-control": "public, max-age=31536000, immutable"})
    del headers["pragma"]
    return Response(_style(), headers=headers, media_type="text/css")


@cache
def _style() -> bytes:
    return (_FOLDER / "style.css").read_bytes()


@cache
def _digest() -> str:
    return sha256(_style()).hexdigest()[:12]
