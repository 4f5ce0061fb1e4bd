"""Procedures done.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-procedure.html
"""

from datetime import timedelta

from seeds.chart import Chart, Visit, instant
from seeds.codes import concept
from seeds.model import Labels, Resource
from seeds.visits import encounter, organization, practitioner


def procedure(
    chart: Chart,
    key: str,
    code: str,
    visit: Visit,
    *,
    note: str = "",
    minutes: int = 20,
    based_on: str = "",
    device: str = "",
    reason: str = "",
    labels: Labels = (),
) -> str:
    """A procedure of a visit, by SNOMED CT code; it takes `minutes`.

    `based_on`, `device` and `reason` are references of the order, the implanted device and the Condition.
    """
    elements = performed(chart, concept("snomed", code), visit, minutes)
    if based_on:
        elements = {"basedOn": [{"reference": based_on}], **elements}
    if reason:
        elements["reasonReference"] = [{"reference": reason}]
    if note:
        elements["note"] = [{"text": note}]
    if device:
        elements["focalDevice"] = [{"manipulated": {"reference": device}}]
    return chart.add(
        "Procedure", key, elements, profiles=("us-core-procedure",), labels=labels, agency=visit.facility.agency
    )


def performed(chart: Chart, code: Resource, visit: Visit, minutes: int) -> Resource:
    """The elements of a completed Procedure that began ten minutes into the visit."""
    start = visit.start + timedelta(minutes=10)
    return {
        "status": "completed",
        "code": code,
        "subject": chart.patient,
        **encounter(visit),
        "performedPeriod": {"start": instant(start), "end": instant(start + timedelta(minutes=minutes))},
        "performer": [{"actor": practitioner(visit.clinician), "onBehalfOf": organization(visit.facility)}],
        "location": {"reference": f"Location/{visit.facility.key}", "display": visit.facility.name},
    }
