"""`GET /fhir/openapi.json`: paths, parameters and interactions, from the table of the CapabilityStatement."""

import re
from typing import Any

import httpx
import pytest

from fhir_server.definitions.registry import resource_types

Json = dict[str, Any]

PATH_PARAMETERS = re.compile(r"\{(\w+)\}")


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


def parameters(document: Json, path: str, method: str) -> dict[str, Json]:
    found = [resolved(document, node) for node in document["paths"][path][method]["parameters"]]
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
    names = form["application/x-www-form-urlencoded"]["schema"]["properties"]
    query = parameters(described, "/Observation", "get")
    assert set(query) - {"_format", "_pretty"} == set(names)


def test_a_parameter_says_its_type_its_modifiers_prefixes_and_targets(described: Json) -> None:
    query = parameters(described, "/Observation", "get")
    assert ":not" in query["code"]["description"] and query["code"]["description"].startswith("Token")
    assert "Prefixes: eq ne gt" in query["value-quantity"]["description"]
    assert "Patient" in query["subject"]["description"]


def test_every_reference_inside_the_document_leads_somewhere(described: Json) -> None:
    for reference in references(described):
        assert resolved(described, {"$ref": reference})


def test_every_operation_has_an_id_of_its_own_and_names_its_path_parameters(described: Json) -> None:
    ids = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    for path, methods in described["paths"].items():
        for method in methods:
            found = parameters(described, path, method)
            named = {name for name, each in found.items() if each["in"] == "path"}
            assert named == set(PATH_PARAMETERS.findall(path)), f"{method} {path}"
            assert all(found[name]["required"] is True for name in named)


def test_no_described_path_is_unknown_to_the_server(api: httpx.Client, described: Json) -> None:
    mine = [path for path in described["paths"] if path.startswith("/Patient") or path.count("/") == 1][:40]
    for path in mine:
        for method in described["paths"][path]:
            sent = path.replace("{type}", "Observation").replace("{id}", "nobody").replace("{version}", "1")
            # A body that nothing reads: only whether there is anything at the path is asked.
            answer = api.request(method, sent.removeprefix("/"), content=b"{", headers={"content-type": "x/y"})
            assert answer.status_code not in (405, 501), f"{method} {path}: {answer.text}"
            if answer.status_code == 404:
                assert "nothing at this path" not in answer.text, f"{method} {path}: {answer.text}"


def test_the_document_is_small_enough_to_be_read(api: httpx.Client) -> None:
    assert len(api.get("openapi.json").content) < 2_000_000


def test_a_resource_type_is_still_found_beside_the_document(api: httpx.Client) -> None:
    assert api.get("openapi.xml").status_code == 404
    assert api.get("Patient/openapi.json").status_code == 404
