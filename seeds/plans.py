"""What is to come of a visit: plans of care with goals, orders for services, implanted devices.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-careplan.html
"""

from datetime import date, timedelta
from html import escape
from typing import Literal

from seeds.chart import Chart, Visit, instant
from seeds.codes import concept
from seeds.model import Labels, Resource
from seeds.visits import encounter, organization, practitioner

GOAL_DAYS = 90
"""When a goal is due, counted from the visit, unless said."""

GTIN_PREFIX = "0952"
"""Begin of the device identifiers: GS1 keeps 952 for examples, so that they are on no real label."""

UNKNOWN: Resource = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
"""What stands beside a primitive that has no value because nobody knows it."""


def care_plan(
    chart: Chart,
    key: str,
    visit: Visit,
    text: str,
    goals: tuple[str, ...] = (),
    *,
    addresses: tuple[str, ...] = (),
    labels: Labels = (),
) -> str:
    """The assessment and plan of a visit in words, with one Goal for each line of `goals`.

    `addresses` are references of Conditions.
    """
    references = [
        goal(chart, f"{key}-goal-{number}", visit, words, addresses=addresses, labels=labels)
        for number, words in enumerate(goals, start=1)
    ]
    elements: Resource = {
        "text": _narrative(text, goals),
        "status": "active",
        "intent": "plan",
        "category": [concept("us-core-careplan-category", "assess-plan")],
        "title": "Assessment and plan",
        "description": text,
        "subject": chart.patient,
        **encounter(visit),
        "period": {"start": instant(visit.start)},
        "created": instant(visit.start),
        "author": practitioner(visit.clinician),
    }
    if addresses:
        elements["addresses"] = [{"reference": each} for each in addresses]
    if references:
        elements["goal"] = [{"reference": each} for each in references]
    return chart.add(
        "CarePlan",
        key,
        elements,
        profiles=("us-core-careplan",),
        labels=labels,
        agency=visit.facility.agency,
    )


def goal(
    chart: Chart,
    key: str,
    visit: Visit,
    words: str,
    *,
    due_days: int = GOAL_DAYS,
    achievement: str = "in-progress",
    addresses: tuple[str, ...] = (),
    labels: Labels = (),
) -> str:
    """A goal that patient and clinician agreed on, due `due_days` after the visit."""
    start = visit.start.date()
    elements: Resource = {
        "lifecycleStatus": "completed" if achievement == "achieved" else "active",
        "achievementStatus": concept("goal-achievement", achievement),
        "description": {"text": words},
        "subject": chart.patient,
        "startDate": start.isoformat(),
        "target": [{"dueDate": (start + timedelta(days=due_days)).isoformat()}],
        "expressedBy": chart.patient,
    }
    if addresses:
        elements["addresses"] = [{"reference": each} for each in addresses]
    return chart.add("Goal", key, elements, profiles=("us-core-goal",), labels=labels, agency=visit.facility.agency)


def service_request(
    chart: Chart,
    key: str,
    code: str,
    visit: Visit,
    *,
    system: str = "snomed",
    category: str = "386053000",
    status: Literal["draft", "active", "on-hold", "revoked", "completed", "entered-in-error"] = "completed",
    reason: str = "",
    days: int = 0,
    labels: Labels = (),
) -> str:
    """An order of the visit for a service `days` later.

    `category` is a SNOMED CT code (108252007 laboratory, 363679005 imaging, 386053000 evaluation, 387713003 surgery,
    409063005 counselling, 409073007 education, 410606002 social service) or a code of us-core-category.
    """
    system_of_category = "snomed" if category.isdigit() else "us-core-category"
    elements: Resource = {
        "status": status,
        "intent": "order",
        "category": [concept(system_of_category, category)],
        "code": concept(system, code),
        "subject": chart.patient,
        **encounter(visit),
        "occurrenceDateTime": instant(visit.start + timedelta(days=days, minutes=10)),
        "authoredOn": instant(visit.start + timedelta(minutes=5)),
        "requester": practitioner(visit.clinician),
    }
    if reason:
        elements["reasonCode"] = [concept("snomed", reason) if reason.isdigit() else {"text": reason}]
    return chart.add(
        "ServiceRequest",
        key,
        elements,
        profiles=("us-core-servicerequest",),
        labels=labels,
        agency=visit.facility.agency,
    )


def implant(chart: Chart, key: str, code: str, day: date, *, visit: Visit | None = None, status: str = "active") -> str:
    """A device of the SNOMED CT type `code`, implanted on `day`, a year after it was made.

    Without a visit it was implanted somewhere else: of that nobody knows when it was made, and it says so.
    """
    number = sum(map(ord, key))
    identifier = _gtin(f"{GTIN_PREFIX}{chart.person.number % 10**6:06}{number % 1000:03}")
    made, expires = day - timedelta(days=365), day + timedelta(days=4 * 365)
    lot, serial = f"L{made:%y%m}{number:03}", f"S{chart.person.number:06}{number:03}"
    label = f"(01){identifier}{f'(11){made:%y%m%d}' if visit else ''}(17){expires:%y%m%d}(10){lot}(21){serial}"
    elements: Resource = {
        "udiCarrier": [{"deviceIdentifier": identifier, "carrierHRF": label}],
        "status": status,
        "distinctIdentifier": f"D{chart.person.number:06}{number:03}",
        "manufacturer": "Invented Devices (test data)",
        **({"manufactureDate": made.isoformat()} if visit else {"_manufactureDate": UNKNOWN}),
        "expirationDate": expires.isoformat(),
        "lotNumber": lot,
        "serialNumber": serial,
        "type": concept("snomed", code),
        "patient": chart.patient,
        "owner": organization(visit.facility if visit else chart.facility),
    }
    agency = visit.facility.agency if visit else None
    return chart.add("Device", key, elements, profiles=("us-core-implantable-device",), agency=agency)


def _narrative(text: str, goals: tuple[str, ...]) -> Resource:
    items = "".join(f"<li>{escape(each)}</li>" for each in goals)
    listed = f"<p>Goals</p><ul>{items}</ul>" if goals else ""
    return {
        "status": "additional",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text)}</p>{listed}</div>',
    }


def _gtin(digits: str) -> str:
    """A GTIN-14: 13 digits and their check digit (GS1 General Specifications, 7.9)."""
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"
