"""How answers and refusals of the OAuth endpoints look on the wire.

https://www.rfc-editor.org/rfc/rfc6749#section-5, https://www.rfc-editor.org/rfc/rfc6750#section-3
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from smart_auth.access import NotAdmitted
from smart_auth.errors import OAuthError
from smart_auth.who_helps import HELP

# RFC 6749 section 5.1: "in any response containing tokens, credentials, or other sensitive information".
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object that nobody may keep."""
    body = msgspec.json.encode(content)
    return Response(body, status, {**NO_STORE, **(headers or {})}, media_type="application/json")


def empty(status: int) -> Response:
    """An answer without a body."""
    return Response(None, status, NO_STORE)


def refusal(error: OAuthError, origin: str = "") -> Response:
    """An OAuth refusal in JSON. It names the page that helps (RFC 6749 section 5.2: `error_uri` is a URI-reference),
    in full where the `origin` is given.
    """
    content = {"error": error.error, "error_description": error.text, "error_uri": f"{origin}{HELP}"}
    return answer(content, error.status, error.headers)


def not_admitted(refused: NotAdmitted, origin: str = "") -> Response:
    """A refused access token."""
    headers = dict(refused.headers)
    if refused.status in (401, 403):
        challenge = 'Bearer realm="fhir"'
        headers["WWW-Authenticate"] = challenge if refused.error is None else f'{challenge}, error="{refused.error}"'
    content = {
        "error": refused.error or "invalid_request",
        "error_description": refused.text,
        "error_uri": f"{origin}{HELP}",
    }
    return answer(content, refused.status, headers)
