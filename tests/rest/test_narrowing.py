"""What a caller cannot see it cannot find, count, order, include or time: every way to read, by every kind of caller.

https://hl7.org/fhir/R4/security.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from fhir_server.interactions import history, read, search, vread
from fhir_server.interactions.context import RequestContext
from tests.rest.bundles import next_link
from tests.rest.in_process import joined, put
from tests.rest.narrowing import (
    A_OBSERVATIONS,
    found,
    get,
    of_patient,
    practitioner,
    records,
    refused,
)


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = "test_narrowing"
    async with records(mongodb_uri, name) as context:
        yield context
        await context.server.database.client.drop_database(name)


OF_B = [
    "Patient/b",
    "Observation/b-laboratory",
    "Observation/moved",
    "Observation/deleted",
    "Observation/nobody",
    "Group/both",
    "Observation/never-there",
]


@pytest.mark.parametrize("place", OF_B)
@pytest.mark.parametrize("rest", ["", "/_history"])
async def test_what_is_not_the_callers_looks_like_what_never_was(
    context: RequestContext, place: str, rest: str
) -> None:
    type, _, id = place.partition("/")
    caller = of_patient(context, "c")
    status, words = await refused(caller, place + rest)
    assert (status, words) == ("404", f"There is no {type} with id '{id}'.")
    version = await refused(caller, f"{place}/_history/1")
    assert version == ("404", f"There is no version '1' of {type}/{id}.")


async def test_a_deletion_is_told_to_its_owner_alone(context: RequestContext) -> None:
    status, _ = await refused(of_patient(context, "b"), "Observation/deleted")
    assert status == "410"
    assert (await refused(of_patient(context, "a"), "Observation/deleted"))[0] == "404"
    versions = await get(of_patient(context, "b"), "Observation/deleted/_history")
    assert versions["total"] == 2


async def test_each_sees_its_own_versions_of_a_record_that_was_moved(context: RequestContext) -> None:
    of_a, of_b = of_patient(context, "a"), of_patient(context, "b")
    assert (await get(of_a, "Observation/moved/_history/1"))["valueString"] == "first of a"
    assert (await refused(of_a, "Observation/moved/_history/2"))[0] == "404"
    assert (await refused(of_a, "Observation/moved"))[0] == "404"
    assert (await get(of_b, "Observation/moved"))["valueString"] == "then of b"
    assert (await refused(of_b, "Observation/moved/_history/1"))[0] == "404"
    for caller, told in ((of_a, "first of a"), (of_b, "then of b")):
        versions = await get(caller, "Observation/moved/_history")
        assert [entry["resource"]["valueString"] for entry in versions["entry"]] == [told]
        assert versions["total"] == 1


async def test_the_histories_of_a_type_and_of_all_hold_and_count_only_what_is_seen(context: RequestContext) -> None:
    caller = of_patient(context, "a")
    for url in ("Observation/_history", "_history"):
        bundle = await get(caller, f"{url}?_count=1000")
        text = msgspec.json.encode(bundle).decode()
        assert "first of a" in text and "of b" not in text and "Family-b" not in text and "Group/both" not in text
        counted = await get(caller, f"{url}?_count=0")
        assert counted["total"] == len(bundle["entry"])
    of_b = await get(of_patient(context, "b"), "Observation/_history?_count=1000")
    methods = [entry["request"]["method"] for entry in of_b["entry"] if "deleted" in entry["fullUrl"]]
    assert methods == ["DELETE", "PUT"]


async def test_the_pages_of_a_history_lead_through_the_callers_own_alone(context: RequestContext) -> None:
    caller = of_patient(context, "b")
    whole = await get(caller, "_history?_count=1000")
    paged: list[str] = []
    following: str | None = "_history?_count=2"
    while following:
        bundle = await get(caller, following)
        paged += [entry["fullUrl"] + entry["response"]["etag"] for entry in bundle["entry"]]
        following = next_link(bundle)
    assert paged == [entry["fullUrl"] + entry["response"]["etag"] for entry in whole["entry"]]


SEARCHES = {
    "Observation": A_OBSERVATIONS,
    "Observation?code=8302-2": A_OBSERVATIONS,
    "Observation?patient=a": A_OBSERVATIONS,
    "Observation?patient=b": set(),
    "Observation?patient=a,b": A_OBSERVATIONS,
    "Observation?subject=Group/both": set(),
    "Observation?subject=b": set(),
    "Observation?subject=a": A_OBSERVATIONS,
    "Observation?_id=b-laboratory,a-laboratory,nobody": {"Observation/a-laboratory"},
    "Observation?_id=deleted": set(),
    "Observation?category:not=laboratory": A_OBSERVATIONS - {"Observation/a-laboratory"},
    "Observation?category:missing=true": {"Observation/a-restricted"},
    "Observation?date=ge2020-01-01": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Observation?_lastUpdated=gt2020-01-01": A_OBSERVATIONS,
    "Observation?_sort=-_lastUpdated": A_OBSERVATIONS,
    "Observation?_sort=code": A_OBSERVATIONS,
    "Observation?_sort=date&_count=1": A_OBSERVATIONS,
    "Observation?_sort=_id&_count=1": A_OBSERVATIONS,
    "Observation?_count=1": A_OBSERVATIONS,
    "Observation?_content=told": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Observation?value-string=told": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Observation?_filter=code eq 8302-2 or status eq final": A_OBSERVATIONS,
    "Observation?_filter=not (category eq laboratory)": A_OBSERVATIONS - {"Observation/a-laboratory"},
    "Observation?patient.name=family-b": set(),
    "Observation?patient.name=family-a": A_OBSERVATIONS,
    "Observation?subject:Patient.name=family-b": set(),
    "Observation?performer:Practitioner.name=healer": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Observation?_list=a-list": {"Observation/a-laboratory"},
    "Patient": {"Patient/a"},
    "Patient?name=family": {"Patient/a"},
    "Patient?gender=female&_sort=name": {"Patient/a"},
    "Patient?_has:Observation:patient:_id=b-laboratory": set(),
    "Patient?_has:Observation:patient:code=8302-2": {"Patient/a"},
    "Practitioner?_has:Observation:performer:_id=b-laboratory": set(),
    "Practitioner?_has:Observation:performer:_id=a-laboratory": {"Practitioner/dr"},
    "Appointment": {"Appointment/visit"},
    "Appointment?patient.name=family-b": set(),
    "Group": set(),
    "Organization": {"Organization/org"},
    "Patient/b/Observation": set(),
    "Patient/a/Observation": A_OBSERVATIONS,
    "Patient/b/*": {"Appointment/visit"},
    "Practitioner/dr/Observation": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Medication?_contained=true": {"MedicationRequest/a-order"},
    "Medication?_contained=both": {"MedicationRequest/a-order", "Medication/pill"},
    "?_type=Observation,Patient": A_OBSERVATIONS | {"Patient/a"},
    "?_type=Observation,Patient&_count=1": A_OBSERVATIONS | {"Patient/a"},
}


@pytest.mark.parametrize("url", SEARCHES)
async def test_a_search_finds_the_callers_own_and_nothing_else(context: RequestContext, url: str) -> None:
    caller = of_patient(context, "a")
    assert await found(caller, url) == SEARCHES[url]


COUNTED = [url for url in SEARCHES if "_count" not in url]


@pytest.mark.parametrize("url", COUNTED)
async def test_every_total_counts_the_callers_own_alone(context: RequestContext, url: str) -> None:
    caller, expected = of_patient(context, "a"), len(SEARCHES[url])
    joint = "&" if "?" in url else "?"
    for mode in ("_total=accurate&_count=1", "_total=estimate&_count=1", "_summary=count", "_count=0"):
        bundle = await get(caller, f"{url}{joint}{mode}")
        assert bundle.get("total") == expected, mode


@pytest.mark.parametrize("url", ["Observation?patient.name=family", "Patient?_has:Observation:patient:status=final"])
async def test_links_that_are_checked_row_by_row_are_narrowed_too(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    joined(monkeypatch)
    caller = of_patient(context, "a")
    expected = A_OBSERVATIONS if url.startswith("Observation") else {"Patient/a"}
    assert await found(caller, f"{url}&_count=1") == expected
    assert (await get(caller, f"{url}&_summary=count"))["total"] == len(expected)
    related = practitioner(context, "a")
    assert await found(related, f"{url}&_count=1") == expected - {"Observation/a-restricted"}


async def test_everything_on_the_server_found_by_a_patient_is_its_own_or_shared(context: RequestContext) -> None:
    own = A_OBSERVATIONS | {"Patient/a", "List/a-list", "MedicationRequest/a-order", "Appointment/visit"}
    shared = {"Practitioner/dr", "Organization/org", "Medication/pill"}
    assert await found(of_patient(context, "a"), "?_count=3") == own | shared


async def test_a_list_of_another_patient_looks_like_one_that_is_not_there(context: RequestContext) -> None:
    caller = of_patient(context, "a")
    theirs = await refused(caller, "Observation?_list=b-list")
    assert theirs == await refused(caller, "Observation?_list=never")
    assert theirs[0] == "400"


INCLUDES = {
    "Observation?_include=Observation:patient": {"Patient/a"},
    "Observation?_include=Observation:performer": {"Practitioner/dr"},
    "Observation?_include=*": {"Patient/a", "Practitioner/dr"},
    "Appointment?_include=Appointment:patient": {"Patient/a"},
    "Practitioner?_revinclude=Observation:performer": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "Practitioner?_revinclude=*": {"Observation/a-laboratory", "Observation/a-vital-signs"},
    "List?_include=List:item": {"Observation/a-laboratory"},
    "Appointment?_include=Appointment:patient&_revinclude:iterate=Observation:patient": A_OBSERVATIONS | {"Patient/a"},
}


@pytest.mark.parametrize("url", INCLUDES)
async def test_includes_bring_the_callers_own_and_nothing_else(context: RequestContext, url: str) -> None:
    assert await found(of_patient(context, "a"), url, "include") == INCLUDES[url]


async def test_types_that_were_not_granted_are_left_out_of_includes(context: RequestContext) -> None:
    caller = of_patient(context, "a", "patient/Observation.rs")
    assert await found(caller, "Observation?_include=*&_revinclude=*", "include") == set()
    reading = of_patient(context, "a", "patient/Observation.rs", "patient/Practitioner.r")
    assert await found(reading, "Observation?_include=*", "include") == {"Practitioner/dr"}


async def test_what_is_read_is_noted_with_whose_it_is(context: RequestContext) -> None:
    caller = of_patient(context, "a")
    await read.read(caller, "Observation", "a-laboratory")
    await vread.vread(caller, "Observation", "moved", "1")
    await history.of_instance(caller, "Observation", "moved", ())
    await search.search(caller, "Appointment", [("patient", "a"), ("_include", "Appointment:patient")])
    await search.search(caller, "Practitioner", [("name", "Healer & Co"), ("_summary", "count")])
    noted = [(each.action, each.interaction, each.places, each.patients) for each in caller.trail.accesses]
    assert noted[:3] == [
        ("R", "read", ("Observation/a-laboratory",), ("a",)),
        ("R", "vread", ("Observation/moved/_history/1",), ("a",)),
        ("R", "history-instance", ("Observation/moved/_history/1",), ("a",)),
    ]
    action, interaction, reached, patients = noted[3]
    assert (action, interaction, set(reached)) == ("E", "search-type", {"Appointment/visit", "Patient/a"})
    # Both take part in the appointment.
    assert set(patients) == {"a", "b"}
    assert caller.trail.accesses[4].query == "Practitioner?name=Healer+%26+Co&_summary=count"
    assert caller.trail.accesses[4].places == ()


async def test_nothing_is_noted_where_nobody_signs_in(context: RequestContext) -> None:
    await read.read(context, "Observation", "a-laboratory")
    await search.search(context, "Observation", [])
    assert context.trail.accesses == []


async def test_every_page_notes_what_it_shows(context: RequestContext) -> None:
    for url in ("?_count=2", "Medication?_contained=true&_count=1", "Observation?_count=2"):
        caller = of_patient(context, "a")
        shown = await found(caller, url)
        noted = {place for each in caller.trail.accesses for place in each.places}
        assert noted == shown


async def test_who_signed_a_record_is_seen_by_whose_record_it_is(context: RequestContext) -> None:
    for id in "ab":
        signed = {
            "resourceType": "Provenance",
            "id": f"{id}-signed",
            "target": [{"reference": f"Observation/{id}-laboratory/_history/1"}],
            "recorded": "2024-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/dr"}}],
        }
        await put(context, signed)
    caller = of_patient(context, "a")
    assert await found(caller, "Provenance") == {"Provenance/a-signed"}
    assert await found(caller, "Observation?_revinclude=Provenance:target", "include") == {"Provenance/a-signed"}
    assert (await refused(caller, "Provenance/b-signed"))[0] == "404"
    assert await found(practitioner(context, "b"), "Provenance?target=Observation/b-laboratory") == {
        "Provenance/b-signed"
    }
