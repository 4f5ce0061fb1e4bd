"""The scopes that a request asks for, and that they stay so few that they can be compared, kept and shown.

https://www.rfc-editor.org/rfc/rfc6749#section-3.3
"""

from smart_auth.errors import invalid_scope
from smart_auth.form import Form, required

# Both versions of a scope on each of the 146 types of R4, and every category there is.
MOST_SCOPES = 500


def asked_scopes(form: Form) -> tuple[str, ...]:
    """Those of the parameter `scope`, each once. Raises OAuthError invalid_request, and invalid_scope for too many."""
    return few(tuple(dict.fromkeys(required(form, "scope").split())))


def few(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The same scopes. Raises OAuthError invalid_scope where there are too many: a wide one has many parts."""
    if len(scopes) > MOST_SCOPES:
        raise invalid_scope(f"A request is for at most {MOST_SCOPES} scopes.")
    return scopes
