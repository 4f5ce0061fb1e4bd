"""Which patients a practitioner has a care relation with: by team, visit, appointment, order and panel."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.core.instant import now
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.interactions import care_relation
from fhir_server.interactions.care_relation import TIES, names_related, related_patients
from fhir_server.interactions.context import RequestContext
from fhir_server.search.index import index_values
from fhir_server.store import related as related_rows
from fhir_server.store import transactions
from seeds.population import demo
from tests.rest.in_process import BASE, opened

Resource = dict[str, Any]

TODAY = now().date()
READ = {"CareTeam", "PractitionerRole", "Location", "HealthcareService", *(tie.type for tie in TIES)}


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as opened_context:
        yield opened_context


async def stored(context: RequestContext, *resources: Resource) -> None:
    """Write these, and forget what was found out about them before."""
    database = context.server.database
    puts = tuple(
        Put(each["resourceType"], each["id"], each, index_values(each, each["id"], (BASE,), None), "PUT")
        for each in resources
    )
    await transactions.run(database, WritePlan(puts))
    database.noted.clear()


async def related(context: RequestContext, fhir_user: str = "Practitioner/p") -> set[str]:
    return set(await related_patients(context.server, fhir_user))


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


def ref(place: str) -> Resource:
    return {"reference": place}


def role(id: str = "r", practitioner: str = "p", organization: str = "org", **elements: Any) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "practitioner": ref(f"Practitioner/{practitioner}"),
        "organization": ref(f"Organization/{organization}"),
        **elements,
    }


def team(*participants: Resource, patient: str = "a", **elements: Any) -> Resource:
    return {
        "resourceType": "CareTeam",
        "id": f"team-{patient}",
        "status": "active",
        "subject": ref(f"Patient/{patient}"),
        "participant": list(participants),
        **elements,
    }


def member(place: str = "Practitioner/p", **elements: Any) -> Resource:
    return {"member": ref(place), **elements}


def encounter(patient: str = "a", **elements: Any) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": f"visit-{patient}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": ref(f"Patient/{patient}"),
        "period": {"start": day(-10), "end": day(-10)},
        **elements,
    }


def appointment(*actors: str, patient: str = "a", **elements: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": f"booking-{patient}",
        "status": "booked",
        "start": f"{day(20)}T10:00:00Z",
        "participant": [{"actor": ref(place), "status": "accepted"} for place in (f"Patient/{patient}", *actors)],
        **elements,
    }


def order(patient: str = "a", **elements: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": f"order-{patient}",
        "status": "active",
        "intent": "order",
        "subject": ref(f"Patient/{patient}"),
        "authoredOn": day(-10),
        **elements,
    }


@pytest.mark.asyncio
async def test_nobody_is_related_to_a_stranger_to_a_patient_or_to_no_user(context: RequestContext) -> None:
    await stored(context, role(), encounter(serviceProvider=ref("Organization/org")))
    for user in ("Practitioner/stranger", "Patient/a", "RelatedPerson/x", "Organization/org", "", "Practitioner/"):
        assert await related(context, user) == set()
    assert await related_patients(context.server, None) == frozenset()


@pytest.mark.asyncio
async def test_members_of_a_care_team_are_related_to_its_patient(context: RequestContext) -> None:
    await stored(context, team(member()), team(member("PractitionerRole/r"), patient="b"), role())
    assert await related(context) == {"a", "b"}
    assert await names_related(context.server, "Practitioner/p", "a")
    assert not await names_related(context.server, "Practitioner/p", "c")


@pytest.mark.parametrize("status", ["proposed", "suspended", "inactive", "entered-in-error"])
@pytest.mark.asyncio
async def test_a_team_that_does_not_work_relates_nobody(context: RequestContext, status: str) -> None:
    await stored(context, team(member(), status=status))
    assert await related(context) == set()


@pytest.mark.asyncio
async def test_a_team_relates_only_while_it_lasts(context: RequestContext) -> None:
    await stored(
        context,
        team(member(), patient="over", period={"start": day(-99), "end": day(-2)}),
        team(member(), patient="ahead", period={"start": day(2)}),
        team(member(), patient="now", period={"start": day(-2), "end": day(2)}),
    )
    assert await related(context) == {"now"}


@pytest.mark.asyncio
async def test_a_member_is_one_only_while_their_own_part_lasts(context: RequestContext) -> None:
    await stored(
        context,
        team(member(period={"end": day(-2)}), member("Practitioner/other"), patient="left"),
        team(member(period={"start": day(2)}), patient="ahead"),
        team(member(period={"end": day(-2)}), member(period={"start": day(-1)}), patient="back"),
    )
    assert await related(context) == {"back"}


@pytest.mark.asyncio
async def test_who_is_taken_out_of_a_team_is_related_no_longer(context: RequestContext) -> None:
    await stored(context, team(member()))
    assert await related(context) == {"a"}
    noted = dict(context.server.database.noted)
    await stored(context, team(member("Practitioner/other")))
    # With all that was known of the teams before, but for the answer itself.
    context.server.database.noted.update(noted)
    context.server.database.noted[care_relation._KNOWN][1].relations.clear()
    assert await related(context) == set()


@pytest.mark.asyncio
async def test_a_visit_relates_whom_it_names_and_who_works_where_it_was(context: RequestContext) -> None:
    await stored(
        context,
        role(),
        {"resourceType": "Location", "id": "ward", "managingOrganization": ref("Organization/org")},
        encounter("named", participant=[{"individual": ref("Practitioner/p")}]),
        encounter("there", serviceProvider=ref("Organization/org")),
        encounter("ward", location=[{"location": ref("Location/ward")}]),
        encounter("elsewhere", serviceProvider=ref("Organization/other")),
    )
    assert await related(context) == {"named", "there", "ward"}


@pytest.mark.asyncio
async def test_a_visit_relates_for_the_stated_time_alone(context: RequestContext) -> None:
    at = {"serviceProvider": ref("Organization/org")}
    await stored(
        context,
        role(),
        encounter("old", period={"start": day(-400), "end": day(-370)}, **at),
        encounter("ended", period={"start": day(-400), "end": day(-300)}, **at),
        encounter("going-on", status="in-progress", period={"start": day(-400)}, **at),
        encounter("far", status="planned", period={"start": day(400)}, **at),
        encounter("undated", status="planned", **at) | {"period": {}},
    )
    assert await related(context) == {"ended", "going-on"}


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
@pytest.mark.asyncio
async def test_what_did_not_take_place_relates_nobody(context: RequestContext, status: str) -> None:
    await stored(
        context,
        role(),
        encounter("a", status=status, serviceProvider=ref("Organization/org")),
        appointment("Practitioner/p", patient="b", status=status),
    )
    assert await related(context) == set()


@pytest.mark.asyncio
async def test_an_appointment_relates_by_person_location_and_service(context: RequestContext) -> None:
    await stored(
        context,
        role(),
        {"resourceType": "Location", "id": "clinic", "managingOrganization": ref("Organization/org")},
        {"resourceType": "HealthcareService", "id": "line", "providedBy": ref("Organization/org")},
        appointment("Practitioner/p", patient="own"),
        appointment("Location/clinic", patient="clinic"),
        appointment("HealthcareService/line", patient="line"),
        appointment("Location/other", patient="other"),
    )
    assert await related(context) == {"own", "clinic", "line"}


@pytest.mark.asyncio
async def test_an_order_relates_its_requester_and_performer(context: RequestContext) -> None:
    await stored(
        context,
        role(),
        order("mine", requester=ref("Practitioner/p")),
        order("role", requester=ref("PractitionerRole/r")),
        order("ours", performer=[ref("Organization/org")]),
        order("other", requester=ref("Practitioner/other")),
        order("old", requester=ref("Practitioner/p"), authoredOn=day(-400)),
        order("draft", requester=ref("Practitioner/p"), status="draft"),
        order("wish", requester=ref("Practitioner/p"), intent="proposal"),
        {
            "resourceType": "MedicationRequest",
            "id": "m",
            "status": "active",
            "intent": "order",
            "subject": ref("Patient/medicine"),
            "medicationCodeableConcept": {"text": "x"},
            "authoredOn": day(-3),
            "dispenseRequest": {"performer": ref("Organization/org")},
        },
    )
    assert await related(context) == {"mine", "role", "ours", "medicine"}


@pytest.mark.asyncio
async def test_a_colleagues_order_counts_where_the_colleague_works_nowhere_else(context: RequestContext) -> None:
    await stored(
        context,
        role(),
        role("r2", "near"),
        role("r3", "both"),
        role("r4", "both", "other"),
        order("near", requester=ref("Practitioner/near")),
        order("both", requester=ref("Practitioner/both")),
        order("their-role", requester=ref("PractitionerRole/r3")),
        order("their-other-role", requester=ref("PractitionerRole/r4")),
    )
    assert await related(context) == {"near", "their-role"}


@pytest.mark.asyncio
async def test_a_panel_is_the_general_practitioners_and_the_organisations(context: RequestContext) -> None:
    await stored(
        context,
        role(),
        {"resourceType": "Patient", "id": "own", "generalPractitioner": [ref("Practitioner/p")]},
        {"resourceType": "Patient", "id": "role", "generalPractitioner": [ref("PractitionerRole/r")]},
        {"resourceType": "Patient", "id": "panel", "managingOrganization": ref("Organization/org")},
        {"resourceType": "Patient", "id": "gp-org", "generalPractitioner": [ref("Organization/org")]},
        {"resourceType": "Patient", "id": "other", "managingOrganization": ref("Organization/other")},
    )
    assert await related(context) == {"own", "role", "panel", "gp-org"}


@pytest.mark.parametrize("ended", [{"active": False}, {"period": {"end": day(-2)}}, {"period": {"start": day(2)}}])
@pytest.mark.asyncio
async def test_a_role_that_is_over_or_not_active_relates_to_no_organisation(
    context: RequestContext, ended: Resource
) -> None:
    await stored(
        context,
        role(**ended),
        {"resourceType": "Patient", "id": "panel", "managingOrganization": ref("Organization/org")},
        team(member("PractitionerRole/r")),
    )
    assert await related(context) == set()
    assert await related(context, "PractitionerRole/r") == set()


@pytest.mark.asyncio
async def test_a_role_as_user_stands_for_its_practitioner_at_its_organisation(context: RequestContext) -> None:
    await stored(
        context,
        role(active=True, period={"start": day(-30)}),
        role("r2", organization="second"),
        team(member()),
        {"resourceType": "Patient", "id": "panel", "managingOrganization": ref("Organization/org")},
        {"resourceType": "Patient", "id": "second", "managingOrganization": ref("Organization/second")},
    )
    assert await related(context, "PractitionerRole/r") == {"a", "panel"}
    assert await related(context) == {"a", "panel", "second"}


@pytest.mark.asyncio
async def test_past_the_most_patients_the_organisations_are_left_out(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care_relation, "MAX_RELATED", 3)
    panel = [
        {"resourceType": "Patient", "id": f"p{n}", "managingOrganization": ref("Organization/org")} for n in range(4)
    ]
    own = {"resourceType": "Patient", "id": "own", "generalPractitioner": [ref("Practitioner/p")]}
    await stored(context, role(), team(member()), own, *panel)
    assert await related(context) == {"a", "own"}


@pytest.mark.asyncio
async def test_it_is_found_out_once_a_second_however_many_ask(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(context, team(member()))
    asked: list[str] = []
    owned_rows = related_rows.owned_rows

    async def counted(*arguments: Any) -> Any:
        asked.append("")
        return await owned_rows(*arguments)

    monkeypatch.setattr(related_rows, "owned_rows", counted)
    found = await asyncio.gather(*(related(context) for _ in range(20)))
    assert found == [{"a"}] * 20
    assert await related(context) == {"a"}
    # Of teams and of groups.
    assert len(asked) == 2


@pytest.mark.asyncio
async def test_the_demo_populations_clinicians_are_related_to_their_own_patients(context: RequestContext) -> None:
    population = [each for each in demo(TODAY) if each["resourceType"] in READ]
    await stored(context, *population)
    patients = {each["id"] for each in population if each["resourceType"] == "Patient"}
    home = "Organization/cabrillo-naval"
    panel = [each for each in population if each["resourceType"] == "Patient" and "managingOrganization" in each]
    of_cabrillo = {each["id"] for each in panel if each["managingOrganization"]["reference"] == home}
    assert of_cabrillo
    found = await related(context, "Practitioner/okafor-grace")
    assert of_cabrillo <= found
    assert "rivera-miguel" in found
    assert "walker-james" not in found
    assert found < patients


def test_what_ties_are_made_of_are_search_parameters_of_their_types() -> None:
    for tie in (*TIES, care_relation._TEAM):
        offered = search_parameters(tie.type)
        for code in (*tie.parameters, *tie.dates, *{token.partition("|")[0] for token in tie.without}):
            if (tie.type, code) not in {("NutritionOrder", "intent"), ("VisionPrescription", "intent")}:
                assert code in offered, f"{tie.type} has no {code}"
