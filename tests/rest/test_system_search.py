"""search of the whole system: https://hl7.org/fhir/R4/http.html#search"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import all_pages, bundle_of, places
from tests.rest.conftest import created, observation, patient, texts


@pytest.fixture
def run(api: httpx.Client, unique: str) -> tuple[str, list[str]]:
    """Resources of four types with one tag, some with equal ids and without a date, and their places."""
    tag: dict[str, Any] = {"meta": {"tag": [{"system": "urn:run", "code": unique}]}}
    person = created(api, patient(**tag))["id"]
    entry: list[dict[str, Any]] = []
    for number in range(4):
        dated = {"effectiveDateTime": f"202{number}-01-01"} if number else {}
        entry.append(observation(person, id=f"{unique}-{number}", **dated, **tag))
        recorded = {"performedDateTime": f"202{number}-01-01"} if number % 2 else {}
        entry.append(
            {
                "resourceType": "Procedure",
                "id": f"{unique}-{number}",
                "status": "completed",
                "subject": {"reference": f"Patient/{person}"},
                **recorded,
                **tag,
            }
        )
        entry.append({"resourceType": "Organization", "id": f"{unique}-{number}", "name": f"O{number}", **tag})
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}, "resource": each}
            for each in entry
        ],
    }
    assert api.post("", json=bundle).status_code == 200
    return unique, [f"Patient/{person}", *(f"{each['resourceType']}/{each['id']}" for each in entry)]


def test_a_search_of_all_types_finds_each(api: httpx.Client, run: tuple[str, list[str]]) -> None:
    unique, expected = run
    bundle = bundle_of(api, f"?_tag=urn:run|{unique}&_type=Patient,Observation,Organization,Procedure")
    assert sorted(places(bundle)) == sorted(expected)
    assert bundle["total"] == len(expected)
    everything = bundle_of(api, f"?_tag=urn:run|{unique}")
    assert places(everything) == places(bundle)
    form = api.post("_search", data={"_tag": f"urn:run|{unique}", "_type": "Patient"})
    assert places(form.json()) == expected[:1]
    assert bundle_of(api, f"?_tag=urn:run|{unique}&_summary=count")["total"] == len(expected)
    counted = bundle_of(api, f"?_tag=urn:run|{unique}&_count=2&_total=accurate")
    assert counted["total"] == len(expected)


@pytest.mark.parametrize("order", ["", "_lastUpdated", "-_lastUpdated", "_id", "-_id", "-_lastUpdated,_id"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_pages_of_several_types_are_the_set_in_order(
    api: httpx.Client, run: tuple[str, list[str]], order: str, count: int
) -> None:
    unique, expected = run
    url = f"?_tag=urn:run|{unique}" + (f"&_sort={order}" if order else "")
    whole = places(bundle_of(api, url))
    assert sorted(whole) == sorted(expected)
    pages = all_pages(api, f"{url}&_count={count}")
    assert [place for page in pages for place in places(page)] == whole


@pytest.mark.parametrize("order", ["date", "-date"])
@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("narrowed", [False, True])
def test_types_are_merged_by_a_parameter_they_share_with_missing_values_last(
    api: httpx.Client, run: tuple[str, list[str]], order: str, count: int, narrowed: bool
) -> None:
    unique, places_of_run = run
    patients = f"&patient={places_of_run[0]}" if narrowed else ""
    url = f"?_type=Observation,Procedure&_tag=urn:run|{unique}{patients}&_sort={order}"
    bundle = bundle_of(api, url)
    dates = [
        (entry["resource"].get("effectiveDateTime") or entry["resource"].get("performedDateTime") or "")[:4]
        for entry in bundle["entry"]
    ]
    present = [date for date in dates if date]
    assert present == sorted(present, reverse=order == "-date")
    assert dates == present + [""] * (len(dates) - len(present))
    assert len(dates) == 8
    pages = all_pages(api, f"{url}&_count={count}")
    assert [place for page in pages for place in places(page)] == places(bundle)


def test_includes_and_chains_work_across_types(api: httpx.Client, run: tuple[str, list[str]]) -> None:
    unique, expected = run
    bundle = bundle_of(api, f"?_type=Observation,Procedure&_tag=urn:run|{unique}&_include=Procedure:subject")
    assert places(bundle, "include") == expected[:1]
    person = expected[0].partition("/")[2]
    chained = bundle_of(api, f"?_type=Observation,Procedure&patient._id={person}")
    assert len(places(chained)) == 8


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("?_type=Nosuch", "Nosuch"),
        ("?name=x", "name"),
        ("?_type=Patient,Observation&birthdate=2020", "birthdate"),
        ("?_type=Patient&_type=Observation", "_type"),
        ("?_type=Patient,Observation&_sort=birthdate", "_sort"),
    ],
)
def test_what_not_all_types_have_is_refused(api: httpx.Client, search: str, says: str) -> None:
    response = api.get(search)
    assert response.status_code == 400
    assert says in texts(response)


def test_a_page_over_many_types_is_cut_and_says_so(api: httpx.Client, run: tuple[str, list[str]]) -> None:
    bundle = bundle_of(api, f"?_tag=urn:run|{run[0]}&_count=1000")
    link = bundle["link"][0]["url"]
    assert 20 <= int(link.rpartition("_count=")[2]) < 1000
    assert len(places(bundle)) == len(run[1])
