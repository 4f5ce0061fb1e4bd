"""search on one type: https://hl7.org/fhir/R4/search.html"""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient, texts


def found(api: httpx.Client, url: str, **parameters: Any) -> list[str]:
    """The ids of one page, in order."""
    response = api.get(url, params=parameters or None)
    assert response.status_code == 200, response.text
    return [entry["resource"]["id"] for entry in response.json().get("entry", [])]


def all_found(api: httpx.Client, url: str) -> list[str]:
    ids: list[str] = []
    next_url: str | None = url
    while next_url:
        bundle = api.get(next_url).json()
        assert "link" in bundle, bundle
        ids += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        next_url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return ids


def test_a_searchset_names_its_links_modes_and_full_urls(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    bundle = api.get("Patient", params={"identifier": f"urn:test|{unique}"}).json()
    assert bundle["type"] == "searchset"
    assert bundle["total"] == 1
    assert bundle["link"][0]["relation"] == "self"
    assert bundle["entry"] == [
        {
            "fullUrl": f"{str(api.base_url).rstrip('/')}/Patient/{stored['id']}",
            "resource": stored,
            "search": {"mode": "match"},
        }
    ]


def test_each_parameter_type_finds_what_it_should(api: httpx.Client, unique: str) -> None:
    tag = [{"system": "urn:run", "code": unique}]
    one = created(
        api,
        patient(
            meta={"tag": tag, "source": f"urn:agency:{unique}", "profile": [f"http://example.org/{unique}"]},
            identifier=[{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-12-3456"}],
            name=[{"family": "Åström-Lind", "given": ["Józef"]}],
            birthDate="1975-06-15",
            gender="male",
            generalPractitioner=[{"reference": "Practitioner/gp1"}],
            active=True,
        ),
    )["id"]
    two = created(api, patient(meta={"tag": tag}, birthDate="1975", gender="female"))["id"]
    run = f"_tag=urn:run|{unique}"
    for query, expected in {
        "name=astrom": {one},
        "family=ASTROM-LIND": {one},
        "given=joz": {one},
        "gender=male": {one},
        "gender=male,female": {one, two},
        "gender=male&birthdate=1975-06-15": {one},
        "birthdate=1975": {one, two},
        "birthdate=1975-06": {one},
        "birthdate=gt1975-06-14": {one, two},
        "birthdate=sa1975-06-14": {one},
        "birthdate=lt1975-06-15": {two},
        "birthdate=ge1975-06-15&birthdate=le1975-06-15": {one, two},
        "general-practitioner=Practitioner/gp1": {one},
        "general-practitioner=gp1": {one},
        "active=true": {one},
        "identifier=999123456": set(),
        "identifier=http://hl7.org/fhir/sid/us-ssn|999-12-3456": {one},
        "identifier=urn:oid:2.16.840.1.113883.4.1|999123456": {one},
        "identifier=http://hl7.org/fhir/sid/us-ssn|": {one},
        f"_source=urn:agency:{unique}": {one},
        f"_profile=http://example.org/{unique}": {one},
        f"_id={one},{two}": {one, two},
        "_lastUpdated=gt2020-01-01": {one, two},
        "_lastUpdated=lt2020-01-01": set(),
        "name=nobody": set(),
    }.items():
        assert set(found(api, f"Patient?{run}&{query}")) == expected, query


def test_a_search_by_form_is_the_same_search(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    response = api.post("Patient/_search", data={"identifier": f"urn:test|{unique}"})
    assert [entry["resource"]["id"] for entry in response.json()["entry"]] == [stored["id"]]
    mixed = api.post("Patient/_search?gender=male", data={"identifier": f"urn:test|{unique}"})
    assert mixed.json()["total"] == 0
    assert api.post("Patient/_search", json={"identifier": "x"}).status_code == 415


@pytest.mark.parametrize(
    "order", ["birthdate", "-birthdate", "_id", "-_id", "family,-birthdate", "_lastUpdated", "gender"]
)
@pytest.mark.parametrize("form", [False, True])
def test_pages_together_are_the_set_in_order_without_showing_values(
    api: httpx.Client, unique: str, order: str, form: bool
) -> None:
    tag = [{"system": "urn:run", "code": unique}]
    ids = []
    for number in range(11):
        elements: dict[str, Any] = {"meta": {"tag": tag}, "name": [{"family": f"F{number % 3}"}]}
        if number % 4:
            elements |= {"birthDate": f"19{70 + number % 5}-01-0{1 + number % 2}", "gender": "male"}
        ids.append(created(api, {"resourceType": "Patient", **elements})["id"])
    query = {"_tag": f"urn:run|{unique}", "_sort": order, "_count": "1000"}
    whole = found(api, "Patient", **query)
    assert sorted(whole) == sorted(ids)
    query["_count"] = "3"
    first = api.post("Patient/_search", data=query) if form else api.get("Patient", params=query)
    link = next(link["url"] for link in first.json()["link"] if link["relation"] == "next")
    assert set(urlsplit(link).query.split("=")[0].split("&")) == {"_cursor"}
    assert unique not in link
    paged = [entry["resource"]["id"] for entry in first.json()["entry"]] + all_found(api, link)
    assert paged == whole


def test_missing_values_come_last_in_both_directions(api: httpx.Client, unique: str) -> None:
    tag = [{"system": "urn:run", "code": unique}]
    without = created(api, patient(meta={"tag": tag}))["id"]
    early = created(api, patient(meta={"tag": tag}, birthDate="1950-01-01"))["id"]
    late = created(api, patient(meta={"tag": tag}, birthDate="1990-01-01"))["id"]
    assert found(api, f"Patient?_tag={unique}&_sort=birthdate") == [early, late, without]
    assert found(api, f"Patient?_tag={unique}&_sort=-birthdate") == [late, early, without]


def test_a_patients_observations_come_newest_first(api: httpx.Client) -> None:
    person = created(api, patient())["id"]
    ids = [created(api, observation(person, effectiveDateTime=f"20{year}-03-01"))["id"] for year in (21, 23, 20, 22)]
    expected = [ids[1], ids[3], ids[0], ids[2]]
    assert found(api, f"Observation?patient={person}") == expected
    assert found(api, f"Observation?subject=Patient/{person}&_sort=-date&code=http://loinc.org|8302-2") == expected
    assert found(api, f"Observation?patient={person}&_sort=date") == expected[::-1]
    assert found(api, f"Observation?patient={person}&date=ge2022&code=8302-2") == [ids[1], ids[3]]


def test_count_bounds_and_summary_count(api: httpx.Client, unique: str) -> None:
    tag = [{"system": "urn:run", "code": unique}]
    for _ in range(3):
        created(api, patient(meta={"tag": tag}))
    run = f"Patient?_tag={unique}"
    only = api.get(f"{run}&_summary=count").json()
    assert (only["total"], "entry" in only) == (3, False)
    assert api.get(f"{run}&_count=0").json()["total"] == 3
    assert "_count=1000" in api.get(f"{run}&_count=5000").json()["link"][0]["url"]
    page = api.get(f"{run}&_count=2").json()
    assert "total" not in page and len(page["entry"]) == 2
    assert api.get(f"{run}&_count=2&_total=accurate").json()["total"] == 3
    for bad in ("-1", "x", "1.5"):
        assert api.get(f"{run}&_count={bad}").status_code == 400


def test_an_unknown_parameter_or_modifier_is_named(api: httpx.Client) -> None:
    response = api.get("Patient?nam=x&name:fuzzy=y&birthdate=1975-13")
    assert response.status_code == 400
    assert set(numbers(response)) == {"4001", "4002", "4003"}
    said = texts(response)
    assert "'nam'" in said and "fuzzy" in said


def test_handling_lenient_turns_an_unknown_parameter_into_a_warning(api: httpx.Client, unique: str) -> None:
    created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    response = api.get(f"Patient?identifier={unique}&nam=x", headers={"prefer": "handling=lenient"})
    assert response.status_code == 200
    entries = response.json()["entry"]
    assert [entry["search"]["mode"] for entry in entries] == ["match", "outcome"]
    warning = entries[1]["resource"]["issue"][0]
    assert warning["severity"] == "warning" and "nam" in warning["details"]["text"]
    assert "nam=" not in response.json()["link"][0]["url"]


def test_a_page_link_works_only_as_made(api: httpx.Client, unique: str) -> None:
    tag = [{"system": "urn:run", "code": unique}]
    for _ in range(3):
        created(api, patient(meta={"tag": tag}))
    bundle = api.get(f"Patient?_tag={unique}&_count=1").json()
    link = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    cursor = link.split("_cursor=")[1]
    assert api.get(link).status_code == 200
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for url in (
        f"Patient?_cursor={flipped}",
        f"Observation?_cursor={cursor}",
        "Patient?_cursor=",
        "Patient?_cursor=%00",
        f"Patient/_history?_cursor={cursor}",
    ):
        response = api.get(url)
        assert (response.status_code, numbers(response)) == (400, ["4005"]), url


def test_a_search_on_a_type_nobody_stored_is_empty(api: httpx.Client) -> None:
    bundle = api.get("SubstanceNucleicAcid?_id=x").json()
    assert (bundle["total"], "entry" in bundle) == (0, False)
