"""What each kind of caller is shown by each kind of scope, and by whose page links.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.interactions.context import RequestContext
from tests.rest.bundles import next_link
from tests.rest.narrowing import (
    A_OBSERVATIONS,
    B_OBSERVATIONS,
    LABORATORY,
    VITALS,
    found,
    get,
    of_patient,
    practitioner,
    records,
    refused,
    seen_by,
)


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = "test_narrowing_scopes"
    async with records(mongodb_uri, name) as context:
        yield context
        await context.server.database.client.drop_database(name)


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
