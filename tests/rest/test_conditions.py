"""The conditions of use, as they were accepted: one Consent for each person and version."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from fhir_server.care.conditions import consent_id
from fhir_server.record_conditions import RecordConditions
from tests.rest.portal import ANN, Portal, ann, portal


@pytest.fixture
async def door(mongodb_uri: str, database_name: str) -> AsyncIterator[Portal]:
    async with portal(mongodb_uri, database_name) as made:
        await made.stored(ann())
        yield made


class TestAccepting:
    async def test_it_is_a_consent_of_the_person_with_policy_and_version(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        place = await conditions.accept(ANN, "3")
        assert place == f"Consent/{consent_id('ann', '3')}"
        consent = await door.kept(place)
        assert consent["status"] == "active"
        assert consent["patient"] == consent["performer"][0] == {"reference": "Patient/ann"}
        assert consent["policy"] == [{"uri": "urn:fhir-server:federal:terms-of-use:3"}]
        assert await conditions.stands(place)
        (noted,) = door.noted
        assert (noted.who, noted.done) == (("id-ann", "portal", "Patient/ann"), [("create", "Consent")])
        assert noted.accesses[0].patients == ("ann",)

    async def test_twice_is_once(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        places = {await conditions.accept(ANN, "3") for _ in range(2)}
        assert len(places) == 1
        assert len(await door.all("Consent", patient="ann")) == 1
        assert len(await door.versions(str(places.pop()))) == 1

    @pytest.mark.race
    async def test_eight_answers_at_once_are_one_consent(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        places = await asyncio.gather(*(conditions.accept(ANN, "3") for _ in range(8)))
        assert len(set(places)) == 1
        assert len(await door.versions(str(places[0]))) == 1

    async def test_each_version_is_a_consent_of_its_own(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        assert await conditions.accept(ANN, "3") != await conditions.accept(ANN, "4")
        assert len(await door.all("Consent", patient="ann")) == 2

    async def test_who_has_no_record_has_no_consent(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        doctor = msgspec.structs.replace(ANN, kind="practitioner", fhir_user="Practitioner/d", patients=())
        assert await conditions.accept(doctor, "3") is None
        assert await conditions.accept(msgspec.structs.replace(ANN, patients=("nobody",)), "3") is None
        assert door.noted == []


class TestEnteringLate:
    """Accepted by an account that had no record yet."""

    async def test_the_consent_says_when_it_was_accepted(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        place = str(await conditions.enter(ANN, "3", 1_700_000_000))
        assert place == f"Consent/{consent_id('ann', '3')}"
        assert (await door.kept(place))["dateTime"] == "2023-11-14T22:13:20.000Z"
        assert await conditions.enter(ANN, "3", 1_700_000_000) == place
        assert len(await door.versions(place)) == 1

    async def test_what_was_withdrawn_stays_withdrawn(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        place = str(await conditions.accept(ANN, "3"))
        await door.stored(await door.kept(place) | {"status": "inactive"})
        assert await conditions.enter(ANN, "3", 1_700_000_000) == place
        assert not await conditions.stands(place)

    @pytest.mark.race
    async def test_eight_workers_at_once_enter_one(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        places = await asyncio.gather(*(conditions.enter(ANN, "3", 1) for _ in range(8)))
        assert len(set(places)) == 1
        assert len(await door.versions(str(places[0]))) == 1

    async def test_without_a_record_there_is_nothing_to_enter(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        assert await conditions.enter(msgspec.structs.replace(ANN, patients=()), "3", 1) is None
        assert door.noted == []


class TestWithdrawing:
    async def test_it_no_longer_stands_and_can_be_given_again(self, door: Portal) -> None:
        conditions = RecordConditions(door.writer)
        place = str(await conditions.accept(ANN, "3"))
        await door.stored(await door.kept(place) | {"status": "inactive"})
        assert not await conditions.stands(place)
        assert await conditions.accept(ANN, "3") == place
        assert await conditions.stands(place)
        assert [each["status"] for each in await door.versions(place)] == ["active", "inactive", "active"]

    @pytest.mark.parametrize("place", ["Consent/none", "Patient/ann", "", "Consent/"])
    async def test_what_is_no_consent_stands_for_nothing(self, door: Portal, place: str) -> None:
        assert not await RecordConditions(door.writer).stands(place)
