"""Who somebody is, by the registry of eligibility that the server keeps itself."""

import json
from datetime import date
from typing import Any

import pytest

from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable, ServiceStatus
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.identity.proofing import (
    NOT_RECOGNIZED,
    Discrepancy,
    NotEligible,
    Proven,
    Typed,
    prove,
)
from smart_auth.records import ENROLLED, ENROLLED_BY_SSN
from smart_auth.sealing import Seal
from tests.auth.memory_documents import MemoryDocuments

TODAY = date(2026, 11, 22)
BORN = date(1984, 3, 12)
ANA, SSN = "9900000017", "900000001"
TWIN_A, TWIN_B = "9900000025", "9900000033"
RETIREE = frozenset({"retiree"})
ENTRIES: list[dict[str, Any]] = [
    {
        "dod_id": ANA,
        "ssn": SSN,
        "family": "Rivera",
        "given": ["Ana", "María"],
        "birth_date": "1984-03-12",
        "statuses": [
            {"beneficiary_class": "active-duty", "start": "2010-01-01", "end": "2026-11-22"},
            {"beneficiary_class": "veteran", "start": "2026-11-23"},
        ],
    },
    *(
        {
            "dod_id": each,
            "ssn": ssn,
            "family": "Lee",
            "given": ["Sam"],
            "birth_date": "2001-01-01",
            "statuses": [{"beneficiary_class": "retiree", "start": "2020-01-01"}],
            "sponsor_dod_id": ANA,
            "relationship": "child",
        }
        for each, ssn in ((TWIN_A, "900-00-0002"), (TWIN_B, "900000003"))
    ),
]


@pytest.fixture
async def registry() -> EmbeddedRegistry:
    made = EmbeddedRegistry(MemoryDocuments(), Seal(b"k" * 32))
    assert await made.seed(ENTRIES) == 3
    return made


async def proof(registry: EmbeddedRegistry, wanted: frozenset[str] = frozenset(), **typed: Any) -> Any:
    return await prove(registry, Typed(**{"name": "Ana Rivera", "birth_date": BORN, **typed}), wanted, TODAY)


class TestNumbersFindAPerson:
    @pytest.mark.parametrize(
        "numbers", [{"dod_id": ANA}, {"ssn": SSN}, {"ssn": "900-00-0001"}, {"dod_id": ANA, "ssn": "900 00 0001"}]
    )
    async def test_by_either_number_or_both(self, registry: EmbeddedRegistry, numbers: dict[str, Any]) -> None:
        found = await proof(registry, **numbers)
        assert isinstance(found, Proven)
        assert found.enrolled.dod_id == ANA

    @pytest.mark.parametrize(
        "numbers",
        [
            {},
            {"dod_id": "9900000041"},
            {"dod_id": "ANA"},
            {"ssn": "900000009"},
            {"dod_id": ANA, "ssn": "900000009"},
            {"dod_id": "9900000041", "ssn": SSN},
            {"dod_id": ANA, "ssn": "900000002"},
            {"dod_id": ANA, "ssn": "no number"},
            {"dod_id": ANA, "ssn": ""},
        ],
    )
    async def test_one_wrong_digit_and_nobody_is_known(
        self, registry: EmbeddedRegistry, numbers: dict[str, Any]
    ) -> None:
        assert await proof(registry, **numbers) == NOT_RECOGNIZED

    async def test_equal_names_and_birthdays_are_told_apart_by_number(self, registry: EmbeddedRegistry) -> None:
        typed = {"name": "Sam Lee", "birth_date": date(2001, 1, 1)}
        for dod_id, ssn in ((TWIN_A, "900000002"), (TWIN_B, "900000003")):
            found = await proof(registry, RETIREE, **typed, dod_id=dod_id, ssn=ssn)
            assert isinstance(found, Proven)
            assert found.enrolled.dod_id == dod_id
        assert await proof(registry, RETIREE, **typed, dod_id=TWIN_A, ssn="900000003") == NOT_RECOGNIZED


class TestNameAndDayFit:
    @pytest.mark.parametrize("typed", [{"name": "Anna Rivera"}, {"birth_date": date(1984, 12, 3)}])
    async def test_one_that_differs_is_a_discrepancy(self, registry: EmbeddedRegistry, typed: dict[str, Any]) -> None:
        found = await proof(registry, dod_id=ANA, **typed)
        assert isinstance(found, Discrepancy)
        assert (found.enrolled.dod_id, found.reason) == (ANA, "deers-discrepancy")

    async def test_neither_fits_and_nobody_is_known(self, registry: EmbeddedRegistry) -> None:
        found = await proof(registry, dod_id=ANA, ssn=SSN, name="Bob Smith", birth_date=date(1990, 1, 1))
        assert found == NOT_RECOGNIZED


class TestClasses:
    async def test_the_old_class_counts_on_its_last_day(self, registry: EmbeddedRegistry) -> None:
        wanted = frozenset({"active-duty"})
        assert isinstance(await proof(registry, wanted, dod_id=ANA), Proven)
        typed = Typed("Ana Rivera", BORN, dod_id=ANA)
        assert isinstance(await prove(registry, typed, wanted, date(2026, 11, 23)), NotEligible)

    async def test_the_new_one_begins_on_its_first(self, registry: EmbeddedRegistry) -> None:
        wanted = frozenset({"veteran"})
        assert isinstance(await proof(registry, wanted, dod_id=ANA), NotEligible)
        typed = Typed("Ana Rivera", BORN, dod_id=ANA)
        assert isinstance(await prove(registry, typed, wanted, date(2026, 11, 23)), Proven)

    async def test_a_discrepancy_is_told_before_a_class(self, registry: EmbeddedRegistry) -> None:
        assert isinstance(await proof(registry, RETIREE, dod_id=ANA, name="Anna Rivera"), Discrepancy)


class TestTheRegistryItself:
    async def test_a_family_is_found_by_its_sponsor(self, registry: EmbeddedRegistry) -> None:
        assert [each.dod_id for each in await registry.dependents_of(ANA)] == [TWIN_A, TWIN_B]
        assert await registry.dependents_of(TWIN_A) == ()

    async def test_no_number_and_no_name_can_be_read_in_the_documents(self) -> None:
        documents = MemoryDocuments()
        await EmbeddedRegistry(documents, Seal(b"k" * 32)).seed(ENTRIES)
        kept = json.dumps([await documents.find(kind, {}) for kind in (ENROLLED, ENROLLED_BY_SSN)])
        assert len(kept) > 1000
        for secret in (ANA, TWIN_A, SSN, "900000002", "900-00-0002", "Rivera", "1984-03-12"):
            assert secret not in kept

    async def test_seeding_twice_adds_nobody(self, registry: EmbeddedRegistry) -> None:
        moved = {**ENTRIES[0], "family": "Rivera-Lopez"}
        await registry.seed([moved])
        found = await registry.by_ssn(SSN)
        assert found == Enrolled(
            ANA,
            "Rivera-Lopez",
            ("Ana", "María"),
            BORN,
            statuses=(
                ServiceStatus("active-duty", date(2010, 1, 1), date(2026, 11, 22)),
                ServiceStatus("veteran", date(2026, 11, 23)),
            ),
        )

    async def test_another_key_makes_it_unavailable_and_nobody_unknown(self) -> None:
        documents = MemoryDocuments()
        seal = Seal(b"k" * 32)
        await EmbeddedRegistry(documents, seal).seed(ENTRIES)
        id = seal.keyed_digest(f"dod {ANA}")
        await documents.change(ENROLLED, id, {"sealed": seal.sealed("{}", "another")})
        with pytest.raises(RegistryUnavailable):
            await EmbeddedRegistry(documents, seal).by_dod_id(ANA)

    @pytest.mark.parametrize("wrong", [{"dod_id": "99"}, {"ssn": "9"}, {"birth_date": "soon"}])
    async def test_what_cannot_be_a_person_is_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValueError):
            await EmbeddedRegistry(MemoryDocuments(), Seal(b"k" * 32)).seed([{**ENTRIES[0], **wrong}])
