"""A condition holds when the write happens, not only when it was looked at.

https://hl7.org/fhir/R4/http.html#cond-update, https://hl7.org/fhir/R4/http.html#concurrency
"""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.conftest import RunningServer
from tests.rest.conftest import created, numbers, patient
from tests.rest.test_transaction import bundle, entry


async def volley(base: str, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=len(requests))
    async with httpx.AsyncClient(base_url=f"{base}/", timeout=60, trust_env=False, limits=limits) as client:
        await asyncio.gather(*(client.get("metadata") for _ in requests))
        return await asyncio.gather(*(client.request(method, url, **how) for method, url, how in requests))


async def test_one_of_many_writes_with_if_none_match_any_creates(shared_server: RunningServer, unique: str) -> None:
    how = {"json": patient(id=unique), "headers": {"if-none-match": "*"}}
    answers = await volley(shared_server.base, *[("PUT", f"Patient/{unique}", how)] * 12)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 412: 11}


async def test_a_conditional_delete_spares_what_no_longer_matches(
    shared_server: RunningServer, api: httpx.Client, unique: str
) -> None:
    for number in range(10):
        name = f"{unique}{number}"
        stored = created(api, patient(identifier=[{"system": "urn:t", "value": name}]))
        moved = stored | {"identifier": [{"system": "urn:t", "value": "moved"}]}
        update, delete = await volley(
            shared_server.base,
            ("PUT", f"Patient/{stored['id']}", {"json": moved, "headers": {"if-match": 'W/"1"'}}),
            ("DELETE", f"Patient?identifier=urn:t|{name}", {}),
        )
        (history,) = await volley(shared_server.base, ("GET", f"Patient/{stored['id']}/_history", {}))
        methods = [row["request"]["method"] for row in history.json()["entry"]]
        # Whoever came first: never both, because the second no longer finds what it was about.
        assert (update.status_code, delete.status_code, methods) in (
            (200, 204, ["PUT", "POST"]),
            (412, 204, ["DELETE", "POST"]),
        )


def test_if_match_and_if_none_match_count_on_conditional_writes(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:t", "value": unique}])
    created(api, resource)
    url = f"Patient?identifier=urn:t|{unique}"
    assert api.delete(url, headers={"if-match": 'W/"99"'}).status_code == 412
    assert api.put(url, json=resource, headers={"if-match": 'W/"99"'}).status_code == 412
    assert api.put(url, json=resource, headers={"if-none-match": "*"}).status_code == 412
    in_entry = {"ifNoneMatch": "*"}
    assert api.post("", json=bundle(entry("PUT", url, resource, request=in_entry))).status_code == 412
    assert api.get(url).json()["total"] == 1
    assert api.get(f"{url}&_count=1").json()["entry"][0]["resource"]["meta"]["versionId"] == "1"


def test_a_condition_that_is_not_utf_8_is_refused(api: httpx.Client) -> None:
    assert api.delete("Patient?name=%FF").status_code == 400
    assert api.put("Patient?identifier=urn:s|x%FFy", json=patient()).status_code == 400
    assert api.post("Patient", json=patient(), headers={"if-none-exist": "name=%FF"}).status_code == 400


def test_conditions_that_an_entry_cannot_have_are_refused(api: httpx.Client) -> None:
    for wrong in (
        entry("POST", "Patient", patient(), request={"ifMatch": 'W/"1"'}),
        entry("PUT", "Patient/x", patient(id="x"), request={"ifNoneExist": "name=x"}),
        entry("POST", "Patient?name=x", patient()),
    ):
        response = api.post("", json=bundle(wrong))
        assert (response.status_code, numbers(response)) == (400, ["2010"])


def test_two_conditional_entries_that_would_create_the_same_are_refused(api: httpx.Client, unique: str) -> None:
    url, resource = f"Patient?identifier=urn:t|{unique}", patient(identifier=[{"system": "urn:t", "value": unique}])
    create = entry("POST", "Patient", resource, request={"ifNoneExist": f"identifier=urn:t|{unique}"})
    for other in (entry("PUT", url, resource), create):
        response = api.post("", json=bundle(entry("PUT", url, resource), other))
        assert (response.status_code, numbers(response)) == (400, ["2011"])
    assert api.get(url).json()["total"] == 0


def test_a_conditional_reference_does_not_find_what_the_bundle_deletes(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:t", "value": unique}]))
    basic = {
        "resourceType": "Basic",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient?identifier=urn:t|{unique}"},
    }
    response = api.post("", json=bundle(entry("DELETE", f"Patient/{stored['id']}"), entry("POST", "Basic", basic)))
    assert (response.status_code, numbers(response)) == (400, ["2012"])
    assert api.get(f"Patient/{stored['id']}").status_code == 200


def test_a_version_conflict_inside_a_transaction_names_its_entry(api: httpx.Client) -> None:
    stored = created(api, patient())
    stale = entry("PUT", f"Patient/{stored['id']}", stored, request={"ifMatch": 'W/"77"'})
    response = api.post("", json=bundle(entry("POST", "Patient", patient()), stale))
    assert (response.status_code, numbers(response)) == (412, ["2004"])
    assert response.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]


def test_a_read_that_fails_after_the_commit_is_told_in_its_entry(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:t", "value": unique}])
    response = api.post("", json=bundle(entry("POST", "Patient", resource), entry("GET", "Patient/never-was")))
    assert [row["response"]["status"][:3] for row in response.json()["entry"]] == ["201", "404"]


@pytest.mark.parametrize("url", ["Patient?foo=bar", "Patient/b/c/d/e", "metadata/x"])
def test_a_read_that_can_be_seen_to_fail_fails_the_transaction_before_it_writes(
    api: httpx.Client, unique: str, url: str
) -> None:
    resource = patient(identifier=[{"system": "urn:t", "value": unique}])
    response = api.post("", json=bundle(entry("POST", "Patient", resource), entry("GET", url)))
    assert 400 <= response.status_code < 500
    assert response.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert api.get(f"Patient?identifier=urn:t|{unique}").json()["total"] == 0


def test_only_links_are_replaced_in_a_transaction(api: httpx.Client, unique: str) -> None:
    canonical = f"http://example.org/fhir/PlanDefinition/{unique}"
    plan = {
        "resourceType": "PlanDefinition",
        "status": "active",
        "url": canonical,
        "library": [canonical],
        "meta": {"profile": [canonical]},
    }
    response = api.post("", json=bundle(entry("POST", "PlanDefinition", plan, fullUrl=canonical)))
    stored = api.get(response.json()["entry"][0]["response"]["location"]).json()
    assert (stored["url"], stored["library"], stored["meta"]["profile"]) == (canonical, [canonical], [canonical])
    relative = bundle(entry("POST", "Patient", patient(gender="male"), fullUrl="male"))
    assert numbers(api.post("", json=relative)) == ["2010"]
