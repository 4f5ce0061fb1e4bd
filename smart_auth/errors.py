"""Every way an OAuth request can fail, as one exception that knows its wire form.

RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591 section 3.2.2, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from collections.abc import Mapping

CREDENTIAL_NOT_RECOGNIZED = (
    "This was not recognized. Check what you typed and try again; after several failures wait a while, or ask the "
    "help desk."
)
"""What is said wherever a name, password, number or registration does not fit: the same, whatever of it is wrong."""


class OAuthError(Exception):
    """A refusal of an OAuth endpoint: `error` is the registered code, `text` says what to do, without secrets."""

    def __init__(self, status: int, error: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.error = error
        self.text = text
        self.headers: Mapping[str, str] = headers or {}


def invalid_request(text: str) -> OAuthError:
    """A parameter is missing, repeated or malformed."""
    return OAuthError(400, "invalid_request", text)


def invalid_client(text: str, challenge: bool = False) -> OAuthError:
    """The client is not who it says; with `challenge` it had tried HTTP Basic, which RFC 6749 5.2 answers by 401."""
    if challenge:
        return OAuthError(401, "invalid_client", text, {"WWW-Authenticate": 'Basic realm="token"'})
    return OAuthError(400, "invalid_client", text)


def invalid_grant(text: str) -> OAuthError:
    """A code or refresh token is unknown, expired, used, revoked or another client's."""
    return OAuthError(400, "invalid_grant", text)


def invalid_scope(text: str) -> OAuthError:
    """Nothing of what was asked for can be granted, or it is malformed."""
    return OAuthError(400, "invalid_scope", text)


def unauthorized_client(text: str) -> OAuthError:
    """The client is not registered for this grant."""
    return OAuthError(400, "unauthorized_client", text)


def unsupported_grant_type(text: str) -> OAuthError:
    """There is no such grant here."""
    return OAuthError(400, "unsupported_grant_type", text)


def access_denied(text: str) -> OAuthError:
    """The person, or the policy, said no."""
    return OAuthError(403, "access_denied", text)


def slow_down(text: str, seconds: int) -> OAuthError:
    """Too many requests; `seconds` is for Retry-After (RFC 6585)."""
    return OAuthError(429, "temporarily_unavailable", text, {"Retry-After": str(seconds)})


def not_recognized() -> OAuthError:
    """Whatever of a name, password, code, card or number did not fit: the same for all (pages only)."""
    return OAuthError(401, "credential-not-recognized", CREDENTIAL_NOT_RECOGNIZED)
