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


@pytest.fixture
def boxes(api: httpx.Client, unique: str) -> str:
    """Five requests that contain 1, 4, 0, 3 and 5 medications of one code."""
    for number, size in enumerate((1, 4, 0, 3, 5)):
        held = [
            {
                "resourceType": "Medication",
                "id": f"m{n}",
                "code": {"coding": [{"system": f"urn:{unique}", "code": "a"}]},
            }
            for n in range(size)
        ]
        resource = {
            "resourceType": "MedicationRequest",
            "id": f"{unique}-{number}",
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"Patient/{unique}"},
            **(
                {"contained": held, "supportingInformation": [{"reference": f"#m{n}"} for n in range(size)]}
                if held
                else {}
            ),
            "medicationCodeableConcept": {"text": "none"},
        }
        response = api.put(f"MedicationRequest/{resource['id']}", json=resource)
        assert response.status_code == 201, response.text
    own = {
        "resourceType": "Medication",
        "id": f"{unique}-own",
        "code": {"coding": [{"system": f"urn:{unique}", "code": "a"}]},
    }
    assert api.put(f"Medication/{own['id']}", json=own).status_code == 201
    return unique


@pytest.mark.parametrize("order", ["", "&_sort=_id", "&_sort=_lastUpdated"])
@pytest.mark.parametrize("contained", ["true", "both"])
def test_no_page_gives_more_contained_resources_than_asked_for(
    api: httpx.Client, boxes: str, order: str, contained: str
) -> None:
    search = f"Medication?code=urn:{boxes}|a&_contained={contained}&_containedType=contained{order}"
    whole = [entry["fullUrl"].rpartition("/")[2] for entry in bundle_of(api, search)["entry"]]
    expected = [f"{boxes}-{box}#m{n}" for box, size in ((0, 1), (1, 4), (3, 3), (4, 5)) for n in range(size)]
    assert sorted(whole) == sorted(expected if contained == "true" else [*expected, f"{boxes}-own"])
    for count in (1, 2, 3, 4, 5, 12, 13, 14):
        pages = all_pages(api, f"{search}&_count={count}")
        together = [entry["fullUrl"].rpartition("/")[2] for page in pages for entry in page.get("entry", [])]
        assert together == whole, count
        sizes = [len(page.get("entry", [])) for page in pages]
        assert all(size == count for size in sizes[:-1]), sizes
        assert 0 < sizes[-1] <= count


def test_pages_of_contained_resources_stay_as_they_were_on_the_first(api: httpx.Client, boxes: str) -> None:
    search = f"Medication?code=urn:{boxes}|a&_contained=true&_containedType=contained&_sort=_id"
    first = bundle_of(api, f"{search}&_count=3")
    assert api.delete(f"MedicationRequest/{boxes}-1").status_code in (200, 204)
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    pages = [first, *all_pages(api, following)]
    assert sum(len(page["entry"]) for page in pages) == 13


@pytest.mark.parametrize(
    ("search", "named"),
    [
        ("Medication?code=x&_contained=true&_include=Medication:manufacturer", ["_include"]),
        ("Medication?code=x&_contained=both&_revinclude=MedicationRequest:medication", ["_revinclude"]),
        ("Medication?_list=x&_contained=true", ["_list"]),
        ("Medication?_list=x&_contained=both", ["_list"]),
        ("Medication?_has:MedicationRequest:medication:status=active&_contained=true", ["_has"]),
        ("Medication?_list=x&_contained=true&_include=Medication:manufacturer", ["_include", "_list"]),
        ("?_type=Medication&_contained=true", ["_contained"]),
        ("?_id=x&_contained=both", ["_contained"]),
        ("Patient/p1/MedicationRequest?_contained=true", ["_contained"]),
        ("Patient/p1/*?_contained=both", ["_contained"]),
    ],
)
@pytest.mark.parametrize("handling", ["strict", "lenient"])
def test_what_contained_resources_cannot_be_searched_with_is_refused(
    api: httpx.Client, search: str, named: list[str], handling: str
) -> None:
    response = api.get(search, headers={"prefer": f"handling={handling}"})
    assert response.status_code == 400, response.text
    assert sorted(issue["expression"][0] for issue in response.json()["issue"]) == named


def test_a_search_that_names_contained_false_is_any_other(api: httpx.Client, record: str) -> None:
    assert urls(api, f"?_type=Medication&code=urn:{record}|a&_contained=false", record) == ["Medication/m"]
