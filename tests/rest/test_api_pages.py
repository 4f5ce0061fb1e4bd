"""`GET /docs/api`: what each type offers, from the table of the CapabilityStatement."""

import re

import httpx
import pytest

from fhir_server.definitions.capability import PREFIXES, offered_parameters
from fhir_server.definitions.registry import resource_types
from tests.conftest import RunningServer
from tests.rest.conftest import numbers
from tests.rest.pages import BROWSER, Seen, seen


@pytest.fixture(scope="module")
def documentation(shared_server: RunningServer) -> httpx.Client:
    root = shared_server.base.removesuffix("/fhir")
    return httpx.Client(base_url=root, headers=BROWSER, timeout=30, trust_env=False)


def rows(page: Seen) -> dict[str, str]:
    """The rows of all tables by their first word."""
    return {row.text.split()[0]: row.text for row in page.all("tr")}


def test_the_index_leads_to_every_type(documentation: httpx.Client) -> None:
    links = seen(documentation.get("/docs/api")).links()
    for type in resource_types():
        assert links[type] == f"/docs/api/{type}"


def test_every_type_lists_the_parameters_it_can_be_searched_by(api: httpx.Client, documentation: httpx.Client) -> None:
    for statement in api.get("metadata").json()["rest"][0]["resource"]:
        page = seen(documentation.get(f"/docs/api/{statement['type']}"))
        named = {code.text for heading in page.all("th") for code in page.all("code") if code.text == heading.text}
        listed = {parameter["name"] for parameter in statement["searchParam"]}
        assert listed - named == set(), statement["type"]


def test_a_type_shows_its_interactions_with_their_paths(api: httpx.Client, documentation: httpx.Client) -> None:
    statement = api.get("metadata").json()["rest"][0]
    text = seen(documentation.get("/docs/api/Observation")).all("table")[0].text
    (observation,) = (each for each in statement["resource"] if each["type"] == "Observation")
    for interaction in observation["interaction"]:
        assert interaction["code"] in text
    assert "GET /fhir/Observation/{id}/_history/{version}" in text
    system = seen(documentation.get("/docs/api")).all("main")[0].text
    for interaction in statement["interaction"]:
        assert interaction["code"] in system


def test_a_parameter_says_its_type_modifiers_prefixes_and_targets(documentation: httpx.Client) -> None:
    page = seen(documentation.get("/docs/api/Observation"))
    found = rows(page)
    assert ":of-type" in found["identifier"] and "token" in found["identifier"]
    assert "ge" in found["date"].split() and "Observation.effective" in found["date"]
    assert {"Group", "Device", "Patient", "Location"} <= set(found["subject"].split())
    assert page.links()["Patient"] == "/docs/api/Patient"


def test_every_modifier_and_prefix_there_is_gets_explained(documentation: httpx.Client) -> None:
    page = seen(documentation.get("/docs/api"))
    explained = rows(page)
    used = {f":{name}" for type in resource_types() for each in offered_parameters(type) for name in each.modifiers}
    assert used - set(explained) == set()
    assert set(PREFIXES) <= set(re.findall(r"\w+", explained["prefixes"]))
    kinds = {each.type for type in resource_types() for each in offered_parameters(type)}
    assert kinds <= set(explained)


def test_a_type_that_r4_does_not_have_is_a_404(documentation: httpx.Client) -> None:
    assert documentation.get("/docs/api/Patientt").status_code == 404
    answer = documentation.get("/docs/api/Patientt", headers={"accept": "*/*"})
    assert (answer.status_code, numbers(answer)) == (404, ["1010"])
