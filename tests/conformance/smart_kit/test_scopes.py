"""1.11 Scopes: version 1 and 2, all types of (g)(10), those of a practitioner, and an app that was granted little."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.smart_kit.app import App, Json
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIRST_SEARCHES, FIXED, TYPES, resources

pytestmark = pytest.mark.slow

LIMITED = ("Patient", "Condition", "Observation")


async def _probed(kit: Kit, launched: Launched, types: tuple[str, ...] = TYPES) -> dict[str, int]:
    """The status of the first search of each type."""
    found = {}
    for type in types:
        search = FIRST_SEARCHES.get(type, {"_count": "1"})
        asked = {name: value.format(patient=launched.patient) for name, value in search.items()}
        answer = await kit.http.get(f"{kit.base}/{type}", params=asked, headers=launched.bearer)
        assert answer.status_code != 200 or answer.json()["resourceType"] == "Bundle"
        assert answer.status_code == 200 or answer.json()["resourceType"] == "OperationOutcome"
        found[type] = answer.status_code
    return found


@pytest.mark.parametrize("launch", ["standalone", "ehr"])
async def test_every_granted_type_is_searched(kit: Kit, standalone: Launched, ehr: Launched, launch: str) -> None:
    launched = standalone if launch == "standalone" else ehr
    assert await _probed(kit, launched) == dict.fromkeys(TYPES, 200)


@pytest.mark.parametrize("type", sorted(FIRST_SEARCHES.keys() - {"Patient"}))
async def test_a_first_search_finds_the_same_in_every_form(kit: Kit, standalone: Launched, type: str) -> None:
    patient = standalone.patient
    search = {name: value.format(patient=patient) for name, value in FIRST_SEARCHES[type].items()}
    found = await kit.search(standalone, type, search)
    assert all(_names(each, patient) for each in found.values())
    assert set(await kit.search(standalone, type, search, by_post=True)) == set(found)
    assert set(await kit.search(standalone, type, {**search, "patient": f"Patient/{patient}"})) == set(found)


async def test_whatever_a_record_refers_to_is_read(kit: Kit, standalone: Launched) -> None:
    referred: set[str] = set()
    for type in FIRST_SEARCHES:
        search = {name: value.format(patient=standalone.patient) for name, value in FIRST_SEARCHES[type].items()}
        for resource in (await kit.search(standalone, type, search)).values():
            referred |= {each for each in _references(resource) if each.split("/")[0] in TYPES}
    # Another agency's record of the same person (Patient.link) is not the record that was granted.
    referred = {each for each in referred if not each.startswith("Patient/")}
    types = {each.split("/")[0] for each in referred}
    assert {"Practitioner", "Organization", "Location", "Encounter", "Specimen"} <= types
    for reference in sorted(referred):
        read = await kit.get(reference, standalone)
        assert read.status_code == 200 and read.json()["resourceType"] == reference.split("/")[0], reference


def _references(part: Any) -> Iterator[str]:
    """All relative references in a resource."""
    if isinstance(part, list):
        for each in part:
            yield from _references(each)
    elif isinstance(part, dict):
        if isinstance(part.get("reference"), str) and part["reference"].count("/") == 1:
            yield part["reference"]
        for each in part.values():
            yield from _references(each)


def _names(resource: Json, patient: str) -> bool:
    """Whether the resource is about this patient."""
    of = next(resource[name] for name in ("subject", "patient", "beneficiary") if name in resource)
    return of["reference"].endswith(f"Patient/{patient}")


async def test_version_1_is_granted_as_it_was_asked_for(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    scope = " ".join((*FIXED, *resources("patient", "read")))
    launched = await kit.launch(apps["symmetric"], patient, scope)
    assert set(launched.scopes) == set(scope.split())
    assert await _probed(kit, launched) == dict.fromkeys(TYPES, 200)


async def test_wildcards_reach_every_type(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    launched = await kit.launch(apps["public"], patient, "launch/patient patient/*.rs")
    assert launched.scopes == ["launch/patient", "patient/*.rs"]
    assert await _probed(kit, launched) == dict.fromkeys(TYPES, 200)


@pytest.fixture(scope="module")
def kept() -> tuple[str, ...]:
    """What the person leaves ticked."""
    return (*FIXED, *resources("patient", types=LIMITED))


async def test_a_limited_app_has_exactly_what_was_left_ticked(
    kit: Kit, apps: dict[str, App], patient: Person, kept: tuple[str, ...]
) -> None:
    asked = " ".join((*FIXED, *resources("patient")))
    launched = await kit.launch(apps["symmetric"], patient, asked, choice=lambda _: kept)
    assert sorted(launched.scopes) == sorted(kept)
    expected = {type: 200 if type in LIMITED else 403 for type in TYPES}
    assert await _probed(kit, launched) == expected


async def test_a_limited_app_stays_limited_when_it_refreshes(
    kit: Kit, apps: dict[str, App], patient: Person, kept: tuple[str, ...]
) -> None:
    asked = " ".join((*FIXED, *resources("patient")))
    launched = await kit.launch(apps["symmetric"], patient, asked, choice=lambda _: kept)
    response = await kit.refresh(launched.app, launched.answer["refresh_token"])
    refreshed = Launched(launched.app, launched.asked, response)
    assert sorted(refreshed.scopes) == sorted(kept)
    assert await _probed(kit, refreshed, ("Patient", "Encounter")) == {"Patient": 200, "Encounter": 403}


async def test_every_entry_of_a_batch_is_checked(kit: Kit, public: Launched) -> None:
    asked = [f"Patient/{public.patient}", "Observation?_count=1", "Condition?_count=1", "Patient/rivera-ana"]
    entries = [{"request": {"method": "GET", "url": url}} for url in asked]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = await kit.http.post(kit.base, json=batch, headers=public.bearer)
    statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert statuses == ["200", "200", "403", "404"]


async def test_included_types_come_where_they_were_granted(
    kit: Kit, standalone: Launched, apps: dict[str, App], patient: Person
) -> None:
    asked = {"patient": standalone.patient, "_include": "MedicationRequest:medication"}
    asked["_revinclude"] = "Provenance:target"
    scope = "launch/patient patient/MedicationRequest.rs"
    narrow = await kit.launch(apps["public"], patient, scope)
    types = {}
    for name, launched in (("all", standalone), ("narrow", narrow)):
        answer = await kit.http.get(f"{kit.base}/MedicationRequest", params=asked, headers=launched.bearer)
        types[name] = {entry["resource"]["resourceType"] for entry in answer.json()["entry"]}
    assert {"MedicationRequest", "Provenance"} <= types["all"]
    assert types["narrow"] == {"MedicationRequest"}


async def test_a_patient_scope_brings_the_patient(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    launched = await kit.launch(apps["public"], patient, "patient/Observation.rs")
    assert launched.patient


async def test_user_scopes_are_bounded_by_what_the_user_may_see(
    kit: Kit, apps: dict[str, App], patient: Person, ehr: Launched
) -> None:
    launched = await kit.launch(apps["public"], patient, "openid user/*.rs")
    assert set(await kit.search(launched, "Patient", {})) == {"walker-james"}
    assert (await kit.get("Patient/rivera-ana", launched)).status_code == 404
    assert (await kit.get("Patient/rivera-ana", ehr)).status_code == 404
