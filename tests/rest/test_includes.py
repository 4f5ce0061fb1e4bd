"""`_include` and `_revinclude`: https://hl7.org/fhir/R4/search.html#include"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import all_pages, bundle_of, places
from tests.rest.conftest import numbers, observation, patient
from tests.rest.forms import NAMED, NAMING, forms


@pytest.fixture
def record(api: httpx.Client, unique: str) -> str:
    """Two observations of one patient at an organization that is part of itself by way of another."""

    def reference(type: str, name: str) -> dict[str, str]:
        return {"reference": f"{type}/{unique}-{name}"}

    resources: list[dict[str, Any]] = [
        {"resourceType": "Organization", "id": f"{unique}-o1", "name": "A", "partOf": reference("Organization", "o2")},
        {"resourceType": "Organization", "id": f"{unique}-o2", "name": "B", "partOf": reference("Organization", "o1")},
        patient(id=f"{unique}-p", managingOrganization=reference("Organization", "o1")),
        observation(f"{unique}-p", id=f"{unique}-b1", hasMember=[reference("Observation", "b2")]),
        observation(
            f"{unique}-p", id=f"{unique}-b2", performer=[reference("Organization", "o1"), reference("Patient", "gone")]
        ),
        {
            "resourceType": "Provenance",
            "id": f"{unique}-v",
            "target": [{"reference": f"Observation/{unique}-b1/_history/1"}],
            "recorded": "2024-01-01T00:00:00Z",
            "agent": [{"who": reference("Organization", "o2")}],
        },
    ]
    entry = [
        {"request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}, "resource": each}
        for each in resources
    ]
    response = api.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entry})
    assert response.status_code == 200, response.text
    return unique


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("Observation?_id={u}-b1&_include=Observation:subject", "Patient/p"),
        ("Observation?_id={u}-b1&_include=Observation:subject:Patient", "Patient/p"),
        ("Observation?_id={u}-b1&_include=Observation:subject:Group", ""),
        ("Observation?_id={u}-b1&_include=Observation:*", "Patient/p Observation/b2"),
        ("Observation?_id={u}-b1&_include=*", "Patient/p Observation/b2"),
        ("Observation?_id={u}-b1,{u}-b2&_include=Observation:has-member", ""),
        ("Observation?_id={u}-b2&_include=Observation:performer", "Organization/o1"),
        ("Observation?_id={u}-b1&_include=Observation:subject&_include=Patient:organization", "refused"),
        (
            "Observation?_id={u}-b1&_include=Observation:subject&_include:iterate=Patient:organization",
            "Patient/p Organization/o1",
        ),
        (
            "Observation?_id={u}-b1&_include=Observation:subject&_include:iterate=Patient:organization"
            "&_include:iterate=Organization:partof",
            "Patient/p Organization/o1 Organization/o2",
        ),
        ("Patient?_id={u}-p&_revinclude=Observation:subject", "Observation/b1 Observation/b2"),
        ("Patient?_id={u}-p&_revinclude=Observation:*", "Observation/b1 Observation/b2"),
        ("Patient?_id={u}-p&_revinclude=*", "Observation/b1 Observation/b2"),
        ("Observation?_id={u}-b1&_revinclude=Provenance:target", "Provenance/v"),
        (
            "Patient?_id={u}-p&_revinclude=Observation:subject&_revinclude:iterate=Provenance:target",
            "Observation/b1 Observation/b2 Provenance/v",
        ),
        ("Provenance?_id={u}-v&_include=Provenance:target", "Observation/b1"),
        ("Observation?_id={u}-b1&_include:iterate=*", "Patient/p Observation/b2 Organization/o1 Organization/o2"),
    ],
)
def test_each_include_adds_what_it_names_once(api: httpx.Client, record: str, search: str, expected: str) -> None:
    response = api.get(search.format(u=record))
    if expected == "refused":
        assert response.status_code == 400
        return
    assert response.status_code == 200, response.text
    bundle = response.json()
    assert sorted(places(bundle, "include")) == sorted(each.replace("/", f"/{record}-") for each in expected.split())
    assert bundle["total"] == len(places(bundle))
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])


def test_each_page_includes_what_its_own_matches_name(api: httpx.Client, record: str) -> None:
    pages = all_pages(api, f"Observation?subject={record}-p&_count=1&_include=Observation:subject")
    assert [len(places(page)) for page in pages] == [1, 1]
    assert [places(page, "include") for page in pages] == [[f"Patient/{record}-p"]] * 2


def test_a_deleted_target_is_left_out(api: httpx.Client, record: str) -> None:
    assert api.delete(f"Organization/{record}-o1").status_code in (200, 204)
    bundle = bundle_of(api, f"Patient?_id={record}-p&_include=Patient:organization")
    assert places(bundle, "include") == []


def test_canonicals_are_included_by_url(api: httpx.Client, unique: str) -> None:
    url = f"http://example.org/q/{unique}"
    form = {"resourceType": "Questionnaire", "id": f"{unique}-q", "status": "active", "url": url}
    answer = {"resourceType": "QuestionnaireResponse", "id": f"{unique}-r", "status": "completed", "questionnaire": url}
    for resource in (form, answer):
        api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    forward = bundle_of(api, f"QuestionnaireResponse?_id={unique}-r&_include=QuestionnaireResponse:questionnaire")
    assert places(forward, "include") == [f"Questionnaire/{unique}-q"]
    back = bundle_of(api, f"Questionnaire?_id={unique}-q&_revinclude=QuestionnaireResponse:questionnaire")
    assert places(back, "include") == [f"QuestionnaireResponse/{unique}-r"]


def test_an_include_that_names_nothing_is_refused(api: httpx.Client) -> None:
    for asked in ("Observation:code", "Observation:nosuch", "Nosuch:subject", "Observation", "Patient:organization"):
        assert numbers(api.get("Observation", params={"_include": asked})) == ["4003"], asked


def test_a_canonical_with_a_version_includes_that_version_alone(api: httpx.Client, unique: str) -> None:
    for resource in forms(unique):
        api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    for answer, expected in NAMED.items():
        search = f"QuestionnaireResponse?_id={unique}-{answer}&_include=QuestionnaireResponse:questionnaire"
        included = places(bundle_of(api, search), "include")
        assert sorted(included) == [f"Questionnaire/{unique}-{each}" for each in expected.split()], answer
    for form, expected in NAMING.items():
        search = f"Questionnaire?_id={unique}-{form}&_revinclude=QuestionnaireResponse:questionnaire"
        included = places(bundle_of(api, search), "include")
        assert sorted(included) == [f"QuestionnaireResponse/{unique}-{each}" for each in expected.split()], form
