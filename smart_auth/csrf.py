"""Forms that only our own pages can send: each repeats a secret of the browser that it was drawn for.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hmac

from starlette.requests import Request

from smart_auth.errors import OAuthError
from smart_auth.random_secrets import digest
from smart_auth.records import Session

FIELD = "csrf"


def of_session(session: Session) -> str:
    """What the forms of a signed-in browser repeat."""
    return session.csrf


def of_browser(cookie: str) -> str:
    """What the sign-in form repeats, which is drawn before there is a session: made from the browser's own cookie."""
    return digest(f"sign-in form of {cookie}")


def check(request: Request, sent: str, expected: str | None) -> None:
    """Raises OAuthError 403 for a form that another site sent, or that belongs to another session or none."""
    # A browser that knows this header says truly where a form came from; others send none.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise OAuthError(403, "access_denied", "This form was sent by another site. Nothing was done.")
    if expected is None or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise OAuthError(
            403,
            "access_denied",
            "This page is no longer current, or cookies are blocked. Go back, load it again and retry.",
        )
