"""The .http files and the Postman collection: each request is answered as it says, and they hold the same ones."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import pytest

from fhir_server.core.codec import decode
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.rest.openapi import document
from fhir_server.rest.openapi_examples import FORM, WHOLE, operation_of
from seeds.examples import EXAMPLES
from tests.conftest import RunningServer
from tests.docs.collections_read import Sent, http_file, postman_collection
from tests.require import ROOT
from tools import write_docs
from tools.example_requests import SYSTEM, example_requests

BASE = "http://example.org/fhir"
HTTP_FILES = sorted((ROOT / "docs" / "http").glob("*.http"), key=lambda path: (path.stem != SYSTEM, path.stem))
POSTMAN = ROOT / "docs" / "postman_collection.json"


def sent_by_http_files(base: str = BASE) -> list[Sent]:
    return [sent for path in HTTP_FILES for sent in http_file(path, base)]


@pytest.fixture(scope="module")
def client(demo: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo.base, timeout=30, trust_env=False) as opened:
        yield opened


def test_every_example_is_in_the_description_and_so_in_the_files() -> None:
    assert document(BASE, STANDARD, EXAMPLES) != document(BASE, STANDARD)
    assert len(example_requests()) == len(EXAMPLES)
    assert len(sent_by_http_files()) == len(EXAMPLES)


def test_the_postman_collection_holds_the_requests_of_the_http_files() -> None:
    assert list(postman_collection(POSTMAN, BASE)) == sent_by_http_files()


def test_every_type_of_the_demo_data_has_examples_of_reading_searching_and_its_paths() -> None:
    described = decode(document(BASE, STANDARD, EXAMPLES))
    paths, parameters = described["paths"], described["components"]["parameters"]
    for type in {example.type for example in EXAMPLES if example.type}:
        assert paths[f"/{type}/{{id}}"]["get"][WHOLE], type
        assert paths[f"/{type}"]["get"][WHOLE], type
        form = paths[f"/{type}/_search"]["post"]["requestBody"]["content"][FORM]
        assert form["examples"], type
        for path in (f"/{type}/{{id}}", f"/{type}/{{id}}/_history", f"/{type}/{{id}}/_history/{{version}}"):
            assert {"$ref": f"#/components/parameters/{type}.id"} in paths[path]["parameters"], path
        assert parameters[f"{type}.id"]["example"]


def test_the_values_of_examples_fit_what_is_described() -> None:
    described = json.loads(document(BASE, STANDARD, EXAMPLES))
    schemas = {"schemas": described["components"]["schemas"]}
    tried = 0
    for item in described["paths"].values():
        operations = [each for method, each in item.items() if method != "parameters"]
        for node in [*item["parameters"], *(node for each in operations for node in each["parameters"])]:
            parameter = described["components"]["parameters"][node["$ref"].split("/")[-1]] if "$ref" in node else node
            schema = {**parameter["schema"], "components": schemas}
            values = [each["value"] for each in parameter.get("examples", {}).values()]
            for value in [*values, *([parameter["example"]] if "example" in parameter else [])]:
                assert jsonschema_rs.is_valid(schema, value), f"{parameter['name']}: {value}"
                tried += 1
    assert tried > 2 * len(EXAMPLES)


def test_a_file_that_nothing_makes_any_more_is_found_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write_docs, "DOCS", tmp_path)
    assert write_docs.main([]) == 0
    (tmp_path / "http" / "Gone.http").write_text("### Gone\n")
    (tmp_path / "errors.md").write_text("")
    assert write_docs.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "docs/http/Gone.http" in said and "docs/errors.md" in said and "settings.md" not in said
    assert write_docs.main([]) == write_docs.main(["--check"]) == 0
    assert not (tmp_path / "http" / "Gone.http").exists()


def test_a_path_of_no_operation_is_no_example() -> None:
    with pytest.raises(ValueError, match="no path"):
        operation_of("Patient/p1/Observation/o1/more")


@pytest.mark.parametrize("sent", sent_by_http_files(), ids=lambda sent: f"{sent.method} {sent.title}")
def test_a_request_of_the_files_is_answered_as_it_says(demo: RunningServer, client: httpx.Client, sent: Sent) -> None:
    url = sent.url.replace(BASE, demo.base)
    answer = client.request(sent.method, url, headers=list(sent.headers), content=sent.body.encode())
    assert answer.status_code == sent.status, f"{sent}: {answer.text[:2000]}"
    found = answer.json() if answer.content else {}
    if found.get("type") == "searchset":
        assert found.get("entry") or found.get("total"), f"{sent} finds nothing"
        assert not [entry for entry in found.get("entry", ()) if entry["search"]["mode"] == "outcome"], answer.text[
            :2000
        ]
