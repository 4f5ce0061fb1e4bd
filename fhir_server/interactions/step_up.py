"""What asks for a sign-in by card: RFC 9470, OAuth 2.0 Step Up Authentication Challenge.

https://www.rfc-editor.org/rfc/rfc9470
"""

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.write_plan import Method
from fhir_server.interactions.context import RequestContext
from fhir_server.policy_writes import ORDERS

CHALLENGE = 'Bearer realm="fhir", error="insufficient_user_authentication", acr_values="card"'
"""What the client sends to authorize for a token that is enough (RFC 9470 section 3): `acr_values`, with a sentence."""


def step_up(text: str) -> FhirError:
    """The 401 that says how to sign in for it; `text` is plain ASCII without quotes, as it stands in a header too."""
    error = outcome.STEP_UP_REQUIRED(f"{text} Authorize again with acr_values=card.")
    error.headers = {**error.headers, "WWW-Authenticate": f'{CHALLENGE}, error_description="{text}"'}
    return error


def refuse_without_card(context: RequestContext, type: str, method: Method) -> None:
    """Raise FhirError 401 where a practitioner writes an order (`method`) without having signed in by card."""
    access = context.sight.access
    if access is None or access.kind != "practitioner" or access.acr == "card":
        return
    if type in ORDERS and "orders" in context.server.card_for:
        raise step_up(f"To {_VERBS[method]} {type} asks for a sign-in by CAC or PIV card.")


_VERBS: dict[Method, str] = {"POST": "create", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
