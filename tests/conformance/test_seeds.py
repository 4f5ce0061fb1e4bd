"""The demo population on a running server: all of it is accepted, and every story and example does what it says."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.core import codec
from fhir_server.validation.model import model_findings
from fhir_server.validation.validate import validate
from seeds.examples import EXAMPLES, Example
from seeds.population import demo
from seeds.stories import STORIES, Link
from tests.conftest import _end, start_server

TODAY = date(2026, 11, 22)
BATCH = 100
SLOTS_CHECKED = 50
"""Of about 3,000, which are made alike; the second check takes 5 ms a resource."""
FHIR_JSON = "application/fhir+json"

pytestmark = pytest.mark.slow

LINKS = [pytest.param(link, id=link.path) for story in STORIES for link in story.links]


@pytest.fixture(scope="module")
def population() -> list[dict[str, Any]]:
    """Every resource as JSON has it, decimals as decimals."""
    return [codec.decode(codec.encode(each)) for each in demo(TODAY)]


@pytest.fixture(scope="module")
def api(
    population: list[dict[str, Any]],
    mongodb: MongoClient[dict[str, Any]],
    mongodb_uri: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """A server that took the whole population over HTTP, each resource under its id."""
    name = f"test_{uuid4().hex[:16]}"
    log: Path = tmp_path_factory.mktemp("seeds") / "server.log"
    started = start_server(log, 1, {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name})
    with httpx.Client(base_url=f"{started.base}/", timeout=60, trust_env=False) as client:
        for start in range(0, len(population), BATCH):
            load(client, population[start : start + BATCH])
        yield client
    _end(started)
    mongodb.drop_database(name)


def load(client: httpx.Client, resources: list[dict[str, Any]]) -> None:
    """Put the resources in one batch; each must be created."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ]
    bundle = codec.encode({"resourceType": "Bundle", "type": "batch", "entry": entries})
    answered = client.post("", content=bundle, headers={"content-type": FHIR_JSON})
    assert answered.status_code == 200, answered.text[:2000]
    for sent, got in zip(resources, answered.json()["entry"], strict=True):
        assert got["response"]["status"].startswith("201"), (sent["resourceType"], sent["id"], got["response"])


def test_both_checks_find_nothing_wrong(population: list[dict[str, Any]]) -> None:
    slots = 0
    for each in population:
        assert validate(each, each["resourceType"]) == (), (each["resourceType"], each["id"])
        slots += each["resourceType"] == "Slot"
        if each["resourceType"] != "Slot" or slots <= SLOTS_CHECKED:
            assert model_findings(each) == (), (each["resourceType"], each["id"])


def test_a_server_counts_what_it_took(api: httpx.Client, population: list[dict[str, Any]]) -> None:
    for type, count in Counter(each["resourceType"] for each in population).items():
        assert api.get(type, params={"_summary": "count"}).json()["total"] == count, type


@pytest.mark.parametrize("link", LINKS)
def test_every_link_of_a_story_gives_something(api: httpx.Client, link: Link) -> None:
    assert_gives_something(api.get(link.path))


@pytest.mark.parametrize("example", [pytest.param(each, id=f"{each.type}: {each.title}") for each in EXAMPLES])
def test_every_example_does_what_it_says(api: httpx.Client, example: Example) -> None:
    headers = {"accept": FHIR_JSON, **({"content-type": FHIR_JSON} if example.body else {})}
    headers |= {name.lower(): value for name, value in example.headers}
    answered = api.request(example.method, example.path, content=example.body.encode(), headers=headers)
    assert answered.status_code == example.status, answered.text[:2000]
    if example.method == "GET" and example.path != "metadata":
        assert_gives_something(answered)
    for entry in answered.json().get("entry", ()) if example.method == "POST" and not example.path else ():
        assert entry["response"]["status"][:3] in ("200", "201"), entry


def test_all_that_belongs_to_a_family_is_found_by_the_sponsors_number(api: httpx.Client) -> None:
    answered = api.get("RelatedPerson", params={"identifier": "9900000010", "_include": "RelatedPerson:patient"})
    patients = {each["resource"]["id"] for each in answered.json()["entry"] if each["search"]["mode"] == "include"}
    assert patients >= {"rivera-miguel", "rivera-sofia", "rivera-mateo", "rivera-lucia", "rivera-tomas"}


def assert_gives_something(answered: httpx.Response) -> None:
    """A read that found it, or a search with at least one match."""
    assert answered.status_code == 200, answered.text[:2000]
    body = answered.json()
    if body["resourceType"] == "Bundle":
        assert any(each.get("search", {}).get("mode", "match") == "match" for each in body.get("entry", ())), body
