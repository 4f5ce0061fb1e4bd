"""What could be booked is found: free slots to come at live federal facilities, and nothing else.

https://profiles.ihe.net/ITI/Scheduling/ITI-115.html
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.care.visit_times import instant_text
from fhir_server.operations import find
from fhir_server.policy import OPERATOR
from fhir_server.search.parameter_types.date import to_milliseconds
from tests.rest import operations
from tests.rest.calendars import SERVICES, at, organization, schedule, slot, start, stored_calendar, visit
from tests.rest.in_process import opened
from tests.rest.writers import ANNA, Told, Writers, entry, patient_of, person, practitioner

DOCTOR = practitioner("anna", "ben")
MIND = {"mind-5"}
GP = {f"gp-{number}" for number in range(4)}
OTHER = {f"other-{number}" for number in range(4)}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calendar(mongodb_uri: str) -> AsyncIterator[Writers]:
    name = "test_find_visits"
    async with opened(mongodb_uri, name) as context:
        made = operations.with_operations(Writers(context))
        await made.stored(person("anna"), person("ben"))
        await stored_calendar(made)
        restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        role = {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/other"}}
        await made.stored(
            slot(0, days=40, id="far"),
            slot(0, "hidden"),
            schedule("hidden", "Practitioner/gp", "Location/clinic", meta={"security": [restricted]}),
            organization("shut", partOf={"reference": "Organization/agency"}, active=False),
            role | {"organization": {"reference": "Organization/shut"}},
            schedule("shut", "PractitionerRole/role"),
            slot(0, "shut"),
        )
        assert (await made.ask(ANNA, "POST", "Appointment", visit("anna", "gp-3", status="pending"))).status == 201
        yield made
        await context.server.database.client.drop_database(name)


async def found(calendar: Writers, *pairs: tuple[str, str], sight: Any = ANNA) -> set[str]:
    told = await operations.asked(calendar, sight, "Appointment", "find", *pairs)
    assert told.status == 200, told
    return set(slots_of(told))


def slots_of(told: Told) -> list[str]:
    assert told.body["type"] == "searchset"
    entries = [each for each in told.body.get("entry", []) if each["search"]["mode"] == "match"]
    # What was not looked at was not counted.
    assert told.body.get("total", len(entries)) == len(entries)
    assert ("total" in told.body) == (more_of(told) is None)
    return [each["resource"]["slot"][0]["reference"].removeprefix("Slot/") for each in entries]


def more_of(told: Told) -> list[tuple[str, str]] | None:
    """With what an answer says to ask again; empty where it is for fewer at once, None where that was all."""
    found = [each["resource"] for each in told.body.get("entry", []) if each["search"]["mode"] == "outcome"]
    if not found:
        return None
    (issue,) = found[0]["issue"]
    assert (issue["severity"], issue["code"]) == ("information", "incomplete")
    pairs = re.findall(r"'(\w+)=([^']+)'", issue["details"]["text"])
    assert [name for name, _ in pairs] == ["start", "end"] or "ask for fewer" in issue["details"]["text"]
    return pairs


async def test_free_slots_of_live_federal_facilities_are_proposed_in_order(calendar: Writers) -> None:
    told = await operations.asked(calendar, ANNA, "Appointment", "find")
    assert set(slots_of(told)) == (GP | OTHER | MIND) - {"gp-3"}
    starts = [each["resource"]["start"] for each in told.body["entry"]]
    assert starts == sorted(starts)
    one = next(each for each in told.body["entry"] if each["resource"]["id"] == "slot.gp-1")
    assert one["fullUrl"].endswith("/Appointment/slot.gp-1")
    assert one["resource"] == {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": at(start(1)),
        "end": at(start(2)),
        "slot": [{"reference": "Slot/gp-1"}],
        "participant": [
            {"actor": {"reference": each}, "required": "required", "status": "needs-action"}
            for each in ("Patient/anna", "Practitioner/gp", "Location/clinic")
        ],
        "id": "slot.gp-1",
        "minutesDuration": 30,
    }
    assert "Appointment" not in {each.type for each in told.noted}
    assert {each.type for each in told.noted} == {"Slot"}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("practitioner", "Practitioner/gp")], GP - {"gp-3"}),
        ([("practitioner", "Practitioner/mind"), ("practitioner", "Practitioner/other")], MIND | OTHER),
        ([("practitioner", "Practitioner/nobody")], set()),
        ([("location", "Location/hospital")], OTHER),
        ([("location-reference", "Location/clinic"), ("practitioner", "Practitioner/mind")], MIND),
        ([("location", "Location/civilian")], set()),
        ([("organization", "Organization/hospital")], OTHER),
        ([("organization", "Organization/civilian")], set()),
        ([("organization", "Organization/clinic")], (GP | MIND) - {"gp-3"}),
        ([("service-type", f"{SERVICES}|490")], MIND),
        ([("service-type", "490")], MIND),
        ([("service-type", "4,90")], set()),
        ([("specialty", "x|y")], set()),
        ([("visit-type", "ROUTINE")], set()),
        ([("start", at(start(2)).replace("+00:00", "Z")), ("practitioner", "Practitioner/gp")], {"gp-2", "far"}),
        ([("start", at(start(1))), ("practitioner", "Practitioner/gp")], {"gp-1", "gp-2", "far"}),
        ([("end", at(start(0))), ("practitioner", "Practitioner/gp")], {"gp-0"}),
        (
            [("start", start(0).date().isoformat()), ("end", start(0).date().isoformat())],
            (GP | OTHER | MIND) - {"gp-3"},
        ),
        ([("start", (start(0) + timedelta(1)).date().isoformat())], {"far"}),
        ([("_count", "1"), ("practitioner", "Practitioner/gp")], {"gp-0"}),
        ([("start", "1970-01-01"), ("end", "2999")], (GP | OTHER | MIND | {"far"}) - {"gp-3"}),
    ],
)
async def test_what_is_asked_for_is_found(calendar: Writers, pairs: list[tuple[str, str]], expected: set[str]) -> None:
    assert await found(calendar, *pairs) == expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("start", "2999-01-02"), ("end", "2999-01-01")], 400),
        ([("end", "2001-01-01")], 400),
        ([("start", "0001-01-01")], 400),
        ([("start", "9999-12-31"), ("end", "9999-12-31")], 400),
        ([("start", "yesterday")], 400),
        ([("patient", "Patient/ben")], 404),
        ([("patient", "Patient/never")], 404),
        ([("patient", "Practitioner/gp")], 400),
        ([("practitioner", "https://elsewhere.example/Practitioner/gp")], 400),
        ([("location", "#here")], 400),
        ([("_count", "0")], 400),
        ([("colour", "blue")], 400),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    calendar: Writers, pairs: list[tuple[str, str]], expected: int
) -> None:
    assert (await operations.asked(calendar, ANNA, "Appointment", "find", *pairs)).status == expected


async def test_a_practitioner_finds_for_a_patient_of_theirs(calendar: Writers) -> None:
    given = {"patient": {"reference": "Patient/ben"}, "practitioner": {"reference": "Practitioner/mind"}}
    told = await operations.operated(calendar, DOCTOR, "Appointment", "find", **given)
    (one,) = told.body["entry"]
    assert one["resource"]["participant"][0]["actor"] == {"reference": "Patient/ben"}
    told = await operations.operated(calendar, practitioner("anna"), "Appointment", "find", **given)
    assert told.status == 404
    assert await found(calendar, ("practitioner", "Practitioner/mind"), sight=OPERATOR) == MIND


@pytest.mark.parametrize("granted", ["patient/Appointment.crus", "patient/Slot.r", "patient/Patient.rs"])
async def test_whoever_may_not_search_slots_finds_none(calendar: Writers, granted: str) -> None:
    told = await operations.asked(calendar, patient_of("anna", granted=granted), "Appointment", "find")
    assert told.status == 403


async def test_slots_alone_are_enough_to_find_what_could_be_booked(calendar: Writers) -> None:
    sight = patient_of("anna", granted="patient/Slot.rs patient/Appointment.c")
    assert await found(calendar, ("practitioner", "Practitioner/mind"), sight=sight) == MIND


async def test_a_proposal_is_booked_as_it_was_found_and_by_its_id(calendar: Writers) -> None:
    ben = patient_of("ben")
    told = await operations.asked(calendar, ben, "Appointment", "find", ("practitioner", "Practitioner/other"))
    first = told.body["entry"][0]["resource"]
    made = await operations.operated(calendar, ben, "Appointment", "book", appt_resource=first)
    assert made.status == 201, made
    booked = made.body["entry"][0]["resource"]
    assert {each["status"] for each in booked["participant"]} == {"accepted"}
    gone = await operations.operated(calendar, ben, "Appointment", "book", appt_resource=first)
    assert gone.status == 409
    assert set(slots_of(await operations.asked(calendar, ben, "Appointment", "find"))).isdisjoint({"other-0"})
    cancelled = booked | {"status": "cancelled", "cancelationReason": {"text": "found it"}}
    told = await operations.operated(calendar, ben, "Appointment", "book", appt_resource=cancelled)
    assert told.status == 200


@pytest.mark.parametrize("count", [2, 3, 5])
async def test_what_one_answer_leaves_out_is_found_by_asking_on(calendar: Writers, count: int) -> None:
    wanted = ("_count", str(count))
    told = await operations.asked(calendar, ANNA, "Appointment", "find", wanted)
    together = slots_of(told)
    while more := more_of(told):
        told = await operations.asked(calendar, ANNA, "Appointment", "find", *more, wanted)
        assert 0 < len(slots_of(told)) <= count
        together += slots_of(told)
    assert more is None
    assert sorted(together) == sorted((GP | OTHER | MIND) - {"gp-3"})


async def test_where_more_begin_at_one_moment_than_are_wanted_one_is_told_to_ask_for_fewer(calendar: Writers) -> None:
    told = await operations.asked(calendar, ANNA, "Appointment", "find", ("_count", "1"))
    assert (len(slots_of(told)), more_of(told)) == (1, [])
    told = await operations.asked(
        calendar, ANNA, "Appointment", "find", ("practitioner", "Practitioner/gp"), ("_count", "1")
    )
    assert slots_of(told) == ["gp-0"]
    assert ("start", instant_text(to_milliseconds(start(1)))) in (more_of(told) or ())


async def test_what_is_looked_at_for_one_answer_is_bounded_and_said(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await found(calendar)
    monkeypatch.setattr(find, "_PER_PAGE", 2)
    assert await found(calendar) == whole
    monkeypatch.setattr(find, "_MOST_SLOTS", 9)
    told = await operations.asked(calendar, ANNA, "Appointment", "find")
    assert 0 < len(slots_of(told)) < len(whole)
    together = slots_of(told)
    while more := more_of(told):
        told = await operations.asked(calendar, ANNA, "Appointment", "find", *more)
        together += slots_of(told)
    assert sorted(together) == sorted(whole)
    monkeypatch.setattr(find, "_MOST_SLOTS", 2)
    told = await operations.asked(calendar, ANNA, "Appointment", "find", ("location", "Location/civilian"))
    assert (slots_of(told), more_of(told)) == ([], None)


@pytest.mark.parametrize("name", ["start", "end"])
async def test_a_slot_that_does_not_say_when_it_is_stops_nobody(calendar: Writers, name: str) -> None:
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    timeless = {key: value for key, value in slot(20).items() if key != name} | {f"_{name}": {"extension": [absent]}}
    before = await found(calendar)
    await calendar.stored(timeless)
    assert await found(calendar) == before
    told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "gp-20"))
    assert (told.status, told.element) == (422, "Appointment.slot")
    for code in ("hold", "book"):
        assert (await operations.operated(calendar, ANNA, "Appointment", code, appt_id="slot.gp-20")).status == 404


async def test_nobody_is_asked_for_by_the_thousand(calendar: Writers) -> None:
    several = [("practitioner", f"Practitioner/p{number}") for number in range(101)]
    told = await operations.asked(calendar, ANNA, "Appointment", "find", *several)
    assert (told.status, told.element) == (400, "practitioner")
    same = [("practitioner", "Practitioner/gp")] * 101
    assert (await operations.asked(calendar, ANNA, "Appointment", "find", *same)).status == 200


async def test_find_runs_in_a_batch(calendar: Writers) -> None:
    url = "Appointment/$find?practitioner=Practitioner/mind"
    told = await calendar.bundle(ANNA, "batch", [entry("GET", url)])
    assert told.body["entry"][0]["response"]["status"] == "200 OK", told.body
    assert slots_of(Told(200, told.body["entry"][0]["resource"])) == ["mind-5"]
