"""From active duty to veteran: one Patient, one record, and the old class honoured to the last day of its period."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from fhir_server.care.beneficiary_class import BeneficiaryClass, class_extension, classes
from fhir_server.care.status_change import ICN_SYSTEM, VETERAN_STATUS
from fhir_server.core.outcome import FhirError
from fhir_server.record_status import RecordStatus
from tests.rest.portal import SSN, Portal, ann, portal

LAST_DAY, FIRST_DAY = date(2026, 11, 30), date(2026, 12, 1)
ICN = "1099000001V000001"


def tricare() -> dict[str, Any]:
    return {
        "resourceType": "Coverage",
        "id": "ann-tricare",
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MILITARY"}]},
        "subscriber": {"reference": "Patient/ann"},
        "subscriberId": "S990000001",
        "beneficiary": {"reference": "Patient/ann"},
        "relationship": {"coding": [{"code": "self"}]},
        "period": {"start": "2022-10-14"},
        "payor": [{"reference": "Organization/tricare"}],
    }


@pytest.fixture
async def door(mongodb_uri: str, database_name: str) -> AsyncIterator[Portal]:
    async with portal(mongodb_uri, database_name) as made:
        await made.stored(ann(extension=[class_extension("active-duty")]), tricare())
        yield made


async def change(door: Portal, to: BeneficiaryClass = "veteran", start: date = FIRST_DAY, **more: Any) -> None:
    context = door.writer.context("id-clerk", "Practitioner/clerk", "ann")
    await RecordStatus(door.writer).change(context, "ann", to, start, **more)


async def held(door: Portal, day: date) -> frozenset[str]:
    standing = await RecordStatus(door.writer).standing(door.operator, "ann", day)
    assert standing is not None
    return standing.classes


class TestFromActiveDutyToVeteran:
    async def test_the_old_class_is_honoured_until_its_period_ends(self, door: Portal) -> None:
        assert await held(door, LAST_DAY) == await held(door, FIRST_DAY) == {"active-duty"}
        await change(door)
        assert await held(door, LAST_DAY) == {"active-duty"}
        assert await held(door, FIRST_DAY) == {"veteran"}

    async def test_it_is_the_same_patient_and_record(self, door: Portal) -> None:
        before = await door.kept("Patient/ann")
        await change(door, icn=ICN)
        after = await door.kept("Patient/ann")
        assert len(await door.all("Patient")) == 1
        assert {name for name in before | after if before.get(name) != after.get(name)} == {
            "meta",
            "extension",
            "identifier",
        }
        assert [each["value"] for each in after["identifier"]] == ["9900000017", SSN, ICN]
        assert after["identifier"][2]["system"] == ICN_SYSTEM
        assert {"url": VETERAN_STATUS, "valueBoolean": True} in after["extension"]

    async def test_history_shows_both(self, door: Portal) -> None:
        await change(door)
        now, was = await door.versions("Patient/ann")
        assert class_extension("veteran") in now["extension"]
        assert class_extension("active-duty") in was["extension"]
        now, was = await door.versions("Coverage/ann-tricare")
        assert now["period"] == {"start": "2022-10-14", "end": "2026-11-30"}
        assert was["period"] == {"start": "2022-10-14"}
        # The Patient no longer says what it stood for.
        assert class_extension("active-duty") in now["extension"]

    async def test_the_new_coverage_is_the_vas(self, door: Portal) -> None:
        await change(door, icn=ICN)
        (new,) = [each for each in await door.all("Coverage") if each["id"] != "ann-tricare"]
        assert new["period"] == {"start": "2026-12-01"}
        assert new["subscriberId"] == ICN
        assert new["payor"][0]["reference"] == "Organization/va-health-care"
        assert "VET" in [each["code"] for each in new["type"]["coding"]]

    async def test_all_of_it_is_one_write_that_is_audited(self, door: Portal) -> None:
        await change(door)
        (noted,) = door.noted
        assert noted.who == ("id-clerk", "portal", "Practitioner/clerk")
        assert noted.done == [("update", "Coverage"), ("create", "Coverage"), ("update", "Patient")]
        assert {each.patients for each in noted.accesses} == {("ann",)}


class TestAgain:
    async def test_the_same_change_twice_is_one(self, door: Portal) -> None:
        await change(door)
        await change(door)
        assert len(door.noted) == 1
        assert len(await door.all("Coverage")) == 2
        assert len(await door.versions("Patient/ann")) == 2

    async def test_a_mistake_is_put_right_and_the_change_made_after_all(self, door: Portal) -> None:
        for to, found in (("veteran", "veteran"), ("retiree", "retiree"), ("veteran", "veteran")):
            await change(door, to)  # type: ignore[arg-type]
            assert await held(door, LAST_DAY) == {"active-duty"}
            assert await held(door, FIRST_DAY) == {found}

    @pytest.mark.race
    async def test_two_changes_at_once_leave_a_record_that_says_one_thing(self, door: Portal) -> None:
        done = await asyncio.gather(change(door, "veteran"), change(door, "retiree"), return_exceptions=True)
        lost = [each for each in done if each is not None]
        assert len(lost) <= 1
        assert all(isinstance(each, FhirError) and each.status in (409, 412) for each in lost)
        coverages = await door.all("Coverage")
        assert len(classes(await door.kept("Patient/ann"), coverages, FIRST_DAY)) == 1
        assert await held(door, LAST_DAY) == {"active-duty"}

    async def test_nobody_is_refused(self, door: Portal) -> None:
        context = door.writer.context("id-clerk")
        for patient, sponsor in (("nobody", None), ("ann", "nobody")):
            with pytest.raises(FhirError) as refused:
                await RecordStatus(door.writer).change(context, patient, "veteran", FIRST_DAY, sponsor=sponsor)
            assert (refused.value.status, refused.value.issues[0].number) == (422, 6053)
        assert len(await door.all("Coverage")) == 1

    async def test_somebody_who_marries_a_sponsor_depends_on_them(self, door: Portal) -> None:
        await door.stored(
            {
                "resourceType": "Patient",
                "id": "bob",
                "identifier": [{"system": "urn:oid:2.16.840.1.113883.3.42.10001.100001.12", "value": "9900000025"}],
            }
        )
        await change(door, "dependent-spouse", sponsor="bob")
        (new,) = [each for each in await door.all("Coverage") if each["id"] != "ann-tricare"]
        assert new["subscriber"] == {"reference": "Patient/bob"}
        assert await held(door, FIRST_DAY) == {"dependent-spouse"}
