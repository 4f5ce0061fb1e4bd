"""What people try who are in a family, or were: a 17-year-old's parent, a former spouse, a sibling, a sponsor who is
nobody's parent.

https://hl7.org/fhir/R4/security.html#authorization
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.care.proxies import ACT_CODE, ACT_REASON
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import proxied
from fhir_server.policy import Sight
from fhir_server.record_proxies import RecordProxies
from fhir_server.record_writer import RecordWriter
from smart_auth.records import Account
from tests.rest.conftest import patient
from tests.rest.families import ana, born, consent, person, relative, stored_family, told
from tests.rest.in_process import BASE, opened, put
from tests.rest.writers import Told, Writers

pytestmark = pytest.mark.asyncio

TEEN = patient(id="teen", birthDate=born(17), name=[{"family": "Rivera", "given": ["Teen"]}])
LABELS = ("PSY", "STD", "HIV", "OPIOIDUD")


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        await put(context, TEEN)
        for label in LABELS:
            await put(context, told(f"teen-{label.lower()}", "teen", label))
        yield context


async def acts_for(context: RequestContext, who: str = "ana") -> set[str]:
    context.server.database.noted.clear()
    return {each.patient for each in await proxied(context.server, (who,))}


async def by_ana(context: RequestContext, method: str, url: str, content: Any = None) -> Told:
    context.server.database.noted.clear()
    sight = Sight(ana(), proxied=await proxied(context.server, ("ana",)))
    return await Writers(structs.replace(context, trail=None)).ask(sight, method, url, content)


async def test_a_parent_of_somebody_17_finds_nothing_of_what_is_sensitive(family: RequestContext) -> None:
    for label in LABELS:
        assert (await by_ana(family, "GET", f"Observation/teen-{label.lower()}")).status == 404
        for url in (
            f"Observation?_security={label}",
            f"Observation?subject=Patient/teen&_security={ACT_CODE}|{label}",
            f"Observation?_id=teen-{label.lower()}&_total=accurate",
            f"Patient?_has:Observation:subject:_security={label}",
        ):
            assert (await by_ana(family, "GET", url)).body.get("total", 0) == 0, url
    found = await by_ana(family, "GET", "Observation?subject=Patient/teen&_summary=count")
    assert found.body["total"] == 1


@pytest.mark.parametrize(
    "resource",
    [
        consent("stranger"),
        consent("teen", by="Patient/teen"),
        relative("stranger"),
        relative("teen", "GUARD"),
        person("kid", "teen", "stranger"),
    ],
    ids=lambda each: f"{each['resourceType']} of {each['id']}",
)
async def test_nobody_makes_themselves_a_relative(family: RequestContext, resource: dict[str, Any]) -> None:
    before = await acts_for(family)
    type, id = resource["resourceType"], resource["id"]
    without_id = {name: value for name, value in resource.items() if name != "id"}
    merge = ("application/merge-patch+json", without_id)
    tries = (("POST", type, without_id), ("PUT", f"{type}/{id}", resource), ("PATCH", f"{type}/{id}", merge))
    for method, url, content in (*tries, ("DELETE", f"{type}/{id}", None)):
        assert (await by_ana(family, method, url, content)).status == 403, method
    assert await acts_for(family) == before


async def test_nobody_keeps_a_child_young_or_makes_another_person_of_it(family: RequestContext) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"birthDate": born(3)},
        {"birthDate": None},
        {"name": [{"family": "Stranger"}]},
        {"active": False},
    )
    for elements in changes:
        refused = await by_ana(family, "PATCH", "Patient/teen", ("application/merge-patch+json", elements))
        assert (refused.status, refused.element) == (422, f"Patient.{next(iter(elements))}")
    kept = await Writers(family).now("Patient/teen")
    assert (kept["birthDate"], kept["name"], kept.get("active")) == (TEEN["birthDate"], TEEN["name"], None)


async def test_nobody_hides_or_uncovers_what_is_labelled(family: RequestContext) -> None:
    """A label taken away, or an item written anew over it, would show what it said."""
    bare = told("teen-psy", "teen")
    assert (await by_ana(family, "PUT", "Observation/teen-psy", bare)).status in (403, 404)
    merge = ("application/merge-patch+json", {"meta": {"security": None}})
    assert (await by_ana(family, "PATCH", "Observation/teen-psy", merge)).status in (403, 404)
    kept = await Writers(family).now("Observation/teen-psy")
    assert kept["meta"]["security"] == [{"system": ACT_CODE, "code": "PSY"}]


def message(of: str, sender: str) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "status": "preparation",
        "subject": {"reference": f"Patient/{of}"},
        "sender": {"reference": sender},
        "payload": [{"contentString": "x"}],
    }


async def test_a_parent_writes_for_a_small_child_and_not_in_the_name_of_one_of_17(family: RequestContext) -> None:
    assert (await by_ana(family, "POST", "Communication", message("kid", "Patient/kid"))).status == 201
    assert (await by_ana(family, "POST", "Communication", message("teen", "Patient/teen"))).status == 403
    assert (await by_ana(family, "POST", "Communication", message("teen", "Patient/ana"))).status == 201


async def test_a_parent_neither_changes_nor_sends_nor_deletes_what_one_of_17_is_writing(family: RequestContext) -> None:
    draft = message("teen", "Patient/teen") | {"id": "draft"}
    await put(family, draft)
    changed = draft | {"payload": [{"contentString": "what I never wrote"}]}
    for each in (changed, changed | {"status": "completed"}):
        assert (await by_ana(family, "PUT", "Communication/draft", each)).status in (403, 404)
    assert (await by_ana(family, "DELETE", "Communication/draft")).status in (403, 404)
    kept = await Writers(family).now("Communication/draft")
    assert (kept["status"], kept["payload"]) == ("preparation", draft["payload"])


async def test_a_consent_for_research_or_an_emergency_lets_no_relative_in(family: RequestContext) -> None:
    await put(family, relative("stranger"))
    await put(family, person("kid", "stranger"))
    for purpose in ("HRESCH", "ETREAT", "TREAT"):
        await put(family, consent("stranger", purpose, by="Patient/stranger"))
        assert "stranger" not in await acts_for(family), purpose
    await put(family, consent("stranger"))
    assert "stranger" in await acts_for(family)


async def test_what_a_child_was_made_to_sign_is_void_on_the_birthday(family: RequestContext) -> None:
    signed = consent("teen", by="Patient/teen", dateTime=born(1))
    await put(family, signed)
    assert "teen" in await acts_for(family)
    await put(family, TEEN | {"birthDate": born(18)})
    assert "teen" not in await acts_for(family)
    await put(family, signed | {"dateTime": born(0)})
    assert "teen" in await acts_for(family)


async def test_a_former_spouse_is_out_by_any_one_of_the_three(family: RequestContext) -> None:
    for change in (
        relative("husband", "HPOWATT", period={"end": born(0, days=-1)}),
        consent("husband", "PWATRNY", status="inactive"),
        person("kid", "teen", "mother"),
    ):
        await put(family, relative("husband", "HPOWATT"))
        await put(family, consent("husband", "PWATRNY"))
        await put(family, person("kid", "teen", "mother", "husband"))
        assert "husband" in await acts_for(family)
        await put(family, change)
        assert "husband" not in await acts_for(family), change["resourceType"]


async def test_no_consent_that_begins_tomorrow_outlives_its_revocation(family: RequestContext) -> None:
    later = consent("mother", by="Patient/mother") | {"id": "later"}
    later["provision"] = later["provision"] | {"period": {"start": born(0, days=1)}}
    await put(family, later)
    mother = Account(
        id="mother",
        username="mother",
        login="mother",
        password_hash="",
        kind="patient",
        fhir_user="Patient/mother",
        patients=("mother",),
    )
    await RecordProxies(RecordWriter(family.server, None, BASE)).revoke(mother, "mother", "ana-of-mother")
    for id in ("ana-for-mother", "later"):
        assert (await Writers(family).now(f"Consent/{id}"))["status"] == "inactive"


async def test_a_sibling_has_nothing_of_the_parents_access(family: RequestContext) -> None:
    """Nor does a relative's relative: whom ana's child acts for is not whom ana acts for."""
    sibling = {
        "resourceType": "RelatedPerson",
        "id": "teen-of-kid",
        "active": True,
        "patient": {"reference": "Patient/kid"},
    }
    links = [
        {"target": {"reference": each}, "assurance": "level3"} for each in ("Patient/teen", "RelatedPerson/teen-of-kid")
    ]
    await put(family, sibling)
    await put(family, {"resourceType": "Person", "id": "teen", "active": True, "link": links})
    assert await acts_for(family, "teen") == set()
    actor = {"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/teen-of-kid"}}
    purpose = [{"system": ACT_REASON, "code": "FAMRQT"}]
    permit = {"type": "permit", "actor": [actor], "purpose": purpose}
    await put(family, consent("stranger") | {"id": "crossed", "provision": permit})
    assert await acts_for(family, "teen") == set()
