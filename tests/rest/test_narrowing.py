"""What a caller cannot see it cannot find, count, order, include or time: every way to read, by every kind of caller.

https://hl7.org/fhir/R4/security.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.trail import Trail
from fhir_server.interactions import batch, delete, history, read, search, vread
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.reading import Reading
from fhir_server.policy import Sight
from fhir_server.search.parse import parse
from fhir_server.search.request import Reach, Visible
from fhir_server.store import history as stored_history
from fhir_server.store import mongo
from fhir_server.store.explain import explain
from smart_auth.access import AccessContext, ResourceScope
from tests.rest.bundles import next_link, places
from tests.rest.conftest import observation, patient
from tests.rest.in_process import BASE, joined, opened, put, recorded

CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY, VITALS = f"{CATEGORIES}|laboratory", f"{CATEGORIES}|vital-signs"


def category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": CATEGORIES, "code": code}]}]


def scope(text: str) -> ResourceScope:
    place, _, query = text.partition("?")
    level, _, rest = place.partition("/")
    type, _, letters = rest.partition(".")
    filters = tuple((name, value) for name, _, value in (each.partition("=") for each in query.split("&") if each))
    return ResourceScope(level, type, frozenset(letters), filters)  # type: ignore[arg-type]


def seen_by(
    context: RequestContext, kind: str, *scopes: str, related: tuple[str, ...] = (), **more: Any
) -> RequestContext:
    access = AccessContext(more.pop("subject", kind), "app", kind, tuple(map(scope, scopes)), **more)  # type: ignore[arg-type]
    return structs.replace(context, sight=Sight(access, frozenset(related)), trail=Trail())


def of_patient(context: RequestContext, id: str, *scopes: str) -> RequestContext:
    return seen_by(context, "patient", *(scopes or ("patient/*.rs",)), patient=id, patients=(id,), subject=id)


def practitioner(context: RequestContext, *related: str, **more: Any) -> RequestContext:
    return seen_by(context, "practitioner", "user/*.rs", related=related, **more)


def body(answer: Answer) -> dict[str, Any]:
    assert answer.body is not None
    decoded: dict[str, Any] = msgspec.json.decode(answer.body)
    return decoded


async def get(context: RequestContext, url: str) -> dict[str, Any]:
    """The answer to a GET below the base: a read, a vread, a history or a search, in any of their places."""
    path, _, query = url.removeprefix(BASE).lstrip("/").replace(" ", "%20").partition("?")
    entry = {"request": {"method": "GET", "url": path + (f"?{query}" if query else "")}}
    answer = body(await batch.batch(context, {"resourceType": "Bundle", "type": "batch", "entry": [entry]}))
    response = answer["entry"][0]
    if "resource" in response:
        found: dict[str, Any] = response["resource"]
        return found
    return {"status": response["response"]["status"], "outcome": response["response"].get("outcome")}


async def found(context: RequestContext, url: str, mode: str = "match") -> set[str]:
    """The places of the entries of a mode on all pages."""
    together: set[str] = set()
    following: str | None = url
    while following:
        bundle = await get(context, following)
        assert bundle.get("resourceType") == "Bundle", bundle
        together |= set(places(bundle, mode))
        following = next_link(bundle)
    return together


async def refused(context: RequestContext, url: str) -> tuple[str, str]:
    """Status and words of a refusal."""
    answer = await get(context, url)
    assert "status" in answer, answer
    return answer["status"], answer["outcome"]["issue"][0]["details"]["text"]


@asynccontextmanager
async def records(uri: str, name: str) -> AsyncIterator[RequestContext]:
    """The records of two patients, a and b, and what belongs to neither."""
    async with opened(uri, name) as context:
        shared: list[dict[str, Any]] = [
            {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Healer"}]},
            {"resourceType": "Organization", "id": "org", "name": "House"},
            {"resourceType": "Organization", "id": "secret", "name": "House", "meta": {"security": [restricted()]}},
            {"resourceType": "Group", "id": "both", "type": "person", "actual": True},
            {"resourceType": "Medication", "id": "pill", "status": "active"},
        ]
        for each in shared:
            await put(context, each)
        for id in "ab":
            await put(context, patient(id=id, name=[{"family": f"Family-{id}"}], gender="female"))
            for number, code in enumerate(("laboratory", "vital-signs")):
                date = f"2024-01-0{number + 1}"
                content = {"category": category(code), "effectiveDateTime": date, "valueString": f"told of {id}"}
                await put(
                    context, observation(id, id=f"{id}-{code}", performer=[{"reference": "Practitioner/dr"}], **content)
                )
            held = {"resourceType": "Medication", "id": "m", "status": "active", "code": {"text": f"Held-{id}"}}
            order = {
                "resourceType": "MedicationRequest",
                "id": f"{id}-order",
                "status": "active",
                "intent": "order",
                "subject": {"reference": f"Patient/{id}"},
                "contained": [held],
                "medicationReference": {"reference": "#m"},
            }
            await put(context, order)
            entries = [{"item": {"reference": f"Observation/{each}-laboratory"}} for each in "ab"]
            await put(
                context,
                {
                    "resourceType": "List",
                    "id": f"{id}-list",
                    "status": "current",
                    "mode": "working",
                    "subject": {"reference": f"Patient/{id}"},
                    "entry": entries,
                },
            )
        await put(context, observation("a", id="a-restricted", meta={"security": [restricted()]}))
        await put(context, observation("a", id="nobody", subject={"reference": "Group/both"}))
        actors = [{"actor": {"reference": f"Patient/{id}"}, "status": "accepted"} for id in "ab"]
        await put(context, {"resourceType": "Appointment", "id": "visit", "status": "booked", "participant": actors})
        # It was a's and is b's now.
        await put(context, observation("a", id="moved", valueString="first of a"))
        await put(context, observation("b", id="moved", valueString="then of b"))
        await put(context, observation("b", id="deleted"))
        await delete.delete(context, "Observation", "deleted")
        yield context


def restricted() -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = "test_narrowing"
    async with records(mongodb_uri, name) as context:
        yield context
        await context.server.database.client.drop_database(name)


A_OBSERVATIONS = {"Observation/a-laboratory", "Observation/a-vital-signs", "Observation/a-restricted"}
B_OBSERVATIONS = {"Observation/b-laboratory", "Observation/b-vital-signs", "Observation/moved"}

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


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("Condition", "Condition"),
        ("Condition/x", "Condition"),
        ("Condition/x/_history", "Condition"),
        ("Condition/x/_history/1", "Condition"),
        ("Condition/_history", "Condition"),
        ("Condition?_summary=count", "Condition"),
        ("Patient/a/Condition", "Condition"),
        ("?_type=Observation,Condition", "Condition"),
        ("Observation?patient.name=x", "Patient"),
        ("Observation?subject:Patient.name=x", "Patient"),
        ("Observation?subject.name=x", "Patient"),
        ("Observation?patient._has:Condition:patient:code=x", "Patient"),
        ("Observation?_has:DiagnosticReport:result:status=final", "DiagnosticReport"),
        ("Observation?_filter=patient.name eq x", "Patient"),
        ("Observation?_list=a-list", "List"),
        ("Observation?code:in=http://example.org/vs", "ValueSet"),
        ("Medication?_contained=true", "Medication"),
    ],
)
async def test_a_type_that_was_not_granted_is_refused_by_its_name(
    context: RequestContext, url: str, named: str
) -> None:
    caller = of_patient(context, "a", "patient/Observation.rs")
    status, words = await refused(caller, url)
    assert status == "403"
    assert named in words


async def test_a_chain_to_several_types_goes_to_those_that_were_granted(context: RequestContext) -> None:
    caller = of_patient(context, "a", "patient/Observation.rs", "patient/Patient.s")
    assert await found(caller, "Observation?subject.name=family-a") == A_OBSERVATIONS


async def test_reading_and_searching_are_granted_apart(context: RequestContext) -> None:
    reader, searcher = (of_patient(context, "a", f"patient/Observation.{letter}") for letter in "rs")
    assert (await get(reader, "Observation/a-laboratory"))["id"] == "a-laboratory"
    assert (await refused(reader, "Observation"))[0] == "403"
    assert (await refused(reader, "Observation/_history"))[0] == "403"
    assert (await refused(searcher, "Observation/a-laboratory"))[0] == "403"
    assert (await refused(searcher, "Observation/a-laboratory/_history"))[0] == "403"
    assert await found(searcher, "Observation") == A_OBSERVATIONS


async def test_a_search_of_the_system_leaves_out_what_was_not_granted(context: RequestContext) -> None:
    caller = of_patient(context, "a", "patient/Patient.s", "patient/Organization.s")
    assert await found(caller, "?_count=50") == {"Patient/a", "Organization/org"}
    assert (await refused(of_patient(context, "a", "patient/Patient.r"), "?_count=50"))[0] == "403"


async def test_a_granular_scope_holds_everywhere(context: RequestContext) -> None:
    caller = of_patient(context, "a", f"patient/Observation.rs?category={LABORATORY}", "patient/Patient.rs")
    only = {"Observation/a-laboratory"}
    assert await found(caller, "Observation") == only
    assert await found(caller, "Observation?category=vital-signs") == set()
    assert await found(caller, "Observation?code=8302-2&_sort=-_lastUpdated") == only
    assert await found(caller, "Observation?_id=a-vital-signs,a-laboratory") == only
    assert await found(caller, "Patient?_revinclude=Observation:patient", "include") == only
    assert await found(caller, "Patient?_has:Observation:patient:category=vital-signs") == set()
    assert (await refused(caller, "Observation/a-vital-signs"))[0] == "404"
    assert (await refused(caller, "Observation/moved/_history/1"))[0] == "404"
    assert (await get(caller, "Observation/a-laboratory/_history"))["total"] == 1
    assert (await get(caller, "Observation?_summary=count"))["total"] == 1
    assert (await get(caller, "Observation/_history?_count=0"))["total"] == 1


async def test_two_granular_scopes_show_the_rows_of_both(context: RequestContext) -> None:
    granular = tuple(f"patient/Observation.rs?category={each}" for each in (LABORATORY, VITALS))
    assert await found(of_patient(context, "a", *granular), "Observation?_count=1") == {
        "Observation/a-laboratory",
        "Observation/a-vital-signs",
    }


async def test_a_practitioner_finds_related_patients_and_nothing_restricted(context: RequestContext) -> None:
    caller = practitioner(context, "a")
    assert await found(caller, "Observation") == {"Observation/a-laboratory", "Observation/a-vital-signs"}
    assert await found(caller, "Observation?patient=a") == {"Observation/a-laboratory", "Observation/a-vital-signs"}
    assert await found(caller, "Observation?patient=b") == set()
    assert await found(caller, "Organization") == {"Organization/org"}
    assert (await refused(caller, "Organization/secret"))[0] == "404"
    assert (await refused(caller, "Observation/a-restricted"))[0] == "404"
    assert (await refused(caller, "Group/both"))[0] == "404"
    assert await found(practitioner(context, "a", "b"), "Patient?name=family&_sort=name") == {"Patient/a", "Patient/b"}


async def test_a_practitioner_of_very_many_patients_sees_just_those(context: RequestContext) -> None:
    many = practitioner(context, "a", *(f"other-{number}" for number in range(1000)))
    assert await found(many, "Observation?_count=1") == {"Observation/a-laboratory", "Observation/a-vital-signs"}
    assert await found(many, "Observation?code=8302-2&date=ge2020-01-01") == {
        "Observation/a-laboratory",
        "Observation/a-vital-signs",
    }
    assert await found(many, "Observation?patient=b") == set()
    assert await found(many, "Patient?name=family") == {"Patient/a"}
    assert (await get(many, "Observation?_summary=count"))["total"] == 2
    assert (await get(many, "Observation/_history?_count=0"))["total"] == 3
    assert (await refused(many, "Observation/b-laboratory"))[0] == "404"


async def test_the_glass_is_broken_for_one_patient(context: RequestContext) -> None:
    caller = practitioner(context, "b", patient="a", emergency=True)
    assert await found(caller, "Observation") == A_OBSERVATIONS | B_OBSERVATIONS
    assert await found(caller, "Organization") == {"Organization/org"}


async def test_a_system_client_sees_nobodys_rows_but_nothing_restricted(context: RequestContext) -> None:
    caller = seen_by(context, "system", "system/*.rs")
    everything = A_OBSERVATIONS | B_OBSERVATIONS | {"Observation/nobody"}
    assert await found(caller, "Observation") == everything - {"Observation/a-restricted"}
    assert (await refused(caller, "Observation/a-restricted"))[0] == "404"
    assert await found(caller, "Group") == {"Group/both"}
    emergency = seen_by(context, "system", "system/*.rs", purposes=("ETREAT",))
    assert await found(emergency, "Observation") == everything
    alone = seen_by(context, "system", "system/*.rs", patient="b")
    assert await found(alone, "Observation") == B_OBSERVATIONS
    assert await found(alone, "Group") == set()


async def test_an_officer_finds_no_record(context: RequestContext) -> None:
    caller = seen_by(context, "officer", "user/*.rs")
    assert await found(caller, "?_count=50") == set()
    assert (await refused(caller, "Patient/a"))[0] == "404"
    assert (await get(caller, "_history?_count=0"))["total"] == 0


@pytest.mark.parametrize(
    "url", ["Observation?_count=1", "Observation/_history?_count=1", "?_count=1", "_history?_count=1"]
)
async def test_a_page_link_opens_for_its_caller_alone(context: RequestContext, url: str) -> None:
    link = next_link(await get(of_patient(context, "a"), url))
    assert link is not None
    assert (await refused(of_patient(context, "b"), link))[0] == "400"
    other_launch = structs.replace(
        of_patient(context, "a"), sight=seen_by(context, "patient", "patient/*.rs", patient="b", subject="a").sight
    )
    assert (await refused(other_launch, link))[0] == "400"
    assert (await refused(context, link))[0] == "400"


async def test_a_page_link_shows_no_more_than_the_token_that_opens_it(context: RequestContext) -> None:
    link = next_link(await get(of_patient(context, "a"), "Observation?_count=1"))
    assert link is not None
    narrower = of_patient(context, "a", f"patient/Observation.rs?category={LABORATORY}")
    assert await found(narrower, link) <= {"Observation/a-laboratory"}
    held = next_link(
        await get(of_patient(context, "a"), "Medication?_contained=both&_containedType=contained&_count=1")
    )
    if held is not None:
        assert await found(of_patient(context, "a", "patient/Medication.s"), held) <= {"Medication/pill"}


@pytest.mark.parametrize("kind", ["patient", "practitioner", "officer", "system"])
async def test_how_a_search_is_run_is_told_to_administrators_alone(context: RequestContext, kind: str) -> None:
    level = "system" if kind == "system" else "user"
    caller = seen_by(context, kind, f"{level}/*.rs", patients=("a",))
    for url in (
        "Observation?__explain=true",
        "?_type=Observation&__explain=true",
        "Patient/a/Observation?__explain=true",
    ):
        assert (await refused(caller, url))[0] == "403"
    admin = seen_by(context, "admin", "user/*.rs")
    assert (await get(admin, "Observation?__explain=true"))["resourceType"] == "Parameters"


async def test_a_code_of_a_value_set_is_asked_for_by_who_may_read_value_sets(context: RequestContext) -> None:
    url = "Observation?status:in=http://hl7.org/fhir/ValueSet/observation-status"
    assert await found(of_patient(context, "a"), url) == A_OBSERVATIONS
    assert (await refused(of_patient(context, "a", "patient/Observation.rs"), url))[0] == "403"


async def test_a_read_by_a_patient_is_one_query_with_one_more_equality(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    collection = context.server.database.collections["Observation"]
    find_one = collection.find_one

    async def noted(filter: dict[str, Any], *others: Any, **more: Any) -> Any:
        asked.append(filter)
        return await find_one(filter, *others, **more)

    monkeypatch.setattr(type(collection), "find_one", lambda _, *given, **more: noted(*given, **more))
    await read.read(of_patient(context, "a"), "Observation", "a-laboratory")
    assert asked == [{"_id": "a-laboratory", "owners": "a"}]


async def test_a_search_by_a_patient_is_one_query_led_by_its_own_rows(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = recorded(monkeypatch)
    await found(of_patient(context, "a"), "Observation?code=8302-2")
    (command,) = commands
    assert command["filter"] == {"pt": "a|code|8302-2|"}
    assert command["hint"] == "pt"


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


async def test_a_refused_search_tells_no_number_of_rows_that_are_not_the_callers(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.store.cost.SMALL", 0)
    monkeypatch.setattr("fhir_server.store.cost.BUDGET", 0)
    monkeypatch.setattr("fhir_server.search.cost.BUDGET", 0)
    many = practitioner(context, "a", *(f"other-{number}" for number in range(1000)))
    with pytest.raises(FhirError) as error:
        await search.search(many, "Observation", [("value-string:contains", "told")])
    words = error.value.issues[0].text
    assert "too many" in words
    assert not any(character in "123456789" for character in words)


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


OWN_ROWS = 60
LED = {
    # The query, and how many rows of a patient it finds.
    "Observation?_count=20": 20,
    "Observation?code=http://loinc.org|1&_count=50": 6,
    "Observation?code=http://loinc.org|1&date=ge2020-01-01&_count=50": 6,
    "Observation?category=laboratory&_count=20": 20,
    "Observation?date=ge2024-02-01&_count=20": 20,
    "Observation?patient={id}&code=http://loinc.org|1&_count=50": 6,
    "Observation?patient=p2&_count=50": 0,
    "Observation?code=http://loinc.org|1&_sort=-date&_count=50": 6,
    "Observation?_sort=-_lastUpdated&_count=20": 20,
    "Patient?name=family": 1,
}


@pytest_asyncio.fixture(scope="module")
async def crowded(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    """Three patients with OWN_ROWS observations each."""
    name = "test_narrowing_crowded"
    async with opened(mongodb_uri, name) as context:
        for id in ("p1", "p2", "p3"):
            await put(context, patient(id=id, name=[{"family": "Family"}]))
            for number in range(OWN_ROWS):
                code = {"coding": [{"system": "http://loinc.org", "code": str(number % 10)}]}
                date = f"2024-{number // 10 + 1:02}-{number % 10 + 1:02}"
                shown = {"category": category("laboratory"), "code": code, "effectiveDateTime": date}
                await put(context, observation(id, id=f"{id}-{number}", **shown))
        yield context
        await context.server.database.client.drop_database(name)


@pytest.mark.parametrize("url", LED)
@pytest.mark.parametrize("granular", [False, True])
async def test_a_patients_search_reads_its_own_rows_in_their_order(
    crowded: RequestContext, url: str, granular: bool
) -> None:
    scopes = ("patient/Patient.rs", f"patient/Observation.rs{f'?category={LABORATORY}' if granular else ''}")
    caller = of_patient(crowded, "p1", *scopes)
    type, _, query = url.replace("{id}", "p1").partition("?")
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    request = parse(type, pairs, False, caller.own_bases, caller.parameter_set)
    reading = Reading(caller, now())
    told = await explain(crowded.server.database, reading.plan(narrow(caller, request)))
    # One row more than the page tells whether another follows.
    assert told.returned in (LED[url], LED[url] + 1)
    assert told.keys <= 3 * max(told.returned, 1)
    assert told.documents <= max(told.returned, 1)
    assert not told.in_memory_sort


async def test_a_patients_history_reads_its_own_versions_alone(crowded: RequestContext) -> None:
    database = crowded.server.database
    await put(crowded, observation("p1", id="p1-0", valueString="changed"))
    await put(crowded, observation("p3", id="p3-0", valueString="changed"))
    commands: list[Any] = [
        {"aggregate": name, "pipeline": [{"$match": filter}], "cursor": {}}
        for name, filter in stored_history._selections("Observation", Visible((Reach(("p1",)),)))
    ]
    for command in commands:
        reply = await mongo.explained(database, command, True)
        stats = reply.get("executionStats") or reply["stages"][0]["$cursor"]["executionStats"]
        assert 0 < stats["totalDocsExamined"] <= OWN_ROWS
        assert stats["totalKeysExamined"] <= OWN_ROWS + 3


async def test_a_practitioner_of_10_000_patients_can_ask_for_everything(context: RequestContext) -> None:
    many = practitioner(context, "a", *(f"other-patient-with-a-long-id-{number:036}"[:64] for number in range(9_999)))
    own = {"Observation/a-laboratory", "Observation/a-vital-signs", "Patient/a", "List/a-list", "Appointment/visit"}
    shared = {"Practitioner/dr", "Organization/org", "Medication/pill"}
    assert own | shared <= await found(many, "?_count=50")
    listed = await get(many, "_history?_count=50")
    told = msgspec.json.encode(listed).decode()
    assert "first of a" in told and "of b" not in told
    assert (await get(many, "_history?_count=0"))["total"] == len(listed["entry"])
    assert await found(many, "Observation?patient.name=family&_include=*&_revinclude=*", "include") >= {"Patient/a"}
