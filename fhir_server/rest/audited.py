"""The last step of a request: what it did, or how it was refused, is in the audit log before its answer leaves.

https://profiles.ihe.net/ITI/BALP/, docs/audit.md
"""

from collections.abc import Awaitable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import OPERATOR
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_entries import Asked

AUDIT_TYPE = "AuditEvent"
_AUDIT_INTERACTIONS = frozenset({"read", "search-type"})
_CODES: Mapping[str, str] = {
    "update-conditional": "update",
    "patch-conditional": "patch",
    "delete-conditional": "delete",
    "search-compartment": "search-type",
}
"""R4's codes of what routes call otherwise: https://hl7.org/fhir/R4/codesystem-restful-interaction.html"""


def auditor_of(request: Request) -> Auditor | None:
    """The worker's auditor; None on a server without sign-in, which is not audited."""
    found: Auditor | None = getattr(request.app.state, "auditor", None)
    return found


async def audited(request: Request, context: RequestContext, answering: Awaitable[Response]) -> Response:
    """The response that `answering` gives, once what the request did is kept.

    Raises what `answering` raises, once that is kept; FhirError 503 where it cannot be.
    """
    auditor = auditor_of(request)
    if auditor is None:
        return await answering
    status, number = 500, outcome.INTERNAL.number
    try:
        response = await answering
        status, number = response.status_code, 0
    except FhirError as error:
        status, number = error.status, error.issues[0].number if error.issues else 0
        raise
    finally:
        # Also where it failed halfway: what was touched by then is in the trail.
        await auditor.note_request(context.sight, _asked(request), context.trail.accesses, status, number)
    return response


async def refused(request: Request, status: int, number: int = 0) -> None:
    """Keep the refusal of a request that nobody was found to have sent: without a token, or with a bad one.

    A 429 is the guard's to keep, which knows whose it is and does not let a flood become one of rows.

    Raises FhirError 503 where it cannot be kept.
    """
    auditor = auditor_of(request)
    if auditor is not None and status != 429:
        await auditor.note_request(OPERATOR, _asked(request), (), status, number)


def refuse_audit_change(request: Request, interaction: str) -> None:
    """Raise FhirError 405 where sign-in is on and the request is more than a read or search of audit events."""
    if request.path_params.get("type") != AUDIT_TYPE or auditor_of(request) is None:
        return
    if interaction not in _AUDIT_INTERACTIONS:
        error = outcome.AUDIT_KEPT("Audit events are made by the server alone: read them and search them.")
        error.headers = {"Allow": "GET, HEAD, OPTIONS"}
        raise error


def _asked(request: Request) -> Asked:
    scope = request.scope
    path = scope["path_params"]
    type, id = path.get("type", ""), path.get("id", "")
    if not is_resource_type(type):
        type, id = "", ""
    interaction = scope["state"].get("interaction") or "operation"
    client = scope.get("client")
    return Asked(
        scope["state"]["request_id"],
        _CODES.get(interaction, interaction),
        type,
        f"{type}/{id}" if type and is_id(id) else "",
        client[0] if client else "",
    )
