"""A facility with two practitioners and their slots, a civilian one, and visits to be booked there."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.core.instant import now
from tests.rest.writers import Told, Writers

Resource = dict[str, Any]

MINUTES = 30
DAYS = 10
TYPES = "http://terminology.hl7.org/CodeSystem/organization-type"
SERVICES = "http://terminology.hl7.org/CodeSystem/service-type"
REASON = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason", "code": "pat"}]
}


def start(number: int, days: int = DAYS) -> datetime:
    """When the `number`-th slot of that day begins."""
    day = now().astimezone(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return day + timedelta(minutes=MINUTES * number)


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def slot(number: int, of: str = "gp", status: str = "free", days: int = DAYS, **more: Any) -> Resource:
    """The Slot `gp-1` of a Schedule."""
    begins = start(number, days)
    return {
        "resourceType": "Slot",
        "id": f"{of}-{number}",
        "schedule": {"reference": f"Schedule/{of}"},
        "status": status,
        "start": at(begins),
        "end": at(begins + timedelta(minutes=MINUTES)),
        **more,
    }


def service(code: str) -> Resource:
    return {"coding": [{"system": SERVICES, "code": code}]}


def organization(id: str, kind: str = "prov", **more: Any) -> Resource:
    concept = {"coding": [{"system": TYPES, "code": kind}]}
    return {"resourceType": "Organization", "id": id, "active": True, "type": [concept], "name": id, **more}


def location(id: str, of: str, **more: Any) -> Resource:
    managed = {"reference": f"Organization/{of}"}
    return {"resourceType": "Location", "id": id, "status": "active", "managingOrganization": managed, **more}


def schedule(id: str, *actors: str, **more: Any) -> Resource:
    named = [{"reference": each} for each in actors]
    return {"resourceType": "Schedule", "id": id, "active": True, "actor": named, **more}


PLACES: list[Resource] = [
    organization("agency", "govt"),
    organization("clinic", partOf={"reference": "Organization/agency"}),
    organization("hospital", identifier=[{"system": "urn:fhir-server:federal:dmis-id", "value": "Z1"}]),
    organization("civilian"),
    organization(
        "later",
        partOf={"reference": "Organization/agency"},
        extension=[{"url": "urn:fhir-server:federal:go-live-date", "valueDate": "2999-01-01"}],
    ),
    location("clinic", "clinic"),
    location("hospital", "hospital"),
    location("civilian", "civilian"),
    location("later", "later"),
    *({"resourceType": "Practitioner", "id": id, "name": [{"family": id}]} for id in ("gp", "mind", "other", "p7")),
    schedule("gp", "Practitioner/gp", "Location/clinic", serviceType=[service("124")]),
    schedule("other", "Practitioner/other", "Location/hospital"),
    schedule("mind", "Practitioner/mind", "Location/clinic", serviceType=[service("490")]),
    schedule("civilian", "Practitioner/other", "Location/civilian"),
    schedule("later", "Practitioner/other", "Location/later"),
    schedule("closed", "Practitioner/gp", "Location/clinic", active=False),
    schedule("nowhere", "Practitioner/gp"),
]


async def stored_calendar(writers: Writers) -> None:
    """All of them, with four slots of each practitioner, and one of each of the others."""
    slots = [slot(number, of) for of in ("gp", "other") for number in range(4)]
    slots += [slot(5, "mind", serviceType=[service("490")])]
    slots += [slot(0, of) for of in ("civilian", "later", "closed", "nowhere")]
    slots += [slot(6, status="busy-unavailable"), slot(7, status="busy"), slot(8, days=-1)]
    await writers.stored(*PLACES, *slots)


def visit(patient: str = "anna", *slots: str, status: str = "booked", **more: Any) -> Resource:
    """An Appointment of a patient, in these slots."""
    who = {"actor": {"reference": f"Patient/{patient}"}, "required": "required", "status": "accepted"}
    made: Resource = {"resourceType": "Appointment", "status": status, "participant": [who]}
    if slots:
        made["slot"] = [{"reference": f"Slot/{each}"} for each in slots]
    return made | more


async def status(writers: Writers, id: str) -> str:
    """The status of a Slot as it is stored."""
    return str((await writers.now(f"Slot/{id}"))["status"])


async def booked(writers: Writers, sight: Any, resource: Resource) -> Resource:
    """The Appointment as it was created."""
    told: Told = await writers.ask(sight, "POST", "Appointment", resource)
    assert told.status == 201, told
    found: Resource = told.body
    return found
