"""`_contained` and `_containedType`: https://hl7.org/fhir/R4/search.html#contained"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import all_pages, bundle_of


@pytest.fixture
def record(api: httpx.Client, unique: str) -> str:
    """Medications by themselves and contained in a request and in a dispense."""

    def medication(code: str, **more: Any) -> dict[str, Any]:
        return {"resourceType": "Medication", "code": {"coding": [{"system": f"urn:{unique}", "code": code}]}, **more}

    resources = [
        medication("a", id=f"{unique}-m"),
        {
            "resourceType": "MedicationRequest",
            "id": f"{unique}-r",
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"Patient/{unique}"},
            "contained": [medication("a", id="m1"), medication("b", id="m2")],
            "medicationReference": {"reference": "#m1"},
            "supportingInformation": [{"reference": "#m2"}],
        },
        {
            "resourceType": "MedicationDispense",
            "id": f"{unique}-d",
            "status": "completed",
            "contained": [medication("a", id="m1")],
            "medicationReference": {"reference": "#m1"},
        },
    ]
    for resource in resources:
        response = api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        assert response.status_code == 201, response.text
    return unique


def urls(api: httpx.Client, search: str, unique: str) -> list[str]:
    entries = bundle_of(api, search).get("entry", [])
    assert all(entry["search"]["mode"] == "match" for entry in entries)
    return sorted(entry["fullUrl"].partition("/fhir/")[2].replace(f"{unique}-", "") for entry in entries)


def test_contained_resources_are_found_only_where_they_are_asked_for(api: httpx.Client, record: str) -> None:
    search = f"Medication?code=urn:{record}|a"
    assert urls(api, search, record) == ["Medication/m"]
    assert urls(api, f"{search}&_contained=false", record) == ["Medication/m"]
    assert urls(api, f"{search}&_contained=true", record) == ["MedicationDispense/d", "MedicationRequest/r"]
    assert urls(api, f"{search}&_contained=both", record) == [
        "Medication/m",
        "MedicationDispense/d",
        "MedicationRequest/r",
    ]
    assert urls(api, f"Medication?code=urn:{record}|b&_contained=true", record) == ["MedicationRequest/r"]
    assert urls(api, f"Medication?code=urn:{record}|c&_contained=both", record) == []


def test_contained_resources_can_be_given_by_themselves(api: httpx.Client, record: str) -> None:
    search = f"Medication?code=urn:{record}|a&_containedType=contained"
    assert urls(api, f"{search}&_contained=true", record) == ["MedicationDispense/d#m1", "MedicationRequest/r#m1"]
    assert urls(api, f"{search}&_contained=both", record) == [
        "Medication/m",
        "MedicationDispense/d#m1",
        "MedicationRequest/r#m1",
    ]
    both = f"Medication?code=urn:{record}|a,urn:{record}|b&_contained=true&_containedType=contained"
    assert urls(api, both, record) == ["MedicationDispense/d#m1", "MedicationRequest/r#m1", "MedicationRequest/r#m2"]
    entry = bundle_of(api, f"Medication?code=urn:{record}|b&_contained=true&_containedType=contained")["entry"][0]
    assert entry["resource"]["resourceType"] == "Medication"
    assert entry["resource"]["id"] == "m2"


def test_a_total_counts_what_the_page_shows(api: httpx.Client, record: str) -> None:
    search = f"Medication?code=urn:{record}|a,urn:{record}|b&_contained=true"
    assert bundle_of(api, search)["total"] == 2
    assert bundle_of(api, f"{search}&_containedType=contained")["total"] == 3
    assert bundle_of(api, f"{search}&_count=1&_total=accurate")["total"] == 2
    page = bundle_of(api, f"{search}&_containedType=contained&_count=1&_total=accurate")
    assert "total" not in page
    assert page["entry"][-1]["search"]["mode"] == "outcome"


def test_containers_come_in_pages(api: httpx.Client, record: str) -> None:
    pages = all_pages(api, f"Medication?code=urn:{record}|a&_contained=both&_count=1")
    assert [len(page.get("entry", [])) for page in pages] == [1, 1, 1]
