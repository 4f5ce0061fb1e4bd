"""Values that are huge, are no text, or mean something to a database: they find nothing and break nothing.

The client waits 30 s for each."""

from urllib.parse import quote

import httpx
import pytest

from tests.rest.conftest import created, patient


@pytest.fixture(scope="module")
def person(api: httpx.Client) -> str:
    """A patient that a search which ignored its parameters would find."""
    return str(created(api, patient(name=[{"family": "Found", "given": ["Synthia"]}], birthDate="1970-01-01"))["id"])


CONTROL = ["\x00", "\x01", "\x1f", "\x7f", "\u2028", "\ud7ff", "\ufffe", "a\x00b", "\r\nx: y", "\t"]


@pytest.mark.parametrize("name", ["name", "identifier", "gender", "birthdate", "general-practitioner", "_id", "_tag"])
def test_control_characters_are_never_everything_and_never_a_failure(api: httpx.Client, person: str, name: str) -> None:
    for character in CONTROL:
        for response in (
            api.get(f"Patient?{name}={quote(character)}"),
            api.get(f"Patient?{name}=x{quote(character)}"),
            api.post("Patient/_search", data={name: character}),
            api.get(f"Patient?{quote(character)}=x"),
        ):
            assert response.status_code in (200, 400), (character, response.text)
            assert response.status_code == 400 or response.json()["total"] == 0, (name, character, response.text[:300])


@pytest.mark.parametrize("raw", ["%ff", "%c3", "%ed%a0%80", "%", "%zz", "%u0041"])
def test_bytes_that_are_no_text_are_never_everything(api: httpx.Client, person: str, raw: str) -> None:
    for name in ("name", "identifier", "_id"):
        response = api.get(f"Patient?{name}={raw}")
        assert response.status_code == 400 or response.json()["total"] == 0, (name, raw, response.text[:300])
        assert response.status_code in (200, 400)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Patient", "name"), ("Patient", "name:exact"), ("Patient", "name:contains"), ("Patient", "identifier"),
        ("Patient", "_id"), ("Patient", "birthdate"), ("Patient", "general-practitioner"), ("Patient", "_profile"),
        ("Observation", "value-quantity"), ("Observation", "code:text"), ("Observation", "code-value-quantity"),
        ("ValueSet", "url:below"), ("ValueSet", "url:above"), ("Observation", "subject:Patient.name"),
        ("Patient", "_has:Observation:patient:code"), ("Patient", "_text"), ("Patient", "_content"),
        ("Patient", "_list"),
        ("Patient", "_sort"), ("Patient", "_elements"), ("Patient", "_include"), ("Observation", "code:in"),
        ("Patient", "_filter"), ("Patient", "_count"), ("Location", "near"), ("RiskAssessment", "probability"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", ["x" * 31_000, "9" * 31_000, "/" * 31_000, "|" * 31_000, "\\" * 31_000, "$" * 31_000, "(" * 31_000,
              "a " * 15_000, "é" * 5_000, "a/" * 15_000, "-" * 31_000, "*" * 31_000]
)  # fmt: skip
def test_a_huge_value_finds_nothing_or_is_refused(
    api: httpx.Client, person: str, path: str, name: str, value: str
) -> None:
    response = api.post(f"{path}/_search", data={name: value})
    assert response.status_code in (200, 400, 413), (path, name, value[:3], response.text[:300])
    assert response.status_code != 200 or response.json()["total"] == 0, (path, name, value[:3])


@pytest.mark.parametrize(
    "value", ["(a+)+$", ".*", "^", "[", "$where", '{"$ne": null}', "a'b\"c", "\\", "\\,", "\\x", "*"]
)
@pytest.mark.parametrize(
    "name", ["name", "name:exact", "name:contains", "identifier", "gender", "_tag", "general-practitioner", "_source"]
)
def test_what_means_something_to_a_database_is_only_text(api: httpx.Client, person: str, name: str, value: str) -> None:
    response = api.get("Patient", params={name: value})
    assert response.status_code in (200, 400), response.text
    assert response.status_code == 400 or response.json()["total"] == 0, (name, value)
