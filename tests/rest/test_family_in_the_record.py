"""What the page of a family reads and changes in the records: who acts for whom, and how it ends.

https://hl7.org/fhir/R4/relatedperson.html
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fhir_server.care.own_consent import consent_id
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.interactions.context import RequestContext
from fhir_server.record_proxies import RecordProxies
from fhir_server.record_writer import RecordWriter
from smart_auth.identity.proxies import NoSuchRelation, Relative, Represented
from smart_auth.records import Account
from tests.rest.conftest import patient
from tests.rest.families import consent, relative, stored_family
from tests.rest.in_process import BASE, opened, put

pytestmark = pytest.mark.asyncio


def account(patient: str) -> Account:
    return Account(
        id=f"account-{patient}",
        username=patient,
        login=patient,
        password_hash="",
        kind="patient",
        fhir_user=f"Patient/{patient}",
        patients=(patient,),
    )


ANA = account("ana")


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        yield context


@pytest_asyncio.fixture
async def proxies(family: RequestContext) -> RecordProxies:
    return RecordProxies(RecordWriter(family.server, None, BASE))


async def acts_for(proxies: RecordProxies) -> tuple[str, ...]:
    proxies.writer.server.database.noted.clear()
    return await proxies.acts_for(("ana",))


async def stored(proxies: RecordProxies, type: str, id: str) -> Resource:
    found = await proxies.writer.read(type, id)
    assert found is not None
    return found[0]


async def reviews(proxies: RecordProxies) -> list[Resource]:
    context = proxies.writer.context("test")
    return await proxies.writer.found(context, "Task", [("code", "proof-review")])


async def test_whom_somebody_acts_for_is_told_with_what_they_are_to_them(proxies: RecordProxies) -> None:
    assert await acts_for(proxies) == ("husband", "kid", "mother", "teen")
    assert await proxies.represented(("ana",)) == [
        Represented("husband", "ana-of-husband", "by power of attorney", False),
        Represented("kid", "ana-of-kid", "your child", False),
        Represented("mother", "ana-of-mother", "your child", False),
        Represented("teen", "ana-of-teen", "your child", True),
    ]
    assert await proxies.represented(("kid",)) == []


async def test_who_stands_beside_a_patient_is_told_whether_or_not_they_act(
    family: RequestContext, proxies: RecordProxies
) -> None:
    for id, active in (("aunt", True), ("former", False)):
        await put(family, relative("mother", "AUNT") | {"id": id, "active": active, "name": [{"text": id}]})
    found = {each.id: each for each in await proxies.relatives_of("mother")}
    assert list(found) == ["ana-of-mother", "aunt", "former"]
    assert (found["ana-of-mother"].name, found["ana-of-mother"].relationship) == ("Ana Rivera", "mother")
    told = {id: (each.acts, each.is_active, each.can_be_revoked) for id, each in found.items()}
    assert told == {
        "ana-of-mother": (True, True, True),
        "aunt": (False, True, False),
        "former": (False, False, False),
    }
    assert await proxies.relatives_of("nobody") == await proxies.relatives_of("../x") == []


@pytest.mark.parametrize(
    ("patient", "can_be_revoked"), [("kid", False), ("teen", False), ("husband", False), ("mother", True)]
)
async def test_whose_the_word_is_that_word_can_be_taken_back(
    proxies: RecordProxies, patient: str, can_be_revoked: bool
) -> None:
    (found,) = await proxies.relatives_of(patient)
    assert found.can_be_revoked == can_be_revoked
    if not can_be_revoked:
        with pytest.raises(NoSuchRelation):
            await proxies.revoke(account(patient), patient, f"ana-of-{patient}")
        assert patient in await acts_for(proxies)
        return
    await proxies.revoke(account(patient), patient, f"ana-of-{patient}")
    assert (await stored(proxies, "Consent", f"ana-for-{patient}"))["status"] == "inactive"
    assert patient not in await acts_for(proxies)


async def test_who_has_grown_up_ends_what_their_parents_said(family: RequestContext, proxies: RecordProxies) -> None:
    await put(family, patient(id="teen", birthDate="1990-01-01"))
    await proxies.revoke(account("teen"), "teen", "ana-of-teen")
    assert (await stored(proxies, "Consent", "ana-for-teen"))["status"] == "inactive"


@pytest.mark.parametrize("patient", ["kid", "teen", "husband", "mother"])
async def test_who_acts_for_somebody_may_lay_it_down(proxies: RecordProxies, patient: str) -> None:
    await proxies.revoke(ANA, patient, f"ana-of-{patient}")
    assert patient not in await acts_for(proxies)
    with pytest.raises(NoSuchRelation):
        await proxies.revoke(ANA, patient, f"ana-of-{patient}")


async def test_all_consents_for_it_end_together_and_no_other(family: RequestContext, proxies: RecordProxies) -> None:
    await put(family, consent("mother", by="Patient/mother") | {"id": "second"})
    other = consent("mother", by="Patient/mother") | {"id": "other"}
    other["provision"] = {"type": "permit", "actor": [{"role": {"text": "x"}, "reference": {"reference": "Group/g"}}]}
    await put(family, other)
    await proxies.revoke(account("mother"), "mother", "ana-of-mother")
    ended = {id: (await stored(proxies, "Consent", id))["status"] for id in ("ana-for-mother", "second", "other")}
    assert ended == {"ana-for-mother": "inactive", "second": "inactive", "other": "active"}


@pytest.mark.parametrize("who", [account("mother"), ANA], ids=["the patient", "the relative"])
async def test_a_consent_for_two_relatives_ends_for_one_of_them(
    family: RequestContext, proxies: RecordProxies, who: Account
) -> None:
    """One who was let in together with another must not be able to shut the other out."""
    both = consent("mother", by="Patient/mother")
    other = {"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/other"}}
    both["provision"]["actor"].append(other)
    await put(family, relative("mother") | {"id": "other"})
    await put(family, both)
    await proxies.revoke(who, "mother", "ana-of-mother")
    kept = await stored(proxies, "Consent", "ana-for-mother")
    assert (kept["status"], kept["provision"]["actor"]) == ("active", [other])
    assert "mother" not in await acts_for(proxies)
    with pytest.raises(NoSuchRelation):
        await proxies.revoke(who, "mother", "ana-of-mother")


@pytest.mark.parametrize("who", [ANA, account("kid")])
async def test_a_contested_relationship_ends_at_once_and_staff_are_asked(
    family: RequestContext, proxies: RecordProxies, who: Account
) -> None:
    await put(family, {"resourceType": "Organization", "id": "clinic", "name": "Clinic"})
    kid = await stored(proxies, "Patient", "kid")
    await put(family, {**kid, "managingOrganization": {"reference": "Organization/clinic"}})
    await proxies.contest(who, "kid", "ana-of-kid")
    assert (await stored(proxies, "RelatedPerson", "ana-of-kid"))["active"] is False
    assert "kid" not in await acts_for(proxies)
    (task,) = await reviews(proxies)
    assert (task["status"], task["for"], task["focus"]) == (
        "requested",
        {"reference": "Patient/kid"},
        {"reference": "RelatedPerson/ana-of-kid"},
    )
    assert task["requester"] == {"reference": who.fhir_user}
    assert task["owner"] == {"reference": "Organization/clinic"}
    with pytest.raises(NoSuchRelation):
        await proxies.contest(who, "kid", "ana-of-kid")


async def test_two_who_contest_at_the_same_time_make_one_task(proxies: RecordProxies) -> None:
    both = (proxies.contest(each, "kid", "ana-of-kid") for each in (ANA, account("kid")))
    told = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in told if each is not None] == [NoSuchRelation]
    assert len(await reviews(proxies)) == 1


@pytest.mark.parametrize(
    ("who", "patient", "related"),
    [
        (account("stranger"), "kid", "ana-of-kid"),
        (account("teen"), "kid", "ana-of-kid"),
        (account("kid"), "kid", "ana-of-teen"),
        (ANA, "stranger", "ana-of-stranger"),
        (ANA, "kid", "ana-of-teen"),
        (ANA, "missing", "ana-of-kid"),
        (ANA, "kid/../x", "ana-of-kid"),
        (account("kid"), "kid", ""),
    ],
)
async def test_nobody_ends_what_is_between_others(
    proxies: RecordProxies, who: Account, patient: str, related: str
) -> None:
    before = await acts_for(proxies)
    for end in (proxies.revoke, proxies.contest):
        with pytest.raises(NoSuchRelation):
            await end(who, patient, related)
    assert await acts_for(proxies) == before
    assert await reviews(proxies) == []


async def beside(proxies: RecordProxies, patient: str, related: str) -> Relative:
    return next(each for each in await proxies.relatives_of(patient) if each.id == related)


async def test_a_grown_up_lets_a_relative_see_the_record_and_ends_it_again(proxies: RecordProxies) -> None:
    mother = account("mother")
    await proxies.revoke(mother, "mother", "ana-of-mother")
    assert "mother" not in await acts_for(proxies)
    for _ in range(2):
        assert (await beside(proxies, "mother", "ana-of-mother")).can_be_let
        await asyncio.gather(*(proxies.let(mother, "mother", "ana-of-mother") for _ in range(3)))
        await proxies.let(mother, "mother", "ana-of-mother")
        found = await beside(proxies, "mother", "ana-of-mother")
        assert (found.acts, found.can_be_revoked, found.can_be_let) == (True, True, False)
        assert "mother" in await acts_for(proxies)
        given = await stored(proxies, "Consent", consent_id("mother", "ana-of-mother"))
        assert given["performer"] == [{"reference": "Patient/mother"}]
        assert given["dateTime"][:10] == now().date().isoformat()
        await proxies.revoke(mother, "mother", "ana-of-mother")
        assert "mother" not in await acts_for(proxies)


@pytest.mark.parametrize("patient", ["kid", "teen"])
async def test_nobody_under_age_lets_anybody_in(proxies: RecordProxies, patient: str) -> None:
    await proxies.revoke(ANA, patient, f"ana-of-{patient}")
    assert not (await beside(proxies, patient, f"ana-of-{patient}")).can_be_let
    with pytest.raises(NoSuchRelation):
        await proxies.let(account(patient), patient, f"ana-of-{patient}")
    assert patient not in await acts_for(proxies)


async def test_nobody_else_lets_somebody_into_a_record(family: RequestContext, proxies: RecordProxies) -> None:
    await proxies.revoke(account("mother"), "mother", "ana-of-mother")
    wrong = ((ANA, "ana-of-mother"), (account("stranger"), "ana-of-mother"), (account("mother"), "ana-of-kid"))
    for who, related in wrong:
        with pytest.raises(NoSuchRelation):
            await proxies.let(who, "mother", related)
    await put(family, relative("mother", active=False))
    with pytest.raises(NoSuchRelation):
        await proxies.let(account("mother"), "mother", "ana-of-mother")
    assert "mother" not in await acts_for(proxies)


async def test_what_is_denied_by_another_consent_is_not_undone_by_a_button(
    family: RequestContext, proxies: RecordProxies
) -> None:
    denied = consent("mother", by="Patient/mother") | {"id": "denied"}
    denied["provision"] = {**denied["provision"], "type": "deny"}
    await put(family, denied)
    found = await beside(proxies, "mother", "ana-of-mother")
    assert (found.acts, found.can_be_let) == (False, False)
    with pytest.raises(NoSuchRelation):
        await proxies.let(account("mother"), "mother", "ana-of-mother")
