"""Patient/[id]/$summary: the International Patient Summary.

http://hl7.org/fhir/uv/ips/OperationDefinition/summary
"""

import asyncio
from uuid import uuid4

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.instant import format_instant, now
from fhir_server.formats.chart_sections import IPS, types_of
from fhir_server.formats.patient_summary import PROFILE, Made, patient_summary
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.operations.chart_of import chart_of, turn
from fhir_server.operations.patient_of_call import note_export, patient_id, patient_of

_COMPOSITION = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"


async def summary(context: RequestContext, call: Call) -> Answer:
    """200 with a document Bundle of what the caller may see.

    Raises FhirError 404 for a patient who is none of the caller's, 403 for a token without Patient, 400 for another
    profile.
    """
    profile = call.one("profile")
    if profile is not None and profile.partition("|")[0] not in (PROFILE, _COMPOSITION):
        raise outcome.BAD_OPERATION_CALL(f"Summaries are made of the profile {PROFILE} alone.", "profile")
    id = patient_id(context, call)
    patient = await patient_of(context, id)
    async with turn():
        read = await chart_of(context, patient, (*types_of(IPS), "Device"))
        made = Made(context.base, str(uuid4()), format_instant(now()))
        body = await asyncio.to_thread(lambda: encode(patient_summary(read.chart, made)))
    note_export(context, "summary", "Patient", id, (f"Patient/{id}", *read.places))
    return Answer(200, body)
