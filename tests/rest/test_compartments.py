"""search in a compartment: https://hl7.org/fhir/R4/http.html#vsearch"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import all_pages, bundle_of, found, places
from tests.rest.conftest import created, observation, patient, texts


@pytest.fixture
def record(api: httpx.Client) -> dict[str, Any]:
    """A patient with a condition, an encounter and three observations, one of them made by them of somebody else."""
    person, other = created(api, patient())["id"], created(api, patient())["id"]
    encounter = created(
        api,
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{person}"},
        },
    )["id"]
    own = [
        created(
            api,
            observation(person, effectiveDateTime=f"202{n}-01-01", encounter={"reference": f"Encounter/{encounter}"}),
        )["id"]
        for n in (1, 2)
    ]
    made = created(api, observation(other, performer=[{"reference": f"Patient/{person}"}]))["id"]
    created(api, observation(other))
    condition = created(api, {"resourceType": "Condition", "subject": {"reference": f"Patient/{person}"}})["id"]
    return {"p": person, "other": other, "e": encounter, "own": own, "made": made, "c": condition}


def test_a_compartment_holds_what_any_of_its_parameters_names(api: httpx.Client, record: dict[str, Any]) -> None:
    person = record["p"]
    assert sorted(found(api, f"Patient/{person}/Observation")) == sorted([*record["own"], record["made"]])
    assert found(api, f"Patient/{person}/Observation?date=2021") == [record["own"][0]]
    assert found(api, f"Patient/{person}/Observation?_sort=date&subject={person}") == record["own"]
    assert found(api, f"Patient/{person}/Condition") == [record["c"]]
    assert sorted(found(api, f"Encounter/{record['e']}/Observation")) == sorted(record["own"])
    assert found(api, f"Encounter/{record['e']}/Encounter") == [record["e"]]
    form = api.post(f"Patient/{person}/Observation/_search", data={"date": "2022"})
    assert [entry["resource"]["id"] for entry in form.json()["entry"]] == [record["own"][1]]


def test_all_types_of_a_compartment_come_in_one_bundle(api: httpx.Client, record: dict[str, Any]) -> None:
    person = record["p"]
    expected = {
        f"Condition/{record['c']}",
        f"Encounter/{record['e']}",
        *(f"Observation/{id}" for id in (*record["own"], record["made"])),
    }
    bundle = bundle_of(api, f"Patient/{person}/*")
    assert set(places(bundle)) == expected
    assert bundle["total"] == len(expected)
    assert bundle["link"][0]["url"].endswith(f"/fhir/Patient/{person}/*")
    assert all(
        entry["fullUrl"].endswith(f"{entry['resource']['resourceType']}/{entry['resource']['id']}")
        for entry in bundle["entry"]
    )
    pages = all_pages(api, f"Patient/{person}/*?_count=2")
    assert [place for page in pages for place in places(page)] == places(bundle)
    some = bundle_of(api, f"Patient/{person}/*?_type=Condition,Encounter")
    assert set(places(some)) == {f"Condition/{record['c']}", f"Encounter/{record['e']}"}
    assert bundle_of(api, f"Patient/{person}/*?_summary=count")["total"] == len(expected)


def test_a_batch_searches_compartments_and_the_whole_system_too(api: httpx.Client, record: dict[str, Any]) -> None:
    person = record["p"]
    urls = (f"Patient/{person}/Condition", f"Patient/{person}/*?_type=Condition", f"?_type=Condition&patient={person}")
    entry = [{"request": {"method": "GET", "url": url}} for url in (*urls, f"Patient/{person}?_elements=gender")]
    answered = api.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entry}).json()["entry"]
    assert [places(each["resource"]) for each in answered[:3]] == [[f"Condition/{record['c']}"]] * 3
    assert answered[3]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_an_unknown_focus_has_an_empty_compartment(api: httpx.Client) -> None:
    assert bundle_of(api, "Patient/nobody-at-all/Observation")["total"] == 0
    assert bundle_of(api, "Patient/nobody-at-all/*")["total"] == 0


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("Patient/p1/Organization", 404, "never in the compartment"),
        ("Organization/o1/Patient", 404, "no compartment of Organization"),
        ("Patient/p1/Nosuch", 404, "not a resource type"),
        ("Patient/p1/Observation?nosuch=x", 400, "nosuch"),
        ("Patient/p1/*?_type=Organization", 400, "never in the compartment"),
        ("Patient/p_1/Observation", 400, "cannot be an id"),
        ("Patient/p1|x/*", 400, "cannot be an id"),
        (f"Patient/{'x' * 65}/*", 400, "cannot be an id"),
    ],
)
def test_what_no_compartment_holds_is_refused(api: httpx.Client, path: str, status: int, says: str) -> None:
    response = api.get(path)
    assert response.status_code == status
    assert says in texts(response)


def test_a_page_link_holds_for_its_own_compartment(api: httpx.Client, record: dict[str, Any]) -> None:
    first = bundle_of(api, f"Patient/{record['p']}/Observation?_count=1")
    cursor = next(link["url"] for link in first["link"] if link["relation"] == "next").partition("?")[2]
    assert api.get(f"Patient/{record['p']}/Observation?{cursor}").status_code == 200
    assert api.get(f"Patient/{record['other']}/Observation?{cursor}").status_code == 400
    assert api.get(f"Observation?{cursor}").status_code == 400
