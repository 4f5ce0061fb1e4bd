"""The families of the demo population, as their designs mean them: Rivera, Nakamura, Sullivan, Foster, Hughes.

stories 17 and 18 (seeds/stories.py)
"""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.care.proxies import KEPT_BY_TEENAGERS
from fhir_server.core.instant import now
from fhir_server.core.proxied import Proxied
from fhir_server.core.resource import Resource
from fhir_server.core.trail import Trail
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import proxied
from fhir_server.policy import Sight
from fhir_server.search.index import index_values
from fhir_server.store import transactions
from seeds.population import demo
from smart_auth.access import AccessContext
from tests.rest.access import scopes
from tests.rest.in_process import BASE, opened
from tests.rest.narrowing import found, get

TYPES = {"Patient", "RelatedPerson", "Consent", "Person", "Condition", "Encounter"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def population(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, f"test_{uuid4().hex[:16]}") as context:
        wanted = [each for each in demo(now().date()) if each["resourceType"] in TYPES]
        for start in range(0, len(wanted), 500):
            await transactions.run(context.server.database, WritePlan(tuple(map(_put, wanted[start : start + 500]))))
        yield context


def _put(resource: Resource) -> Put:
    index = index_values(resource, resource["id"], (BASE,), None)
    return Put(resource["resourceType"], resource["id"], resource, index, "PUT")


async def family(population: RequestContext, patient: str) -> dict[str, Proxied]:
    return {each.patient: each for each in await proxied(population.server, (patient,))}


async def seeing(population: RequestContext, own: str, patient: str | None = None) -> RequestContext:
    level = "user" if patient is None else "patient"
    access = AccessContext(
        f"{own} {patient}", "app", "patient", scopes(f"{level}/*.rs"), patients=(own,), patient=patient
    )
    sight = Sight(access, proxied=await proxied(population.server, (own,)))
    return structs.replace(population, sight=sight, trail=Trail())


async def test_ana_acts_for_her_children_and_her_mother_and_sofia_keeps_part(population: RequestContext) -> None:
    found_here = await family(population, "rivera-ana")
    whole = {"rivera-mateo", "rivera-lucia", "rivera-tomas", "ortega-carmen"}
    assert found_here == {
        **{id: Proxied(id) for id in whole},
        "rivera-sofia": Proxied("rivera-sofia", KEPT_BY_TEENAGERS),
    }
    assert "Condition/rivera-sofia-anxiety" not in await found(await seeing(population, "rivera-ana"), "Condition")
    own = await found(await seeing(population, "rivera-sofia"), "Condition")
    assert "Condition/rivera-sofia-anxiety" in own


@pytest.mark.parametrize(
    ("who", "whom"),
    [
        ("rivera-miguel", set()),
        ("nakamura-emi", {"nakamura-kenji"}),
        ("rivera-sofia", set()),
        ("nakamura-kenji", set()),
    ],
)
async def test_others_act_for_whom_the_records_say(population: RequestContext, who: str, whom: set[str]) -> None:
    assert set(await family(population, who)) == whom


async def test_a_daughter_who_has_grown_up_is_not_seen_by_her_father(population: RequestContext) -> None:
    assert "foster-hannah" not in await family(population, "foster-daniel")


@pytest.mark.parametrize("stranger", ["sullivan-owen", "hughes-ethan", "foster-hannah", "walker-james"])
async def test_a_child_of_another_family_is_not_there(population: RequestContext, stranger: str) -> None:
    for patient in (None, stranger):
        here = await seeing(population, "rivera-ana", patient)
        assert (await get(here, f"Patient/{stranger}"))["status"].startswith("404")
        assert await found(here, f"Condition?patient={stranger}") == set()
