"""Patient/[id]/$record-pdf: the record as a document for a person to read and to keep."""

import asyncio

from fhir_server.core.instant import format_instant, now
from fhir_server.formats import record_pdf as document
from fhir_server.formats.chart_sections import types_of
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.operations.chart_of import chart_of, turn
from fhir_server.operations.patient_of_call import note_export, patient_id, patient_of


async def record_pdf(context: RequestContext, call: Call) -> Answer:
    """200 with a PDF of what the caller may see.

    Raises FhirError 404 for a patient who is none of the caller's, 403 for a token without Patient, 400 for a record
    too large for one document.
    """
    id = patient_id(context, call)
    patient = await patient_of(context, id)
    async with turn():
        read = await chart_of(context, patient, types_of(document.SECTIONS))
        body = await asyncio.to_thread(document.record_pdf, read.chart, format_instant(now()))
    note_export(context, "record-pdf", "Patient", id, (f"Patient/{id}", *read.places))
    return Answer(200, body, media_type="application/pdf")
