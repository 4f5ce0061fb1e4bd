"""Patient/$everything hands out what of a record its caller may see: all of it once, and no more.

https://hl7.org/fhir/R4/operation-patient-everything.html
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio

from fhir_server.core.reference import parse_reference
from fhir_server.interactions import delete
from fhir_server.interactions.bundle_references import references
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from tests.rest.bundles import next_link, places
from tests.rest.charts import bundle, caller, chart, charts, clinician, parent, patient, refused, system
from tests.rest.in_process import put

EVERYTHING = "Patient/anna/$everything"
OF_ANNA = {f"{each['resourceType']}/{each['id']}" for each in chart("anna")}
SHARED = {"Practitioner/dr", "PractitionerRole/role", "Organization/house", "Location/clinic", "Medication/salbutamol"}


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with charts(mongodb_uri, "test_everything") as context:
        yield context


async def pages(context: RequestContext, sight: Sight | None, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
    found = [await bundle(context, sight, EVERYTHING, *pairs)]
    while following := next_link(found[-1]):
        found.append(await bundle(context, sight, EVERYTHING, *parse_qsl(urlsplit(following).query)))
    return found


async def test_a_patient_gets_the_whole_record_first_themselves_with_all_it_refers_to(context: RequestContext) -> None:
    found = await bundle(context, patient(), EVERYTHING)
    assert places(found)[0] == "Patient/anna"
    assert set(places(found)) == OF_ANNA
    assert found["total"] == len(OF_ANNA)
    assert set(places(found, "include")) == SHARED
    there = set(places(found)) | set(places(found, "include"))
    for entry in found["entry"]:
        for text in references(entry["resource"]):
            named = parse_reference(text)
            assert named is None or named.local in there, text


async def test_pages_hold_each_resource_once_whatever_their_size(context: RequestContext) -> None:
    for count in (1, 3, 7, 1000):
        found = await pages(context, patient(), ("_count", str(count)))
        together = [place for page in found for place in places(page)]
        assert sorted(together) == sorted(OF_ANNA), count
        assert all(len(places(page)) <= count for page in found)
        assert [page.get("total") for page in found] == [len(OF_ANNA)] + [None] * (len(found) - 1)


async def test_a_resource_deleted_between_pages_does_no_harm(context: RequestContext) -> None:
    extra = chart("anna")[1] | {"id": "anna-gone"}
    await put(context, extra)
    first = await bundle(context, patient(), EVERYTHING, ("_count", "1"))
    await delete.delete(context, "AllergyIntolerance", "anna-gone")
    together = places(first)
    while following := next_link(first):
        first = await bundle(context, patient(), EVERYTHING, *parse_qsl(urlsplit(following).query))
        together += places(first)
    assert OF_ANNA <= set(together) <= OF_ANNA | {"AllergyIntolerance/anna-gone"}
    assert len(together) == len(set(together))


async def test_what_one_asks_for_is_left_of_it(context: RequestContext) -> None:
    labs = {"Observation/anna-glucose", "Observation/anna-teen", "Observation/anna-secret"}
    found = await bundle(context, patient(), EVERYTHING, ("_type", "Observation"), ("start", "2024-01-01"))
    assert labs <= set(places(found)) and "Observation/anna-glucose-then" not in places(found)
    assert places(found, "include") == []
    then = await bundle(context, patient(), EVERYTHING, ("end", "2018-12-31"))
    assert "Condition/anna-cold" in places(then) and "Condition/anna-asthma" not in places(then)
    # What has no date is of all times.
    assert {"Patient/anna", "AllergyIntolerance/anna-peanut"} <= set(places(then))
    assert await pages(context, patient(), ("_since", "2999-01-01T00:00:00Z"))
    assert places(await bundle(context, patient(), EVERYTHING, ("_since", "2999-01-01T00:00:00Z"))) == []
    several = await bundle(context, patient(), EVERYTHING, ("_type", "Patient,Procedure"), ("_type", "Medication"))
    assert set(places(several)) == {"Patient/anna", "Procedure/anna-spirometry"}


async def test_what_care_of_a_time_refers_to_comes_along(context: RequestContext) -> None:
    found = await bundle(context, patient(), EVERYTHING, ("start", "2019-01-01"), ("end", "2019-12-31"))
    assert "Condition/anna-asthma" in places(found) and "Encounter/anna-visit" not in places(found)
    assert "Encounter/anna-visit" in places(found, "include")


async def test_since_the_moment_of_an_answer_nothing_is_missed(context: RequestContext) -> None:
    found = await bundle(context, patient(), EVERYTHING)
    await put(context, chart("anna")[1] | {"criticality": "high"})
    later = await bundle(context, patient(), EVERYTHING, ("_since", found["meta"]["lastUpdated"]))
    assert "AllergyIntolerance/anna-peanut" in places(later)


async def test_a_patient_of_others_looks_like_one_that_is_not_there(context: RequestContext) -> None:
    for sight in (patient("ben"), clinician("ben"), caller("patient", "user/*.rs", patients=())):
        error = await refused(context, sight, EVERYTHING)
        assert (error.status, error.issues[0].text) == (404, "There is no Patient with id 'anna'.")
    never = await refused(context, patient(), "Patient/never/$everything")
    assert (never.status, never.issues[0].text) == (404, "There is no Patient with id 'never'.")


async def test_without_an_id_it_is_the_patient_in_context(context: RequestContext) -> None:
    found = await bundle(context, patient(), "Patient/$everything")
    assert set(places(found)) == OF_ANNA
    assert (await refused(context, system(), "Patient/$everything")).status == 400


async def test_a_parent_is_not_handed_what_a_teenager_has_to_themselves(context: RequestContext) -> None:
    found = set(places(await bundle(context, parent(), EVERYTHING)))
    assert OF_ANNA - found == {"Observation/anna-teen"}


async def test_a_clinician_gets_neither_restricted_rows_nor_messages_of_others(context: RequestContext) -> None:
    found = set(places(await bundle(context, clinician("anna"), EVERYTHING)))
    assert OF_ANNA - found == {"Observation/anna-secret", "Communication/anna-message"}
    taking_part = clinician("anna", places=("Practitioner/dr",))
    assert "Communication/anna-message" in places(await bundle(context, taking_part, EVERYTHING))


async def test_a_granular_scope_holds_for_every_row(context: RequestContext) -> None:
    laboratory = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    sight = patient("anna", "patient/Patient.rs", f"patient/Observation.rs?category={laboratory}")
    found = await bundle(context, sight, EVERYTHING)
    names = ("glucose", "glucose-then", "teen", "secret")
    assert set(places(found)) == {"Patient/anna"} | {f"Observation/anna-{name}" for name in names}
    assert found["total"] == 5
    # Nothing that the scopes do not cover comes in by being referred to.
    assert places(found, "include") == []


async def test_a_system_client_gets_all_but_what_is_restricted(context: RequestContext) -> None:
    assert OF_ANNA - set(places(await bundle(context, system(), EVERYTHING))) == {"Observation/anna-secret"}
    emergency = await bundle(context, system(purposes=("ETREAT",)), EVERYTHING)
    assert set(places(emergency)) == OF_ANNA


async def test_a_sign_in_of_level_one_and_a_token_without_patients_are_refused(context: RequestContext) -> None:
    assert (await refused(context, patient("anna", acr="level1"), EVERYTHING)).status == 403
    assert (await refused(context, patient("anna", "patient/Observation.rs"), EVERYTHING)).status == 403
    assert (await refused(context, caller("officer", "user/*.rs"), EVERYTHING)).status in (403, 404)


@pytest.mark.parametrize(
    "pair",
    [
        ("_count", "0"),
        ("_count", "-1"),
        ("_type", "Nothing"),
        ("_since", "2024"),
        ("start", "soon"),
        ("_cursor", "x"),
        ("_elements", "id"),
    ],
)
async def test_a_value_that_cannot_be_used_is_named(context: RequestContext, pair: tuple[str, str]) -> None:
    error = await refused(context, patient(), EVERYTHING, pair)
    assert error.status == 400
    assert error.issues[0].expression == pair[0]


async def test_a_page_link_opens_for_nobody_else_and_stands_alone(context: RequestContext) -> None:
    first = await bundle(context, system(), EVERYTHING, ("_count", "2"))
    (cursor,) = parse_qsl(urlsplit(next_link(first) or "").query)
    assert (await refused(context, patient(), EVERYTHING, cursor)).status == 400
    assert (await refused(context, system(), "Patient/ben/$everything", cursor)).status == 400
    assert (await refused(context, system(), EVERYTHING, cursor, ("_count", "9"))).status == 400
    assert (await bundle(context, system(), EVERYTHING, cursor))["entry"]


async def test_large_documents_end_a_page_early_and_none_is_lost(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.interactions.patient_record.MAX_BYTES", 3_000)
    found = await pages(context, patient())
    assert len(found) > 2
    assert sorted(place for page in found for place in places(page)) == sorted(OF_ANNA)
