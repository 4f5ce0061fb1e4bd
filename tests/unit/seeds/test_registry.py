"""What the demo's registry of eligibility knows, beside what its records say."""

from datetime import date
from functools import cache
from typing import Any

import pytest

from seeds import ids
from seeds.families import MEMBERS
from seeds.population import demo
from seeds.registry import BORN_OTHERWISE, NOT_ENROLLED, enrolled, without_record
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proven, Typed, prove
from smart_auth.sealing import Seal
from tests.auth.memory_documents import MemoryDocuments

TODAY = date(2026, 11, 22)


@cache
def patients() -> dict[str, dict[str, Any]]:
    """The designed Patients by their DoD IDs."""
    # Others are duplicates and copies of them, which another Patient takes the place of.
    found, designed = {}, {member.person.key for member in MEMBERS}
    for each in demo(TODAY):
        if each["resourceType"] == "Patient" and each["id"] in designed:
            values = {one["system"]: one["value"] for one in each["identifier"]}
            found[values[ids.DOD_ID_SYSTEM]] = each
    return found


@pytest.fixture
async def registry() -> EmbeddedRegistry:
    made = EmbeddedRegistry(MemoryDocuments(), Seal(b"k" * 32))
    await made.seed(enrolled(TODAY))
    return made


def test_every_designed_patient_is_known_once() -> None:
    known = [each["dod_id"] for each in enrolled(TODAY)]
    assert len(set(known)) == len(known) == len({each["ssn"] for each in enrolled(TODAY)})
    assert set(known) == set(patients()) | {each["dod_id"] for each in without_record(TODAY)}
    assert not set(patients()) & {each["dod_id"] for each in without_record(TODAY)}


def test_the_registry_is_alike_on_the_same_day() -> None:
    assert enrolled(TODAY) == enrolled(TODAY)
    assert [each["dod_id"] for each in enrolled(date(2027, 2, 28))] == [each["dod_id"] for each in enrolled(TODAY)]


async def test_records_and_registry_agree_but_for_those_who_show_that_they_may_not(registry: EmbeddedRegistry) -> None:
    results: dict[type, set[str]] = {}
    for dod_id, patient in patients().items():
        name = patient["name"][0]
        text = " ".join([*name["given"], name["family"], *name.get("suffix", ())])
        values = {each["system"]: each["value"] for each in patient["identifier"]}
        typed = Typed(text, date.fromisoformat(patient["birthDate"]), dod_id, values[ids.SSN_SYSTEM])
        of = next(
            each["valueCoding"]["code"]
            for each in patient["extension"]
            if "valueCoding" in each and "class" in each["url"]
        )
        found = await prove(registry, typed, frozenset({of}), TODAY)
        results.setdefault(type(found), set()).add(patient["id"])
    assert results.pop(Discrepancy) == set(BORN_OTHERWISE)
    # One died, and is of no class any more.
    assert results.pop(NotEligible) == {*NOT_ENROLLED, "jensen-karl"}
    assert set(results) == {Proven}


async def test_a_sponsors_family_is_found(registry: EmbeddedRegistry) -> None:
    family = await registry.dependents_of(ids.dod_id(1))
    assert {(each.given[0], each.relationship) for each in family} >= {("Miguel", "spouse"), ("Carmen", "parent")}
    assert len(family) == 6


async def test_two_with_one_name_and_birthday_are_two(registry: EmbeddedRegistry) -> None:
    _, one, other, *_ = without_record(TODAY)
    assert (one["given"], one["family"], one["birth_date"]) == (other["given"], other["family"], other["birth_date"])
    for each in (one, other):
        typed = Typed("Maria Cruz", date.fromisoformat(each["birth_date"]), each["dod_id"], each["ssn"])
        found = await prove(registry, typed, frozenset(), TODAY)
        assert isinstance(found, Proven)
        assert found.enrolled.dod_id == each["dod_id"]


async def test_an_accented_name_is_known_as_people_without_accents_type_it(registry: EmbeddedRegistry) -> None:
    andre = without_record(TODAY)[0]
    born = date.fromisoformat(andre["birth_date"])
    for name in ("André José Núñez-O’Hara III", "ANDRE NUNEZ OHARA", "Nunez-O'Hara, Andre J., III"):
        assert isinstance(await prove(registry, Typed(name, born, andre["dod_id"]), frozenset(), TODAY), Proven)
