"""Order and pages of any search by their links: https://hl7.org/fhir/R4/search.html#sort"""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient, texts


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


def whole(api: httpx.Client, url: str) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    next: str | None = url
    while next:
        response = api.get(next)
        assert response.status_code == 200, response.text
        found += ids(response.json())
        next = link(response.json(), "next")
    return found


@pytest.fixture
def measured(api: httpx.Client, unique: str) -> list[tuple[str, float | None]]:
    """Observations of one tag with the value each has, some equal, some without."""
    person = created(api, patient())["id"]
    tag = {"meta": {"tag": [{"system": "urn:run", "code": unique}]}}
    found: list[tuple[str, float | None]] = []
    for number in range(14):
        value = None if number % 5 == 4 else float(number * 7 % 4)
        quantity = {} if value is None else {"valueQuantity": {"value": value, "unit": "x"}}
        stored = observation(person, **tag, **quantity, effectiveDateTime=f"2024-01-0{1 + number % 3}")
        found.append((created(api, stored)["id"], value))
    return found


@pytest.mark.parametrize(
    "sort", ["value-quantity", "-value-quantity", "value-quantity,-date", "-date,value-quantity,_id"]
)
@pytest.mark.parametrize("count", [1, 3, 5, 14, 15])
def test_pages_of_any_size_are_the_whole_with_ties_and_missing_values_last(
    api: httpx.Client, unique: str, measured: list[tuple[str, float | None]], sort: str, count: int
) -> None:
    url = f"Observation?_tag=urn:run|{unique}&_sort={sort}"
    found = whole(api, f"{url}&_count={count}")
    assert found == whole(api, f"{url}&_count=1000")
    assert sorted(found) == sorted(id for id, _ in measured)
    values = dict(measured)
    if sort.split(",")[0].endswith("value-quantity"):
        held = [values[id] for id in found if values[id] is not None]
        assert held == sorted((each for each in values.values() if each is not None), reverse=sort.startswith("-"))
        assert all(values[id] is None for id in found[len(held) :])


def test_the_self_link_says_what_was_applied_and_is_the_same_search(
    api: httpx.Client, unique: str, measured: list[tuple[str, float | None]]
) -> None:
    asked = [
        ("_tag", f"urn:run|{unique}"), ("value-quantity", "ge1"), ("subject:Patient.name", "test"),
        ("code:not", "nothing"), ("_sort", "-value-quantity,_id"), ("_count", "4"), ("_total", "accurate"),
    ]  # fmt: skip
    bundle = api.get("Observation", params=dict(asked)).json()
    said = link(bundle, "self")
    assert said is not None
    assert sorted(parse_qsl(urlsplit(said).query)) == sorted(asked)
    again = api.get(said).json()
    assert (ids(again), again["total"]) == (ids(bundle), bundle["total"])
    posted = api.post("Observation/_search", data=dict(asked)).json()
    assert (ids(posted), posted["total"]) == (ids(bundle), bundle["total"])


def test_pages_of_a_chain_of_has_and_of_a_list_are_the_whole(api: httpx.Client, unique: str) -> None:
    people = [created(api, patient(name=[{"family": unique}]))["id"] for _ in range(3)]
    made = [created(api, observation(people[number % 3], status="amended"))["id"] for number in range(11)]
    entries = [{"item": {"reference": f"Observation/{id}"}} for id in made[:7]]
    listed = created(api, {"resourceType": "List", "status": "current", "mode": "working", "entry": entries})["id"]
    for url, expected in (
        (f"Observation?subject:Patient.family={unique}", made),
        (f"Observation?subject:Patient.family={unique}&_sort=_lastUpdated", made),
        (f"Observation?_list={listed}", made[:7]),
        (f"Patient?_has:Observation:subject:status=amended&family={unique}", people),
        (f"Observation?_filter=subject.family eq {unique}", made),
    ):
        assert sorted(whole(api, f"{url}&_count=2")) == sorted(expected), url
        assert api.get(f"{url}&_count=2&_total=accurate").json()["total"] == len(expected), url
        assert api.get(f"{url}&_summary=count").json()["total"] == len(expected), url


def test_includes_are_on_the_page_of_their_match_and_count_for_nothing(api: httpx.Client, unique: str) -> None:
    people = [created(api, patient(name=[{"family": unique}]))["id"] for _ in range(3)]
    made = [created(api, observation(people[number % 3]))["id"] for number in range(7)]
    url: str | None = (
        f"Observation?subject:Patient.family={unique}&_include=Observation:subject&_count=2&_total=accurate"
    )
    found: list[str] = []
    while url:
        bundle = api.get(url).json()
        matches = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
        included = [entry["resource"]["id"] for entry in bundle["entry"] if entry["search"]["mode"] == "include"]
        assert sorted(included) == sorted({each["subject"]["reference"].split("/")[1] for each in matches})
        assert len(matches) <= 2 and bundle.get("total", 7) == 7
        found += [each["id"] for each in matches]
        url = link(bundle, "next")
    assert sorted(found) == sorted(made)


@pytest.mark.parametrize("key", ["subject", "code-value-quantity", "nonsense", "near", "_tag", "combo-code"])
def test_a_key_that_cannot_be_sorted_by_is_refused_with_those_that_can(api: httpx.Client, key: str) -> None:
    response = api.get(f"Observation?_sort={key}")
    assert (response.status_code, numbers(response)) == (400, ["4004"])
    assert "'_sort' has a key" in texts(response) and (
        "Did you mean" in texts(response) or "_lastUpdated" in texts(response)
    )


def test_an_estimate_is_a_number_and_none_is_none(api: httpx.Client, unique: str) -> None:
    for _ in range(3):
        created(api, patient(identifier=[{"system": "urn:run", "value": unique}]))
    url = f"Patient?identifier=urn:run|{unique}&_count=1"
    assert api.get(f"{url}&_total=estimate").json()["total"] == 3
    assert "total" not in api.get(f"{url}&_total=none").json()
    assert api.get(f"{url}&_total=accurate").json()["total"] == 3
