"""history of instance, type and system: https://hl7.org/fhir/R4/http.html#history"""

from typing import Any
from uuid import uuid4

import httpx

from tests.rest.conftest import created, numbers, patient


def _pages(api: httpx.Client, url: str) -> list[dict[str, Any]]:
    """The entries of all pages, following the next links."""
    entries: list[dict[str, Any]] = []
    next_url: str | None = url
    while next_url:
        bundle = api.get(next_url).json()
        assert bundle["type"] == "history", bundle
        entries += bundle.get("entry", [])
        next_url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return entries


def test_the_history_of_an_instance_is_newest_first_and_says_what_was_done(api: httpx.Client) -> None:
    stored = created(api, patient())
    api.put(f"Patient/{stored['id']}", json=stored | {"active": True})
    api.delete(f"Patient/{stored['id']}")
    bundle = api.get(f"Patient/{stored['id']}/_history").json()
    assert bundle["total"] == 3
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "POST"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert "resource" not in bundle["entry"][0]
    assert bundle["entry"][2]["resource"] == stored


def test_history_pages_hold_every_version_once(api: httpx.Client) -> None:
    stored = created(api, patient())
    for number in range(6):
        stored = api.put(f"Patient/{stored['id']}", json=stored | {"active": bool(number % 2)}).json()
    entries = _pages(api, f"Patient/{stored['id']}/_history?_count=2")
    assert [entry["response"]["etag"] for entry in entries] == [f'W/"{version}"' for version in range(7, 0, -1)]


def test_a_type_history_shows_what_was_just_written_and_the_horizon_to_go_on_from(api: httpx.Client) -> None:
    ids = [
        api.post("Basic", json={"resourceType": "Basic", "code": {"text": uuid4().hex}}).json()["id"] for _ in range(5)
    ]
    api.delete(f"Basic/{ids[0]}")
    bundle = api.get("Basic/_history").json()
    assert bundle["entry"][0]["request"] == {"method": "DELETE", "url": f"Basic/{ids[0]}"}
    assert bundle["meta"]["lastUpdated"] < bundle["entry"][0]["response"]["lastModified"]
    seen = [entry["fullUrl"].rsplit("/", 1)[1] for entry in _pages(api, "Basic/_history?_count=2")]
    assert set(ids) <= set(seen)
    assert seen.count(ids[0]) == 2


def test_since_leaves_out_what_is_older(api: httpx.Client) -> None:
    first = created(api, patient())
    second = api.put(f"Patient/{first['id']}", json=first | {"active": True}).json()
    since = second["meta"]["lastUpdated"]
    entries = api.get(f"Patient/{first['id']}/_history", params={"_since": since}).json()["entry"]
    expected = 2 if first["meta"]["lastUpdated"] == since else 1
    assert len(entries) == expected
    later = api.get(f"Patient/{first['id']}/_history", params={"_since": "2999-01-01T00:00:00Z"}).json()
    assert later["total"] == 0 and "entry" not in later


def test_the_system_history_spans_types(api: httpx.Client) -> None:
    person = created(api, patient())
    basic = api.post("Basic", json={"resourceType": "Basic", "code": {"text": "x"}}).json()
    newest = api.get("_history?_count=5").json()["entry"]
    names = [entry["fullUrl"].split("/fhir/")[1] for entry in newest]
    assert names.index(f"Basic/{basic['id']}") < names.index(f"Patient/{person['id']}")


def test_history_of_what_never_was_is_a_404(api: httpx.Client) -> None:
    assert api.get("Patient/never-was/_history").status_code == 404


def test_what_a_history_does_not_take_is_refused_by_name(api: httpx.Client) -> None:
    assert numbers(api.get("Patient/_history?name=x")) == ["4001"]
    assert numbers(api.get("Patient/_history?_since=yesterday")) == ["4003"]
    assert numbers(api.get("Patient/_history?_count=-1")) == ["4003"]
    assert numbers(api.get("Patient/_history?_cursor=forged")) == ["4005"]
