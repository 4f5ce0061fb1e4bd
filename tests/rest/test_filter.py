"""`_filter` over stored resources: each operator finds what R4 says it finds.

https://hl7.org/fhir/R4/search_filter.html#ops
"""

from typing import Any
from uuid import uuid4

import httpx
import pytest

LONG = "word " * 400 + "ending here"
MARK = "http://example.org/filter-tests"


@pytest.fixture(scope="module")
def people(api: httpx.Client) -> str:
    """Four patients of one run, told apart by a tag."""
    run = f"f{uuid4().hex[:12]}"
    rows: list[dict[str, Any]] = [
        {"name": [{"family": "De Jong", "given": ["Ann"]}], "gender": "female", "birthDate": "1985-03-02"},
        {"name": [{"family": "Jong", "given": ["Bob", "Ann"]}], "gender": "male", "birthDate": "1985"},
        {"name": [{"family": "Jongens"}], "birthDate": "1990-01-01"},
        {"name": [{"text": LONG}], "gender": "male"},
    ]
    for number, row in enumerate(rows, 1):
        meta = {"tag": [{"system": MARK, "code": run}]}
        resource = {"resourceType": "Patient", "id": f"{run}-{number}", "meta": meta, **row}
        assert api.put(f"Patient/{run}-{number}", json=resource).status_code == 201
    return run


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("family eq jong", "2"),
        ("family eq 'jong", ""),
        ("family sw jong", "23"),
        ("family co ong", "123"),
        ("family ew JONG", "12"),
        ('name ew "ending here"', "4"),
        ('name ew "word ending"', ""),
        ('name co "word ending"', "4"),
        ("family ne jong", "13"),
        ("family pr true", "123"),
        ("family pr false", "4"),
        ("gender eq male", "24"),
        ("gender ne male", "1"),
        ("not (gender eq male)", "13"),
        ("gender pr false", "3"),
        ("birthdate co 1985-03-02", "12"),
        ("birthdate po 1985-03", "12"),
        ("birthdate po 1985-04", "2"),
        ("birthdate co 1985", "2"),
        ("birthdate eq 1985", "12"),
        ("birthdate ge 1986 or family eq jong and gender eq male", "2"),
        ("birthdate ge 1986 or (family eq jong and gender eq male)", "23"),
        ("given eq ann and given eq bob", "2"),
        ("_lastUpdated po 1999", ""),
        ("_lastUpdated pr true", "1234"),
    ],
)
def test_a_filter_finds(api: httpx.Client, people: str, expression: str, found: str) -> None:
    response = api.get("Patient", params={"_tag": f"{MARK}|{people}", "_filter": expression})
    assert response.status_code == 200, response.text
    ids = sorted(entry["resource"]["id"] for entry in response.json().get("entry", ()))
    assert ids == [f"{people}-{number}" for number in found]


def test_a_filter_alone_pages_and_counts(api: httpx.Client, people: str) -> None:
    expression = f"_tag eq {MARK}|{people} and name pr true"
    page = api.get("Patient", params={"_filter": expression, "_count": "3", "_total": "accurate"}).json()
    assert page["total"] == 4
    following = [link["url"] for link in page["link"] if link["relation"] == "next"]
    assert len(api.get(following[0]).json()["entry"]) == 1
