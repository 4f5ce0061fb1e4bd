"""Patient/[id]/$ccd: the record as a Continuity of Care Document, and DocumentReference/$docref, which leads to it.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

import asyncio
from typing import Any
from uuid import uuid4

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.instant import format_instant, now
from fhir_server.core.reference import is_id, parse_reference
from fhir_server.core.resource import Resource
from fhir_server.formats import ccd as document
from fhir_server.formats.chart import name_of
from fhir_server.formats.patient_summary import Made
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.operations.chart_of import chart_of, turn
from fhir_server.operations.patient_of_call import day, note_export, patient_id, patient_of
from fhir_server.policy import permitted
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST, stretch, to_milliseconds

LOINC = "http://loinc.org"
CCD_TYPE = {"coding": [{"system": LOINC, "code": "34133-9", "display": "Summary of episode note"}]}

_PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference"
_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
_FORMATS = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"


async def ccd(context: RequestContext, call: Call) -> Answer:
    """200 with a C-CDA of what the caller may see.

    Raises FhirError 404 for a patient who is none of the caller's, 403 for a token without Patient or
    DocumentReference, 400 for a record too large for one document.
    """
    id = patient_id(context, call)
    permitted(context.sight, "DocumentReference", "r")
    patient = await patient_of(context, id)
    async with turn():
        read = await chart_of(context, patient, document.TYPES)
        made = Made(context.base, str(uuid4()), format_instant(now()))
        body = await asyncio.to_thread(document.ccd, read.chart, made)
    note_export(context, "ccd", "Patient", id, (f"Patient/{id}", *read.places))
    return Answer(200, body, media_type="application/xml")


async def docref(context: RequestContext, call: Call) -> Answer:
    """200 with a searchset of DocumentReferences: of the CCD that is made when it is fetched, and of stored documents.

    Without `type` and dates it is the CCD alone, with stored ones. Raises FhirError as `ccd` does.
    """
    id = _patient(context, call)
    permitted(context.sight, "DocumentReference", "s")
    patient = await patient_of(context, id)
    found: list[tuple[str, Resource]] = []
    places: list[str] = []
    if _makes_ccd(call):
        found.append((f"urn:uuid:{uuid4()}", _generated(context, patient)))
    if call.one("on-demand") != "true":
        async with turn():
            read = await chart_of(context, patient, ("DocumentReference",))
        for each in read.chart.of("DocumentReference"):
            if _matches(call, each):
                place = f"DocumentReference/{each['id']}"
                places.append(place)
                found.append((f"{context.base}/{place}", each))
    note_export(context, "docref", "DocumentReference", id, places)
    entries = [{"fullUrl": url, "resource": each, "search": {"mode": "match"}} for url, each in found]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    bundle["link"] = [{"relation": "self", "url": f"{context.base}/DocumentReference/$docref?patient={id}"}]
    return Answer(200, encode(bundle | {"entry": entries} if entries else bundle))


def _patient(context: RequestContext, call: Call) -> str:
    text: str = call.one("patient")
    named = parse_reference(text)
    if named is not None and named.type == "Patient" and named.base in (None, *context.own_bases):
        return named.id
    if not is_id(text):
        raise outcome.BAD_OPERATION_CALL("'patient' must be the id of a Patient.", "patient")
    return text


def _makes_ccd(call: Call) -> bool:
    """Whether a CCD of today is among what is asked for."""
    if call.one("profile") is not None and call.one("profile").partition("|")[0] != _PROFILE:
        return False
    today = to_milliseconds(now())
    begins, ends = _range(call)
    return begins <= today <= ends and _is_of_type(call, CCD_TYPE)


def _range(call: Call) -> tuple[int, int]:
    begins, ends = day(call, "start"), day(call, "end")
    return begins[0] if begins else FAR_PAST, ends[1] if ends else FAR_FUTURE


def _is_of_type(call: Call, type: Any) -> bool:
    wanted = call.one("type")
    if wanted is None:
        return True
    having = type.get("coding", ()) if isinstance(type, dict) else ()
    return any(
        each.get("code") == one.get("code") and each.get("system") in (one.get("system"), None)
        for each in wanted.get("coding", ())
        for one in having
        if each.get("code")
    )


def _matches(call: Call, resource: Resource) -> bool:
    """Whether a stored DocumentReference is asked for: by its type and by when the care was that it tells of."""
    if resource.get("status") != "current":
        return False
    is_any = call.one("type") is None and call.one("start") is None and call.one("end") is None
    if is_any and not _is_ccd(resource):
        return False
    begins, ends = _range(call)
    period = resource.get("context", {}).get("period") or {"start": resource.get("date"), "end": resource.get("date")}
    first, last = (stretch(period.get(name) or "") for name in ("start", "end"))
    if not is_any and ((first is not None and first[0] > ends) or (last is not None and last[1] < begins)):
        return False
    return _is_of_type(call, resource.get("type"))


def _is_ccd(resource: Resource) -> bool:
    return any(each.get("code") == "34133-9" for each in resource.get("type", {}).get("coding", ()))


def _generated(context: RequestContext, patient: Resource) -> Resource:
    moment = format_instant(now())
    url = f"{context.base}/Patient/{patient['id']}/$ccd"
    code = "urn:hl7-org:sdwg:ccda-structuredBody:2.1"
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [_PROFILE]},
        "status": "current",
        "docStatus": "final",
        "type": CCD_TYPE,
        "category": [{"coding": [{"system": _CATEGORY, "code": "clinical-note", "display": "Clinical Note"}]}],
        "subject": {"reference": f"Patient/{patient['id']}", "display": name_of(patient) or "The patient"},
        "date": moment,
        "description": "Made anew each time it is fetched, of what the one who fetches it may see.",
        "content": [
            {
                "attachment": {"contentType": "application/xml", "url": url, "title": "Continuity of Care Document"},
                "format": {"system": _FORMATS, "code": code},
            }
        ],
        "context": {"period": {"end": moment}},
    }
