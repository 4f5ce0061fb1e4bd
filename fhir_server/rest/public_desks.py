"""What anybody may ask without signing in: which help desks there are, and how to reach them.

Reads and searches of HealthcareService, which tells nothing of a patient; everything else needs an access token.
https://hl7.org/fhir/R4/healthcareservice.html
"""

from msgspec import structs
from starlette.requests import Request

from fhir_server.core.outcome import FhirError
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from fhir_server.rest.caller import count_visit
from fhir_server.rest.context import open_context, request_pairs
from fhir_server.rest.headers import lines
from fhir_server.search.page import CURSOR_PARAMETER
from smart_auth.access import AccessContext, ResourceScope

TYPE = "HealthcareService"

TAKEN = frozenset({"_id", "characteristic", "name", "active", "_count", "_format", CURSOR_PARAMETER})
"""What such a request may say, without modifiers. A page link is sealed to whom the first page was for."""

VISITOR = Sight(
    AccessContext(
        subject="",
        client_id="public",
        kind="patient",
        scopes=(ResourceScope("user", TYPE, frozenset("rs")),),
        acr="level1",
    )
)
"""Whoever passes by: sees the desks, and of those nothing that is labelled as restricted."""


def is_for_everybody(request: Request) -> bool:
    """Whether a GET is one that needs no access token; with a token it is that one's bearer who asks."""
    return (
        request.path_params.get("type") == TYPE
        and getattr(request.app.state, "guard", None) is not None
        and not lines(request.scope, b"authorization")
        and _asks_little(request)
    )


def _asks_little(request: Request) -> bool:
    try:
        return all(name in TAKEN for name, _ in request_pairs(request))
    except FhirError:
        # Who may ask comes before what is wrong with the question.
        return False


async def public_context(request: Request) -> RequestContext:
    """The request of a visitor. Raises FhirError 400 for a Host that this server is not known by, and 429 for an
    address that asks too often: as often as somebody may try to sign in (FHIR_LOGINS_PER_MINUTE).
    """
    context = structs.replace(open_context(request), sight=VISITOR)
    await count_visit(request)
    return context
