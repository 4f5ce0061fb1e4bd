"""Whose record an operation on Patient is about, and whether its caller may have it.

https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Iterable
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.resource import Resource
from fhir_server.core.trail import Accessed
from fhir_server.interactions.accesses import is_audited
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.narrow import within
from fhir_server.interactions.operation import Call
from fhir_server.interactions.read import gone, not_found
from fhir_server.interactions.withheld import shown
from fhir_server.policy import refuse_level_one
from fhir_server.search.parameter_types.date import stretch
from fhir_server.store import resources


def patient_id(context: RequestContext, call: Call) -> str:
    """The id in the path or, where there is none, that of the patient in context.

    Raises FhirError 400 where the token names none.
    """
    access = context.sight.access
    if call.id:
        return call.id
    if access is not None and access.patient is not None:
        return access.patient
    raise outcome.BAD_OPERATION_CALL(
        f"The access token names no patient: call Patient/[id]/${call.operation.code}.", "Patient"
    )


async def patient_of(context: RequestContext, id: str) -> Resource:
    """The Patient, as the caller may see it.

    Raises FhirError 403 for whoever signed in by a DS Logon of level 1, and for a token without Patient; 404 and 410 as
    a read does.
    """
    refuse_level_one(context.sight, "Patient")
    row = await resources.read(context.server.database, "Patient", id, within(context, "Patient", "r"))
    if row is None:
        raise not_found("Patient", id)
    if row.body is None:
        raise gone("Patient", id)
    found: Resource = decode(shown(context, row.body))
    return found


def note_export(context: RequestContext, code: str, type: str, patient: str, places: Iterable[str]) -> None:
    """Note for the audit log that what is at these places was handed out of one patient's record."""
    if is_audited(context):
        shown = tuple(dict.fromkeys(places))
        query = f"{type}/{patient}/${code}" if type == "Patient" else f"{type}/${code}?patient={patient}"
        context.trail.note(Accessed("R", "operation", type, shown, (patient,), query, exported=code))


def day(call: Call, name: str) -> tuple[int, int] | None:
    """What a date parameter stretches over, in ms since 1970 UTC; None where it is not given."""
    text: Any = call.one(name)
    return None if text is None else stretch(text)
