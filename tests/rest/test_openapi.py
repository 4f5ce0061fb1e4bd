"""`GET /fhir/openapi.json`: paths, parameters and interactions, from the table of the CapabilityStatement."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from fhir_server.core.codec import decode
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.definitions.registry import resource_types
from fhir_server.rest.openapi import document
from fhir_server.rest.openapi_examples import FORM, WHOLE
from seeds.examples import EXAMPLES

Json = dict[str, Any]

PATH_PARAMETERS = re.compile(r"\{(\w+)\}")
METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Request:
    """An example as a test writes it."""

    title: str
    method: str
    path: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


def with_examples() -> Json:
    """A description with an example of each kind."""
    described: Json = decode(
        document(
            "/fhir",
            STANDARD,
            (
                Request("A patient", "GET", "Patient/p1"),
                Request("Women", "GET", "Patient?gender=female&_count=2"),
                Request("One more", "POST", "Patient", '{"resourceType": "Patient", "multipleBirthInteger": 2}'),
                Request("By a form", "POST", "Patient/_search", "gender=female", (("Content-Type", FORM),)),
            ),
        )
    )
    return described


@pytest.fixture(scope="module")
def described(api: httpx.Client) -> Json:
    answer = api.get("openapi.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    document: Json = answer.json()
    return document


def resolved(document: Json, node: Json) -> Json:
    """A node, or what its reference names; KeyError where that does not exist."""
    reference = node.get("$ref")
    if reference is None:
        return node
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and node of every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def parameters(document: Json, path: str, method: str) -> dict[str, Json]:
    item = document["paths"][path]
    found = [resolved(document, node) for node in (*item["parameters"], *item[method]["parameters"])]
    assert len({(each["in"], each["name"]) for each in found}) == len(found), f"{method} {path} names one twice"
    return {each["name"]: each for each in found}


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(references, node))
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set()


def test_the_document_is_openapi_3_1_for_the_fhir_base(described: Json) -> None:
    assert described["openapi"] == "3.1.0"
    assert described["servers"] == [{"url": "/fhir"}]


def test_every_type_can_be_searched_by_what_the_capability_statement_lists(api: httpx.Client, described: Json) -> None:
    statement = api.get("metadata").json()["rest"][0]["resource"]
    assert [each["type"] for each in statement] == list(resource_types())
    for each in statement:
        listed = {parameter["name"] for parameter in each["searchParam"]}
        assert listed - set(parameters(described, f"/{each['type']}", "get")) == set(), each["type"]


def test_a_form_takes_what_the_query_takes(described: Json) -> None:
    form = described["paths"]["/Observation/_search"]["post"]["requestBody"]["content"]
    schemas = form["application/x-www-form-urlencoded"]["schema"]["allOf"]
    names = set().union(*(resolved(described, schema)["properties"] for schema in schemas))
    query = parameters(described, "/Observation", "get")
    assert set(query) - {"_format", "_pretty"} == names


def test_a_parameter_says_its_type_its_modifiers_prefixes_and_targets(described: Json) -> None:
    query = parameters(described, "/Observation", "get")
    assert ":not" in query["code"]["description"] and query["code"]["description"].startswith("Token")
    assert "Prefixes: eq ne gt" in query["value-quantity"]["description"]
    assert "Patient" in query["subject"]["description"]


def test_every_reference_inside_the_document_leads_somewhere(described: Json) -> None:
    for reference in references(described):
        assert resolved(described, {"$ref": reference})


def test_every_operation_has_an_id_of_its_own_and_names_its_path_parameters(described: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(ids)) == len(ids)
    for path, method, _ in operations(described):
        found = parameters(described, path, method)
        named = {name for name, each in found.items() if each["in"] == "path"}
        assert named == set(PATH_PARAMETERS.findall(path)), f"{method} {path}"
        assert all(found[name]["required"] is True for name in named)


@pytest.mark.slow
def test_the_document_is_valid_by_the_schema_of_openapi() -> None:
    validate(json.loads(document("/fhir", STANDARD, EXAMPLES)))


def test_what_an_example_sends_stands_at_its_operation() -> None:
    parts = with_examples()["paths"]
    read = parts["/Patient/{id}"]
    assert read["get"][WHOLE] == {"a-patient": {"summary": "A patient", "path": "Patient/p1", "status": 200}}
    assert {"$ref": "#/components/parameters/Patient.id"} in read["parameters"]
    assert parts["/Patient/{id}/_history"]["parameters"][0] == {"$ref": "#/components/parameters/Patient.id"}
    query = {each["name"]: each for each in parts["/Patient"]["get"]["parameters"] if "name" in each}
    assert query["gender"]["examples"]["women"]["value"] == ["female"]
    assert query["_count"]["examples"]["women"]["value"] == 2
    made = parts["/Patient"]["post"]["requestBody"]["content"]["application/fhir+json"]
    assert made["examples"]["one-more"]["value"] == {"resourceType": "Patient", "multipleBirthInteger": 2}
    assert "examples" not in parts["/Group"]["post"]["requestBody"].get("content", {})
    form = parts["/Patient/_search"]["post"]["requestBody"]["content"][FORM]["examples"]
    assert form["by-a-form"]["value"] == {"gender": ["female"]}
    assert form["women"]["value"] == {"gender": ["female"], "_count": ["2"]}


def test_two_examples_of_one_title_are_both_kept() -> None:
    twice = (Request("A patient", "GET", "Patient/p1"), Request("A patient", "GET", "Patient/p2"))
    described = decode(document("/fhir", STANDARD, twice))
    kept = described["paths"]["/Patient/{id}"]["get"][WHOLE]
    assert [each["path"] for each in kept.values()] == ["Patient/p1", "Patient/p2"]


def test_no_described_path_is_unknown_to_the_server(api: httpx.Client, described: Json) -> None:
    mine = [each for each in operations(described) if each[0].startswith("/Patient") or each[0].count("/") == 1]
    for path, method, _ in mine[:60]:
        sent = path.replace("{type}", "Observation").replace("{id}", "nobody").replace("{version}", "1")
        # A body that nothing reads: only whether there is anything at the path is asked.
        answer = api.request(method, sent.removeprefix("/"), content=b"{", headers={"content-type": "x/y"})
        assert answer.status_code not in (405, 501), f"{method} {path}: {answer.text}"
        if answer.status_code == 404:
            assert "nothing at this path" not in answer.text, f"{method} {path}: {answer.text}"


def test_the_document_is_small_enough_to_be_read() -> None:
    assert len(document("/fhir", STANDARD, EXAMPLES)) < 2_000_000


def test_a_resource_type_is_still_found_beside_the_document(api: httpx.Client) -> None:
    assert api.get("openapi.xml").status_code == 404
    assert api.get("Patient/openapi.json").status_code == 404
