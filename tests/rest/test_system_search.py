"""search of the whole system: https://hl7.org/fhir/R4/http.html#search"""

from itertools import permutations, product
from typing import Any

import httpx
import pytest

from fhir_server.interactions import system_search
from tests.rest.bundles import all_pages, bundle_of, places
from tests.rest.conftest import created, observation, patient, texts
from tests.rest.in_process import opened, page, put, rest


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


ORDERS = [
    tuple(f"{sign}{key}" for sign, key in zip(signs, keys, strict=True))
    for length in (1, 2, 3)
    for keys in permutations(("_id", "_lastUpdated", "date"), length)
    if "_id" in keys
    for signs in product(("", "-"), repeat=length)
]


@pytest.mark.parametrize("order", ORDERS)
def test_keys_after_the_id_order_nothing_more(
    api: httpx.Client, run: tuple[str, list[str]], order: tuple[str, ...]
) -> None:
    unique, _ = run
    url = f"?_type=Observation,Procedure&_tag=urn:run|{unique}&_sort={','.join(order)}"
    bundle = bundle_of(api, url)
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert len(resources) == 8
    assert resources == _sorted(resources, order)
    for count in (1, 2, 3, 5):
        pages = all_pages(api, f"{url}&_count={count}")
        assert [place for page in pages for place in places(page)] == places(bundle)


def _sorted(resources: list[dict[str, Any]], order: tuple[str, ...]) -> list[dict[str, Any]]:
    """By every key up to the id, what has no date last, then by type."""
    found = sorted(resources, key=lambda each: each["resourceType"])
    names = [key.removeprefix("-") for key in order]
    for key in reversed(order[: names.index("_id") + 1]):
        down, name = key.startswith("-"), key.removeprefix("-")
        if name == "date":
            dated = [each for each in found if _date(each)]
            found = sorted(dated, key=_date, reverse=down) + [each for each in found if not _date(each)]
        elif name == "_id":
            found = sorted(found, key=lambda each: str(each["id"]), reverse=down)
        else:
            found = sorted(found, key=lambda each: str(each["meta"]["lastUpdated"]), reverse=down)
    return found


def _date(resource: dict[str, Any]) -> str:
    return str(resource.get("effectiveDateTime") or resource.get("performedDateTime") or "")


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
        ("?_type=Nosuch", "_type"),
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


async def test_a_page_over_many_types_is_cut_and_says_so(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_search, "MAX_ROWS", 4)
    monkeypatch.setattr(system_search, "MIN_COUNT", 1)
    async with opened(mongodb_uri, database_name) as context:
        for number in range(3):
            await put(context, patient(id=f"p{number}"))
            await put(context, observation(f"p{number}", id=f"o{number}"))
        bundle = await page(context, "?_type=Patient,Observation,Flag&_count=1000")
        assert bundle["link"][0]["url"].endswith("_count=2")
        assert len(places(bundle)) == 2
        assert len(places(bundle) + await rest(context, bundle)) == 6
