"""How answers and refusals of the OAuth endpoints look on the wire.

https://www.rfc-editor.org/rfc/rfc6749#section-5, https://www.rfc-editor.org/rfc/rfc6750#section-3
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from smart_auth.access import NotAdmitted
from smart_auth.errors import OAuthError

# RFC 6749 section 5.1: "in any response containing tokens, credentials, or other sensitive information".
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object that nobody may keep."""
    body = msgspec.json.encode(content)
    return Response(body, status, {**NO_STORE, **(headers or {})}, media_type="application/json")


def empty(status: int) -> Response:
    """An answer without a body."""
    return Response(None, status, NO_STORE)


def refusal(error: OAuthError) -> Response:
    """An OAuth refusal in JSON."""
    return answer({"error": error.error, "error_description": error.text}, error.status, error.headers)


def not_admitted(refused: NotAdmitted) -> Response:
    """A refused access token."""
    headers = dict(refused.headers)
    if refused.status in (401, 403):
        challenge = 'Bearer realm="fhir"'
        headers["WWW-Authenticate"] = challenge if refused.error is None else f'{challenge}, error="{refused.error}"'
    content = {"error": refused.error or "invalid_request", "error_description": refused.text}
    return answer(content, refused.status, headers)
