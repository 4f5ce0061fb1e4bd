"""Whole records that nobody here wrote: they load with nothing rejected, read back equal, and hang together.

The 24 Synthea transaction Bundles (tests/require.py says where they are looked for).
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import RunningServer, start_server
from tests.require import require_data

Json = dict[str, Any]


def exact(text: str | bytes) -> Json:
    """A JSON object with its numbers as the text they were written with."""
    value: Json = json.loads(text, parse_float=str, parse_int=str)
    return value


@pytest.fixture(scope="module")
def bundles() -> list[Json]:
    """Every Bundle with its numbers as the text they were written with."""
    files = sorted(require_data("synthea").glob("*.json.gz"))
    assert files
    return [exact(gzip.decompress(file.read_bytes())) for file in files]


@pytest.fixture(scope="module")
def loaded(
    bundles: list[Json], mongodb: MongoClient[Json], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, list[Json]]]:
    """A server that was sent every Bundle as it is, and its answers."""
    name = f"test_{uuid4().hex[:16]}"
    log = tmp_path_factory.mktemp("server") / "server.log"
    server = start_server(log, 1, {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name})
    answers = []
    with httpx.Client(timeout=120, trust_env=False) as client:
        for file in sorted(require_data("synthea").glob("*.json.gz")):
            body = gzip.decompress(file.read_bytes())
            response = client.post(server.base, content=body, headers={"content-type": "application/fhir+json"})
            assert response.status_code == 200, f"{file.name}: {response.text[:2000]}"
            answers.append(response.json())
    yield server, answers
    server.stop()
    mongodb.drop_database(name)


def test_every_entry_is_created(bundles: list[Json], loaded: tuple[RunningServer, list[Json]]) -> None:
    _, answers = loaded
    for sent, answer in zip(bundles, answers, strict=True):
        assert len(answer["entry"]) == len(sent["entry"])
        assert {entry["response"]["status"] for entry in answer["entry"]} == {"201 Created"}


def test_counts_per_type_match(bundles: list[Json], loaded: tuple[RunningServer, list[Json]]) -> None:
    server, _ = loaded
    expected = Counter(entry["resource"]["resourceType"] for bundle in bundles for entry in bundle["entry"])
    with httpx.Client(trust_env=False) as client:
        found = {type: client.get(f"{server.base}/{type}?_summary=count").json()["total"] for type in sorted(expected)}
    assert found == dict(sorted(expected.items()))


def test_every_resource_reads_back_equal_and_every_reference_resolves(
    bundles: list[Json], loaded: tuple[RunningServer, list[Json]]
) -> None:
    server, answers = loaded
    stored = {f"{row['resourceType']}/{row['id']}": row for row in _everything(server)}
    assert len(stored) == sum(len(bundle["entry"]) for bundle in bundles)
    for sent, answer in zip(bundles, answers, strict=True):
        links = {}
        for entry, done in zip(sent["entry"], answer["entry"], strict=True):
            links[entry["fullUrl"]] = done["response"]["location"].split("/fhir/")[1].split("/_history")[0]
        for entry in sent["entry"]:
            place = links[entry["fullUrl"]]
            expected = _relinked(entry["resource"], links) | {"id": place.split("/")[1]}
            found = dict(stored[place])
            found_meta, expected_meta = found.pop("meta"), expected.pop("meta", {})
            assert found == expected, place
            assert {name: value for name, value in found_meta.items() if name in expected_meta} == expected_meta
            for reference in _references(found):
                assert reference in stored or reference.startswith("#"), f"{place} refers to {reference}"


def _everything(server: RunningServer) -> Iterator[Json]:
    """Every current resource, type by type and page by page."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        types: set[str] = set()
        url: str | None = f"{server.base}/_history?_count=1000"
        while url:
            listed = client.get(url).json()
            types |= {entry["fullUrl"].split("/")[-2] for entry in listed.get("entry", [])}
            url = _next(listed)
        for type in sorted(types):
            url = f"{server.base}/{type}?_count=500"
            while url:
                bundle = exact(client.get(url).text)
                yield from (entry["resource"] for entry in bundle.get("entry", []))
                url = _next(bundle)


def _next(bundle: Json) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def _relinked(value: Any, links: Json) -> Any:
    if isinstance(value, dict):
        return {name: _relinked(member, links) for name, member in value.items()}
    if isinstance(value, list):
        return [_relinked(member, links) for member in value]
    return links.get(value, value) if isinstance(value, str) else value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def test_a_bundle_of_each_kind_is_among_the_data(bundles: list[Json]) -> None:
    """The test above proves something only if the data has nested references and decimals."""
    text = json.dumps(bundles[0])
    assert '"reference": "urn:uuid:' in text and "valueDecimal" in text
