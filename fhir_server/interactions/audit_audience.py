"""Who may look into the audit log, and at whose part of it.

https://hl7.org/fhir/R4/auditevent.html#bnc
"""

from fhir_server.core import outcome
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight, forbidden, refuse_level_one
from smart_auth.access import ANY_TYPE

AUDIT_TYPE = "AuditEvent"


def is_kept(context: RequestContext, type: str) -> bool:
    """Whether resources of this type are the audit log's, which the server alone writes: where sign-in is on."""
    return type == AUDIT_TYPE and context.sight.access is not None


def audience(sight: Sight, permission: str) -> frozenset[str] | None:
    """The ids of the patients whose events the caller may see; None for all events.

    Officers and administrators see all, patients those of the records that are theirs, or of whoever they act for now
    and see the whole record of. Raises FhirError 403 for anybody else, and where no scope grants it.
    """
    access = sight.access
    if access is None:
        return None
    if access.kind not in ("officer", "admin", "patient"):
        raise outcome.FORBIDDEN_AUDIT("The audit log is shown to officers, and to patients what concerns their record.")
    refuse_level_one(sight, AUDIT_TYPE)
    # No granular scope names anything that an AuditEvent has.
    levels = {
        scope.level
        for scope in access.scopes
        if scope.type in (AUDIT_TYPE, ANY_TYPE) and permission in scope.permissions and not scope.filters
    }
    if not levels & {"user", "patient"}:
        raise forbidden(AUDIT_TYPE, "s" if permission == "s" else "r")
    if access.kind != "patient":
        if "user" not in levels:
            raise forbidden(AUDIT_TYPE, "s" if permission == "s" else "r")
        return None
    theirs = set(access.patients)
    # An event tells that there is something to be kept private, whatever its label.
    theirs |= {each.patient for each in sight.proxied if not each.without_labels}
    if "user" in levels:
        return frozenset(theirs)
    return frozenset(theirs & {access.patient})
