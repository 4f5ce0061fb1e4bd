"""A mother books for her small child; what her teenager books for themselves she does not see, nor that it is there.

https://hl7.org/fhir/R4/security-labels.html, docs/adr/0033-visits.md
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.care.proxies import ACT_CODE
from fhir_server.interactions.context import RequestContext
from tests.rest.calendars import REASON, booked, location, schedule, service, slot, status, stored_calendar, visit
from tests.rest.families import as_ana, stored_family
from tests.rest.in_process import opened
from tests.rest.narrowing import found, get
from tests.rest.writers import Writers, entry, patient_of, practitioner

TEEN = patient_of("teen")
DOCTOR = practitioner("teen", "kid")
MIND = "mind-5"


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        writers = Writers(context)
        await stored_calendar(writers)
        label = {"system": ACT_CODE, "code": "SDV"}
        desk = {"resourceType": "HealthcareService", "id": "desk", "providedBy": {"reference": "Organization/clinic"}}
        await writers.stored(
            desk | {"active": True, "category": [{"text": "Drug and Alcohol"}]},
            location("private", "clinic"),
            schedule("service", "Practitioner/gp", "HealthcareService/desk"),
            schedule("labelled", "Practitioner/gp", "Location/clinic", meta={"security": [label]}),
            schedule("plain", "Practitioner/gp", "Location/clinic"),
            *(slot(9, of) for of in ("service", "labelled", "plain")),
            slot(10, "plain", meta={"security": [label]}),
            slot(11, "plain", specialty=[{"text": "Obstetrics"}]),
            slot(12, "plain"),
        )
        yield context


def codes(resource: dict[str, Any]) -> set[str]:
    return {each["code"] for each in resource.get("meta", {}).get("security", ())} - {"PATAST"}


async def mothers(context: RequestContext) -> Any:
    return (await as_ana(context)).sight


async def test_a_mother_books_moves_and_cancels_for_her_small_child(family: RequestContext) -> None:
    writers, ana = Writers(family), await mothers(family)
    made = await booked(writers, ana, visit("kid", "gp-1"))
    place = f"Appointment/{made['id']}"
    told = await writers.ask(
        ana, "PATCH", place, ("application/merge-patch+json", {"slot": [{"reference": "Slot/gp-2"}]})
    )
    assert told.status == 200
    assert place in await found(await as_ana(family), "Appointment")
    gone = {"status": "cancelled", "cancelationReason": REASON}
    assert (await writers.ask(ana, "PATCH", place, ("application/merge-patch+json", gone))).status == 200
    assert await status(writers, "gp-2") == "free"
    # A child keeps nothing from the mother.
    mind = await booked(writers, ana, visit("kid", MIND))
    assert codes(mind) == {"MH"}
    assert f"Appointment/{mind['id']}" in await found(await as_ana(family), "Appointment")
    for stranger in ("stranger", "husband"):
        told = await writers.ask(patient_of("kid"), "POST", "Appointment", visit(stranger, "gp-3"))
        assert told.status == 403


@pytest.mark.parametrize(
    ("of", "label"),
    [(MIND, "MH"), ("service-9", "SUD"), ("labelled-9", "SDV"), ("plain-10", "SDV"), ("plain-11", "SEX")],
)
async def test_a_sensitive_visit_of_a_teenager_is_hidden_from_the_mother(
    family: RequestContext, of: str, label: str
) -> None:
    writers = Writers(family)
    made = await booked(writers, TEEN, visit("teen", of))
    assert codes(made) == {label}
    place = f"Appointment/{made['id']}"
    here = await as_ana(family)
    assert (await get(here, place))["status"].startswith("404")
    for path in (f"{place}/_history", f"{place}/_history/1"):
        assert (await get(here, path))["status"].startswith("404")
    for query in ("Appointment", "Appointment?patient=teen", f"Appointment?slot=Slot/{of}", "Patient/teen/Appointment"):
        assert await found(here, query) == set()
        assert (await get(here, f"{query}{'&' if '?' in query else '?'}_summary=count"))["total"] == 0
    assert place not in str(await get(here, "Patient?_id=teen&_revinclude=Appointment:patient"))
    assert (await get(here, "Patient?_has:Appointment:patient:status=booked&_id=teen"))["total"] == 0
    assert made["id"] not in str(await get(here, "Appointment/_history"))
    gone = ("application/merge-patch+json", {"status": "cancelled", "cancelationReason": REASON})
    assert (await writers.ask(here.sight, "PATCH", place, gone)).status == 404
    assert (await writers.ask(TEEN, "GET", place)).status == 200
    assert (await writers.ask(TEEN, "PATCH", place, gone)).status == 200
    # What became of it is kept from her as well.
    assert await found(await as_ana(family), "Appointment?patient=teen") == set()


async def test_a_plain_visit_of_a_teenager_is_seen(family: RequestContext) -> None:
    made = await booked(Writers(family), TEEN, visit("teen", "plain-9"))
    assert codes(made) == set()
    assert await found(await as_ana(family), "Appointment") == {f"Appointment/{made['id']}"}


@pytest.mark.parametrize("form", ["PUT", "PATCH", "batch", "transaction"])
async def test_a_visit_that_becomes_sensitive_is_hidden_from_then_on(family: RequestContext, form: str) -> None:
    writers = Writers(family)
    made = await booked(writers, TEEN, visit("teen", "plain-9"))
    place, named = f"Appointment/{made['id']}", {"slot": [{"reference": f"Slot/{MIND}"}]}
    if form == "PATCH":
        told = await writers.ask(TEEN, form, place, ("application/merge-patch+json", named))
    elif form == "PUT":
        told = await writers.ask(TEEN, form, place, made | named)
    else:
        told = await writers.bundle(TEEN, form, [entry("PUT", place, made | named)])
    assert told.status == 200, told
    assert codes(await writers.now(place)) == {"MH"}
    assert await found(await as_ana(family), "Appointment") == set()
    # Its earlier version is hidden with it.
    assert made["id"] not in str(await get(await as_ana(family), "Appointment/_history"))


def response(visit: dict[str, Any]) -> dict[str, Any]:
    """The teenager's yes to a visit."""
    return {
        "resourceType": "AppointmentResponse",
        "appointment": {"reference": f"Appointment/{visit['id']}"},
        "start": visit["start"],
        "end": visit["end"],
        "actor": {"reference": "Patient/teen"},
        "participantStatus": "accepted",
    }


async def test_the_answer_to_an_invitation_is_hidden_with_the_visit(family: RequestContext) -> None:
    writers = Writers(family)
    hidden, plain = [await booked(writers, TEEN, visit("teen", each)) for each in (MIND, "plain-9")]
    for made in (hidden, plain):
        assert (await writers.ask(TEEN, "POST", "AppointmentResponse", response(made))).status == 201
    seen = f"AppointmentResponse?appointment=Appointment/{plain['id']}"
    assert len(await found(await as_ana(family), "AppointmentResponse")) == 1
    assert len(await found(await as_ana(family), seen)) == 1
    # A visit that becomes sensitive takes its answers along.
    named = ("application/merge-patch+json", {"serviceType": [service("490")]})
    assert (await writers.ask(TEEN, "PATCH", f"Appointment/{plain['id']}", named)).status == 200
    assert await found(await as_ana(family), "AppointmentResponse") == set()
    assert (await writers.ask(TEEN, "GET", "AppointmentResponse")).body["total"] == 2


async def test_a_request_for_a_sensitive_service_is_hidden_without_a_slot(family: RequestContext) -> None:
    writers = Writers(family)
    kinds: list[dict[str, Any]] = [
        {"serviceType": [service("490")]},
        # Drug and/or Alcohol Counselling, Family Planning and Psychology, by their codes alone.
        *({"serviceType": [service(code)]} for code in ("105", "54", "142")),
        {"specialty": [{"text": "Addiction medicine"}]},
        {"reasonCode": [{"text": "Birth control"}]},
    ]
    for kind in kinds:
        made = await booked(writers, TEEN, visit("teen", status="proposed", **kind))
        assert codes(made), kind
    role = {"resourceType": "PractitionerRole", "id": "mind", "specialty": [{"text": "Psychiatry"}]}
    await writers.stored(role)
    for actor in ("HealthcareService/desk", "PractitionerRole/mind"):
        asked = visit("teen", status="proposed")
        asked["participant"].append({"actor": {"reference": actor}, "status": "needs-action"})
        assert codes(await booked(writers, TEEN, asked)), actor
    made = await booked(writers, TEEN, visit("teen", "plain-9"))
    patch = ("application/merge-patch+json", {"serviceCategory": [{"text": "Mental health"}]})
    assert (await writers.ask(TEEN, "PATCH", f"Appointment/{made['id']}", patch)).status == 200
    assert await found(await as_ana(family), "Appointment") == set()


async def test_nobody_takes_the_label_off(family: RequestContext) -> None:
    writers = Writers(family)
    made = await booked(writers, TEEN, visit("teen", MIND))
    place = f"Appointment/{made['id']}"
    bare = {name: value for name, value in made.items() if name != "meta"}
    told = await writers.ask(TEEN, "PUT", place, bare)
    assert (told.status, told.numbers) == (403, (6022,))
    assert (
        await writers.ask(DOCTOR, "PUT", place, bare | {"meta": {"security": made["meta"]["security"][:1]}})
    ).status == 200
    assert codes(await writers.now(place)) == {"MH"}
    assert (
        await writers.ask(TEEN, "PATCH", place, ("application/merge-patch+json", {"comment": "soon"}))
    ).status == 200
    other = {"security": [*made["meta"]["security"], {"system": ACT_CODE, "code": "HIV"}]}
    assert (await writers.ask(TEEN, "PUT", place, made | {"meta": other})).status == 403
    moved = made | {"meta": other, "slot": [{"reference": "Slot/service-9"}]}
    assert (await writers.ask(TEEN, "PUT", place, moved)).status == 403


async def test_a_mother_learns_nothing_of_it_by_what_cannot_be_booked(family: RequestContext) -> None:
    writers, ana = Writers(family), await mothers(family)
    await writers.stored(slot(5, "plain"), slot(5, "gp"))
    made = await booked(writers, TEEN, visit("teen", MIND))
    told = await writers.ask(ana, "POST", "Appointment", visit("kid", MIND))
    assert (told.status, told.numbers) == (409, (6101,))
    assert made["id"] not in told.text and "teen" not in told.text
    # At the same time, for the teenager: as if there were nothing.
    assert (await writers.ask(ana, "POST", "Appointment", visit("teen", "plain-5"))).status == 201
    assert (await writers.ask(ana, "POST", "Appointment", visit("teen", "gp-5"))).numbers == (6110,)


@pytest.mark.parametrize("code", ["pending", "booked"])
async def test_a_mother_does_not_end_a_hidden_hold(family: RequestContext, code: str) -> None:
    writers, ana = Writers(family), await mothers(family)
    held = await booked(writers, TEEN, visit("teen", MIND, status="pending"))
    told = await writers.ask(ana, "POST", "Appointment", visit("teen", MIND, status=code))
    assert (told.status, told.numbers) == (409, (6101,))
    assert (await writers.now(f"Appointment/{held['id']}"))["status"] == "pending"
