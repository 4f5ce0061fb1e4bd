"""A page link works only as it was made: https://hl7.org/fhir/R4/http.html#paging"""

import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.conftest import StartServer
from tests.rest.conftest import created, numbers, observation, patient, texts


@pytest.fixture(scope="module")
def person(api: httpx.Client) -> str:
    """A patient with observations."""
    id = str(created(api, patient())["id"])
    for day in range(3):
        created(api, observation(id, effectiveDateTime=f"2024-01-0{day + 1}"))
    return id


@pytest.fixture(scope="module")
def link(api: httpx.Client, person: str) -> str:
    """The next link of a search."""
    bundle = api.get(f"Observation?patient={person}&_count=1").json()
    return next(str(each["url"]) for each in bundle["link"] if each["relation"] == "next")


def tampered(cursor: str) -> Iterator[str]:
    yield ""
    yield cursor[:-1]
    yield cursor[:10]
    yield cursor + "A"
    yield cursor * 2
    yield cursor[::-1]
    for position in range(0, len(cursor), max(1, len(cursor) // 40)):
        yield cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
    yield from ("%00", "null", "0", "A" * 30_000, "'", "{}", "..%2f..", "=" * 8)


def test_a_cursor_that_was_changed_is_refused(api: httpx.Client, link: str) -> None:
    cursor = link.split("_cursor=")[1]
    assert api.get(link).status_code == 200
    for changed in tampered(cursor):
        response = api.get(f"Observation?_cursor={changed}")
        assert (response.status_code, numbers(response)) == (400, ["4005"]), changed[:80]


def test_a_cursor_of_another_search_or_with_more_beside_it_is_refused(api: httpx.Client, link: str) -> None:
    cursor = link.split("_cursor=")[1]
    for path in ("Patient", "Encounter", "Observation/_history", "_history", "Patient/x/Observation"):
        response = api.get(f"{path}?_cursor={cursor}")
        assert response.status_code == 400, (path, response.text)
    for more in ("&code=x", "&_count=1000", "&_sort=code", "&patient=someone-else"):
        assert api.get(f"{link}{more}").status_code == 400, more


def test_a_cursor_of_another_server_is_refused(api: httpx.Client, link: str, server: StartServer) -> None:
    other = server(settings={"FHIR_MONGODB_DATABASE": f"test_{uuid4().hex[:16]}"})
    cursor = link.split("_cursor=")[1]
    response = httpx.get(f"{other.base}/Observation?_cursor={cursor}", trust_env=False)
    assert (response.status_code, numbers(response)) == (400, ["4005"])


def test_an_expired_cursor_is_refused_and_says_what_to_do(server: StartServer) -> None:
    running = server(settings={"FHIR_CURSOR_HOURS": str(1.0 / 3600)})
    with httpx.Client(base_url=f"{running.base}/", trust_env=False) as client:
        for _ in range(3):
            created(client, patient())
        bundle = client.get("Patient?_count=1").json()
        link = next(each["url"] for each in bundle["link"] if each["relation"] == "next")
        time.sleep(2.5)
        response = client.get(link)
    assert (response.status_code, numbers(response)) == (400, ["4005"])
    assert "again" in texts(response) or "expired" in texts(response)
