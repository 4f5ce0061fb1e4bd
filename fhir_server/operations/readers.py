"""Who reads messages: the person behind a token, and the places by which messages reach them."""

from fhir_server.core import outcome
from fhir_server.interactions.context import RequestContext


def reader_of(context: RequestContext) -> str:
    """The caller as one person (`Patient/p1`). Raises FhirError 403 for a caller who is none."""
    access = context.sight.access
    if access is None or access.fhir_user is None or access.kind not in ("patient", "practitioner"):
        text = "Messages are read by patients, relatives and care staff: this token is of none of them."
        raise outcome.FORBIDDEN_WRITE(text)
    return access.fhir_user


def inboxes_of(context: RequestContext) -> tuple[str, ...]:
    """The places of recipients by which messages reach the caller: of a relative also the patient acted for."""
    access = context.sight.access
    if access is None:
        return ()
    if access.kind == "practitioner":
        return context.sight.places
    if access.patient is not None:
        return (f"Patient/{access.patient}",)
    acted_for = (*access.patients, *(each.patient for each in context.sight.proxied))
    return tuple(dict.fromkeys(f"Patient/{id}" for id in acted_for))
