"""Every search parameter the CapabilityStatement names, of every type, does what it says or says why not.

https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import search_parameters
from tests.rest.conftest import created, patient

BATCH = 100
SAMPLES = {
    "token": "http://example.org/system|code",
    "string": "text",
    "date": "ge2020-02-29",
    "number": "lt1.50",
    "quantity": "gt5.4|http://unitsofmeasure.org|mg",
    "reference": "some-id",
    "uri": "http://example.org/uri",
}
SAMPLES_BY_NAME = {
    "_id": "some-id",
    "_text": "word",
    "_content": "word",
    "near": "52.1|5.1|10|km",
    "_filter": "_id eq some-id",
}
BAD_VALUES = {
    "date": ["2020-13-01", "someday", "xx2020-01-01", "2020-01-01T25:00:00Z"],
    "number": ["1,5x", "many", "1.2.3", "zz1"],
    "quantity": ["much", "1|2", "5|a|b|c", "gt|http://unitsofmeasure.org|mg"],
    "reference": ["Nonsense/1", "/"],
}
BAD_BY_NAME = {"near": ["52.1", "91|5", "52|181", "52|5|-1|km", "52|5|1|parsec", "a|b"]}
COMPOSITE_BAD = ["only-one-part", "a$b$c$d$e"]
LISTS = ("_list", "_has", "_type", "_query", "_in")
"""Names that need something stored, or that are no parameter of a type: other tests ask for them."""


@pytest.fixture(scope="module")
def advertised(api: httpx.Client) -> list[tuple[str, str, str]]:
    """Type, code and kind of every parameter of the CapabilityStatement."""
    created(api, patient())
    rest = api.get("metadata").json()["rest"][0]
    return [
        (resource["type"], parameter["name"], parameter["type"])
        for resource in rest["resource"]
        for parameter in resource["searchParam"]
        if parameter["name"] not in LISTS
    ]


@pytest.fixture(scope="module")
def parts() -> dict[tuple[str, str], list[str]]:
    """The kinds of the parts of every composite of R4, by type and code: as its registry says."""
    return {
        (type, code): [component.type for component in parameter.components]
        for type in resource_types()
        for code, parameter in search_parameters(type).items()
        if parameter.type == "composite"
    }


def sample(type: str, code: str, kind: str, parts: dict[tuple[str, str], list[str]]) -> str:
    """A good value."""
    if kind == "composite":
        kinds = parts[type, code]
        if (type, code) == ("DocumentReference", "relationship"):
            kinds = ["reference", "token"]
        return "$".join(SAMPLES[each] for each in kinds)
    return SAMPLES_BY_NAME.get(code) or SAMPLES[kind]


def asked(api: httpx.Client, urls: Sequence[str]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Each URL with the status and the body of its answer, many in one batch."""
    for start in range(0, len(urls), BATCH):
        part = urls[start : start + BATCH]
        entries = [{"request": {"method": "GET", "url": url}} for url in part]
        response = api.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}, timeout=120)
        assert response.status_code == 200, response.text
        for url, row in zip(part, response.json()["entry"], strict=True):
            answer = row["response"]
            yield url, int(answer["status"][:3]), row.get("resource") or answer.get("outcome") or {}


def said(outcome: dict[str, Any]) -> str:
    return " ".join(issue.get("details", {}).get("text", "") for issue in outcome.get("issue", ()))


def test_every_parameter_of_r4_is_advertised(advertised: list[tuple[str, str, str]]) -> None:
    expected = {(type, code) for type in resource_types() for code in search_parameters(type) if code != "_query"}
    # No words of what is encrypted are searched.
    expected -= {(type, code) for type in ENCRYPTED for code in ("_text", "_content")}
    assert expected - {(type, code) for type, code, _ in advertised} == set()


def test_a_good_value_is_answered_and_stands_in_the_self_link(
    api: httpx.Client, advertised: list[tuple[str, str, str]], parts: dict[tuple[str, str], list[str]]
) -> None:
    wanted = {f"{type}?{code}={quote(sample(type, code, kind, parts))}": code for type, code, kind in advertised}
    wrong = []
    for url, status, body in asked(api, list(wanted)):
        links = [link["url"] for link in body.get("link", ()) if link["relation"] == "self"]
        applied = [name for link in links for name, _ in parse_qsl(urlsplit(link).query)]
        if status != 200 or not any(name.split(":")[0] == wanted[url] for name in applied):
            wrong.append((url, status, said(body) or links))
    assert wrong == []


def test_a_value_that_is_none_of_its_type_is_refused_and_the_parameter_named(
    api: httpx.Client, advertised: list[tuple[str, str, str]]
) -> None:
    wanted: dict[str, str] = {}
    for type, code, kind in advertised:
        bad = BAD_BY_NAME.get(code) or (COMPOSITE_BAD if kind == "composite" else BAD_VALUES.get(kind, []))
        if code not in ("_id", "_text", "_content"):
            wanted |= {f"{type}?{code}={quote(value)}": code for value in bad}
    wrong = [
        (url, status, said(body))
        for url, status, body in asked(api, list(wanted))
        if status != 400 or f"'{wanted[url]}" not in said(body)
    ]
    assert wrong == []


@pytest.mark.parametrize("is_missing", ["true", "false"])
def test_missing_is_answered_for_every_parameter(
    api: httpx.Client, advertised: list[tuple[str, str, str]], is_missing: str
) -> None:
    # `_text`, `_content` and `_filter` are questions about a whole resource: there is nothing that could be missing.
    whole = ("_text", "_content", "_filter", "_id", "_lastUpdated")
    urls = [f"{type}?{code}:missing={is_missing}" for type, code, _ in advertised if code not in whole]
    assert [(url, status, said(body)) for url, status, body in asked(api, urls) if status != 200] == []


def test_missing_takes_true_or_false(api: httpx.Client, advertised: list[tuple[str, str, str]]) -> None:
    urls = [f"{type}?{code}:missing=maybe" for type, code, _ in advertised]
    assert [(url, status) for url, status, _ in asked(api, urls) if status != 400] == []


def test_an_unknown_modifier_is_refused_and_named(
    api: httpx.Client, advertised: list[tuple[str, str, str]], parts: dict[tuple[str, str], list[str]]
) -> None:
    urls = [f"{type}?{code}:fuzzy={quote(sample(type, code, kind, parts))}" for type, code, kind in advertised]
    wrong = [
        (url, status, said(body))
        for url, status, body in asked(api, urls)
        if status != 400 or "fuzzy" not in said(body)
    ]
    assert wrong == []


MISPLACED = {
    "date": ("exact", "not", "contains", "above", "text", "identifier"),
    "number": ("exact", "not", "contains", "in", "text"),
    "quantity": ("exact", "contains", "of-type", "text"),
    "string": ("in", "above", "of-type", "identifier", "Patient"),
    "uri": ("exact", "in", "of-type", "identifier"),
    "token": ("exact", "contains", "identifier", "Patient"),
    "reference": ("exact", "contains", "of-type", "in"),
    "composite": ("exact", "contains", "of-type"),
}


def test_a_modifier_of_another_type_is_refused(
    api: httpx.Client, advertised: list[tuple[str, str, str]], parts: dict[tuple[str, str], list[str]]
) -> None:
    urls = [
        f"{type}?{code}:{modifier}={quote(sample(type, code, kind, parts))}"
        for type, code, kind in advertised
        if not code.startswith("_")
        for modifier in MISPLACED.get(kind, ())[:3]
    ]
    wrong = [(url, status, said(body)) for url, status, body in asked(api, urls) if status != 400]
    assert wrong == []


def test_every_advertised_sort_include_and_revinclude_is_answered(api: httpx.Client) -> None:
    rest = api.get("metadata").json()["rest"][0]
    urls = [
        f"{resource['type']}?_count=1&{name}={quote(value)}"
        for resource in rest["resource"]
        for name, element in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude"))
        for value in resource.get(element, ())
    ]
    assert len(urls) > 1_000
    assert [(url, status, said(body)) for url, status, body in asked(api, urls) if status != 200] == []


def test_no_parameter_name_outside_the_table_is_taken(api: httpx.Client) -> None:
    rest = api.get("metadata").json()["rest"][0]
    urls = [f"{resource['type']}?no-such-parameter=x" for resource in rest["resource"]]
    wrong = [
        (url, status)
        for url, status, body in asked(api, urls)
        if status != 400 or "no-such-parameter" not in said(body)
    ]
    assert wrong == []
