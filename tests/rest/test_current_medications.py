"""What somebody takes now: active orders that have not expired, with the refills left.

docs/adr/0034-medicines.md
"""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from fhir_server.operations.table import OPERATIONS
from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.medicines import dispense, left, order, refill, renewal
from tests.rest.writers import ANNA, Writers, officer, patient_of, practitioner, system

EXPIRES = "urn:fhir-server:federal:prescription-expires"
URL = "Patient/anna/$current-medications"


@pytest.fixture
async def served(writers: Writers) -> Writers:
    """Callers of a server that knows its operations, over orders of every state."""
    server = replace(writers.context.server, operations=OPERATIONS)
    made = Writers(structs.replace(writers.context, server=server))
    await made.stored(
        order("two", 3),
        order("none", 1),
        order("ward", None),
        order("expired", 2, ends=-3),
        order("stopped", 2, status="stopped"),
        order("held", 2, status="on-hold"),
        order("told", 2, intent="plan"),
        order("never", 2, doNotPerform=True),
        renewal("none") | {"id": "wish"},
        order("bens", 2, of="ben"),
        dispense("two", "d1"),
        dispense("two", "d2"),
        dispense("none", "d3"),
        refill("none") | {"id": "t", "status": "accepted"},
        refill("two") | {"id": "old", "status": "rejected"},
    )
    return made


def counted(body: Any) -> dict[str, int | None]:
    return {each["resource"]["id"]: left(each["resource"]) for each in body.get("entry", ())}


async def test_each_active_order_says_how_many_refills_are_left(served: Writers) -> None:
    told = await served.ask(ANNA, "GET", URL)
    assert (told.status, told.body["type"], told.body["total"]) == (200, "searchset", 3)
    assert counted(told.body) == {"two": 2, "none": 0, "ward": 0}
    two = next(each["resource"] for each in told.body["entry"] if each["resource"]["id"] == "two")
    (ends,) = [each["valueDateTime"] for each in two["extension"] if each["url"] == EXPIRES]
    assert ends == two["dispenseRequest"]["validityPeriod"]["end"]
    assert told.body["entry"][0]["fullUrl"].startswith("http://localhost:8080/fhir/MedicationRequest/")
    # What is stored stays as it is.
    assert "extension" not in await served.now("MedicationRequest/two")
    assert {place for each in told.noted for place in each.places} >= {"MedicationRequest/two"}
    assert {owner for each in told.noted for owner in each.patients} == {"anna"}


async def test_a_search_for_active_orders_shows_no_stopped_one(served: Writers) -> None:
    told = await served.ask(ANNA, "GET", "MedicationRequest?patient=anna&status=active&intent=order")
    assert set(counted(told.body)) == {"two", "none", "ward", "expired", "never"}


async def test_nobody_sees_by_it_what_they_do_not_see_otherwise(served: Writers) -> None:
    for sight in (patient_of("ben"), practitioner("ben"), system(patient="ben")):
        told = await served.ask(sight, "GET", URL)
        free = await served.ask(sight, "GET", "Patient/nobody/$current-medications")
        assert (told.status, counted(told.body), told.body["total"]) == (200, {}, 0)
        assert free.status == 200
        assert "entry" not in told.body
    assert (await served.ask(officer(), "GET", URL)).status in (200, 403)
    for granted in ("patient/Patient.rs", "patient/MedicationRequest.r", "patient/MedicationDispense.rs"):
        assert (await served.ask(patient_of("anna", granted=granted), "GET", URL)).status == 403
    # What is dispensed counts, whether the caller may see it or not.
    told = await served.ask(patient_of("anna", granted="patient/MedicationRequest.rs"), "GET", URL)
    assert counted(told.body) == {"two": 2, "none": 0, "ward": 0}
    assert (await served.ask(ANNA, "GET", f"{URL}?x=1")).status == 400
    assert (await served.ask(ANNA, "GET", "Patient/a_b/$current-medications")).status == 400


async def test_hidden_orders_are_left_out(served: Writers) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    await served.stored(order("two", 3) | {"meta": {"security": [label]}})
    assert set(counted((await served.ask(practitioner("anna"), "GET", URL)).body)) == {"none", "ward"}
    assert set(counted((await served.ask(ANNA, "GET", URL)).body)) == {"two", "none", "ward"}


async def test_it_is_called_over_http_and_in_a_batch(mongodb_uri: str, database_name: str) -> None:
    access = AccessContext("a", "app", "patient", scopes("patient/*.cruds"), patient="anna", patients=("anna",))
    admin = AccessContext("root", "console", "admin", scopes("user/*.cruds"))
    async with guarded(mongodb_uri, database_name, {"anna": access, "root": admin}) as client:
        for each in ({"resourceType": "Patient", "id": "anna"}, order("m", 2), dispense("m", "d")):
            put = await client.put(f"{each['resourceType']}/{each['id']}", json=each, headers=as_bearer("root"))
            assert put.status_code == 201, put.text
        task = await client.post("Task", json=refill("m"), headers=as_bearer("anna"))
        assert (task.status_code, left(task.json())) == (201, 1)
        told = await client.get(URL, headers=as_bearer("anna"))
        assert (told.status_code, counted(told.json())) == (200, {"m": 1})
        assert (await client.post(URL, headers=as_bearer("anna"))).status_code == 200
        assert (await client.get(URL)).status_code == 401
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": URL}}]}
        answered = (await client.post("", json=bundle, headers=as_bearer("anna"))).json()["entry"][0]
        assert counted(answered["resource"]) == {"m": 1}
        again = await client.post("Task", json=refill("m"), headers=as_bearer("anna"))
        issue = again.json()["issue"][0]
        assert (again.status_code, issue["code"], issue["details"]["coding"][1]["code"]) == (
            422,
            "business-rule",
            "refill-open",
        )
