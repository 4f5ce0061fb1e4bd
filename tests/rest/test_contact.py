"""Contact data that somebody confirmed or changed at sign-in: in the Patient, with a Provenance, audited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.record_contacts import RecordContacts
from smart_auth.identity.contact import Contact, ContactChanged
from tests.rest.portal import SSN, Portal, ann, portal

CONTACT = Contact("ann@example.org", "202-555-0100", ("1 Main St",), "Norfolk", "VA", "23510")
TODAY = date(2026, 11, 22)


@pytest.fixture
async def door(mongodb_uri: str, database_name: str) -> AsyncIterator[Portal]:
    async with portal(mongodb_uri, database_name) as made:
        await made.stored(ann())
        yield made


def contacts(door: Portal) -> RecordContacts:
    return RecordContacts(door.writer, lambda: TODAY)


async def verified(door: Portal, **changes: Any) -> dict[str, Any]:
    await contacts(door).verify("id-ann", "ann", replace(CONTACT, **changes))
    return await door.kept("Patient/ann")


class TestReading:
    async def test_what_is_in_use_is_read(self, door: Portal) -> None:
        assert await contacts(door).read("ann") == CONTACT

    async def test_nobody_is_nothing(self, door: Portal) -> None:
        assert await contacts(door).read("nobody") is None

    async def test_what_is_over_or_old_is_left_out(self, door: Portal) -> None:
        over = {"period": {"end": "2026-11-21"}}
        await door.stored(
            ann(
                telecom=[{"system": "email", "value": "old@example.org", **over}],
                address=[{"use": "old", "city": "Elsewhere"}, {"city": "Past", **over}],
            )
        )
        assert await contacts(door).read("ann") == Contact()


class TestConfirming:
    async def test_what_is_right_makes_no_new_version_but_is_said_by_whom(self, door: Portal) -> None:
        before = await door.kept("Patient/ann")
        assert await verified(door) == before
        (said,) = await door.all("Provenance", target="Patient/ann")
        assert said["target"] == [{"reference": "Patient/ann/_history/1"}]
        assert said["agent"][0]["who"] == {"reference": "Patient/ann"}
        assert said["activity"] == {"text": "Contact data confirmed"}

    async def test_it_is_audited_in_the_name_of_the_person(self, door: Portal) -> None:
        await verified(door)
        (noted,) = door.noted
        assert noted.who == ("id-ann", "portal", "Patient/ann")
        assert noted.done == [("create", "Provenance")]
        assert noted.accesses[0].patients == ("ann",)


class TestChanging:
    async def test_only_telecom_and_address_change(self, door: Portal) -> None:
        before = await door.kept("Patient/ann")
        after = await verified(door, email="new@example.org", city="Reston")
        differing = {name for name in before | after if before.get(name) != after.get(name)}
        assert differing == {"meta", "telecom", "address"}
        assert after["identifier"][1]["value"] == SSN
        assert await contacts(door).read("ann") == replace(CONTACT, email="new@example.org", city="Reston")

    async def test_what_was_is_old_from_today_on_and_keeps_when_it_began(self, door: Portal) -> None:
        after = await verified(door, email="new@example.org", city="Reston")
        assert after["telecom"] == [
            {"system": "phone", "value": "202-555-0100", "use": "mobile"},
            {"use": "home", "system": "email", "value": "new@example.org", "period": {"start": "2026-11-22"}},
            {
                "system": "email",
                "value": "ann@example.org",
                "use": "old",
                "period": {"start": "2020-01-01", "end": "2026-11-22"},
            },
            {"system": "phone", "value": "202-555-0000", "use": "old"},
        ]
        assert [(each["use"], each["city"]) for each in after["address"]] == [("home", "Reston"), ("old", "Norfolk")]

    async def test_the_patient_and_who_changed_it_are_written_together(self, door: Portal) -> None:
        await verified(door, phone="+49 40 555 0199")
        (said,) = await door.all("Provenance", target="Patient/ann")
        assert said["target"] == [{"reference": "Patient/ann/_history/2"}]
        assert said["activity"]["coding"][0]["code"] == "UPDATE"
        (noted,) = door.noted
        assert noted.done == [("update", "Patient"), ("create", "Provenance")]

    async def test_twice_on_a_day_leaves_one_of_that_day(self, door: Portal) -> None:
        await verified(door, city="Rston")
        after = await verified(door, city="Reston")
        assert [(each["use"], each["city"]) for each in after["address"]] == [("home", "Reston"), ("old", "Norfolk")]

    async def test_what_is_taken_away_is_no_longer_in_use(self, door: Portal) -> None:
        after = await verified(door, email="", lines=(), city="", state="", postal_code="")
        assert await contacts(door).read("ann") == Contact(phone="202-555-0100")
        assert {each["use"] for each in after["address"]} == {"old"}

    async def test_what_was_unknown_is_added(self, door: Portal) -> None:
        await door.stored({"resourceType": "Patient", "id": "ann", "name": [{"family": "Example"}]})
        after = await verified(door)
        assert await contacts(door).read("ann") == CONTACT
        assert after["telecom"][0] == {"use": "home", "system": "email", "value": "ann@example.org"}

    async def test_who_is_restricted_stays_so_in_what_is_made_beside(self, door: Portal) -> None:
        restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        await door.stored(ann(meta={"security": [restricted]}))
        await verified(door, city="Reston")
        (said,) = await door.all("Provenance", target="Patient/ann")
        assert said["meta"]["security"] == [restricted]


class TestTwoAtOnce:
    async def test_one_wins_and_the_other_is_shown_what_stands_there(
        self, door: Portal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        barrier = asyncio.Barrier(2)
        read = type(door.writer).read

        async def together(self: Any, type: str, id: str) -> Any:
            found = await read(self, type, id)
            await barrier.wait()
            return found

        monkeypatch.setattr(type(door.writer), "read", together)
        done = await asyncio.gather(
            *(contacts(door).verify("id-ann", "ann", replace(CONTACT, city=city)) for city in ("Reston", "Vienna")),
            return_exceptions=True,
        )
        monkeypatch.undo()
        assert sorted(type(each).__name__ for each in done) == ["ContactChanged", "NoneType"]
        assert len(await door.versions("Patient/ann")) == 2
        assert len(await door.all("Provenance", target="Patient/ann")) == 1
        assert sorted(each.status for each in door.noted) == [200, 412]

    async def test_a_record_that_went_meanwhile_is_changed(self, door: Portal) -> None:
        with pytest.raises(ContactChanged):
            await contacts(door).verify("id-ann", "nobody", CONTACT)

    async def test_what_no_resource_may_hold_is_refused(self, door: Portal) -> None:
        with pytest.raises(FhirError) as refused:
            await verified(door, city="\x01")
        assert refused.value.status == 400
        assert len(await door.versions("Patient/ann")) == 1
