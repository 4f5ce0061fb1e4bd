"""The cookies of the pages: who is signed in, whose password was right, and from where a sign-in form came.

https://www.rfc-editor.org/rfc/rfc6265, https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

SESSION = "session"
BROWSER = "browser"
PENDING = "pending"


def cookie_name(base: str, what: str) -> str:
    """The name of a cookie for readers of this base.

    Over https the prefix `__Host-` keeps other hosts of the domain from planting one. Without TLS the port is part of
    the name, as browsers give the cookies of one port to every other port of a host.
    """
    parts = urlsplit(base)
    return f"__Host-{what}" if parts.scheme == "https" else f"{what}-{parts.port or 80}"


def sent_cookie(request: Request, base: str, what: str) -> str | None:
    """The value the browser sent."""
    return request.cookies.get(cookie_name(base, what))


def keep_cookie(response: Response, base: str, what: str, value: str) -> None:
    """Let the browser keep a value until it is closed, for this host alone and out of reach of scripts.

    Lax, because an app sends people here from another site.
    """
    response.headers.append("set-cookie", _written(base, what, value))


def drop_cookie(response: Response, base: str, what: str) -> None:
    """Let the browser forget it."""
    response.headers.append("set-cookie", _written(base, what, "") + "; Max-Age=0")


def _written(base: str, what: str, value: str) -> str:
    secure = "; Secure" if base.startswith("https:") else ""
    return f"{cookie_name(base, what)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
