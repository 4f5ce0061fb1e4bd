"""Answers drawn as pages by themselves: what a stored Bundle may hold, and what is too large to be drawn whole."""

import re
from typing import Any

import httpx
import pytest

from fhir_server.core.codec import encode
from fhir_server.rest.pages_answer import Shown, answer_page
from fhir_server.rest.pages_json import SMALL_BYTES
from tests.rest.pages import Seen, seen

BASE = "http://localhost:8080/fhir"
AWAY = "https://away.example/fhir/Patient/p1"


async def drawn(answer: Any, path: str = "/fhir/Bundle/b1", base: str = BASE) -> Seen:
    """The page of an answer to a GET of `path`."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
    response = await answer_page(Shown(scope, base, (), encode(answer), 200, {}))
    return seen(httpx.Response(200, headers=dict(response.headers), content=bytes(response.body)))


def bundle(*entries: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", **elements, "entry": list(entries)}


async def test_a_stored_bundle_cannot_name_a_place_elsewhere_by_the_words_of_this_server() -> None:
    entry = {"fullUrl": AWAY, "resource": {"resourceType": "Patient", "id": "p1"}}
    told = {"request": {"method": "PUT", "url": "x"}, "response": {"status": "200", "location": AWAY}}
    page = await drawn(bundle(entry, told, link=[{"relation": "next", "url": AWAY}, {"relation": "self", "url": AWAY}]))
    leading_away = [text for text, target in page.links().items() if target.startswith("https://away.")]
    assert leading_away == [f'"{AWAY}"']
    assert not [each for each in page.all("link") if each.attributes.get("rel") == "next"]


@pytest.mark.parametrize(
    "answer",
    [
        bundle({"search": {"mode": "outcome"}, "fullUrl": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}),
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "expression": [None, "Patient.name"]}]},
        {"resourceType": "Patient", "name": [{"given": [None, "Ada"], "family": "Testpatient"}]},
    ],
    ids=["an outcome without its resource", "an expression of extensions alone", "a name of extensions alone"],
)
async def test_what_may_be_stored_can_be_shown(answer: Any) -> None:
    assert (await drawn(answer)).all("pre")


async def test_a_path_that_looks_like_another_host_makes_no_link_to_it() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    assert (await drawn(outcome, "//away.example/x")).links()["JSON"].startswith("/away.example/x?")
    entry = {"fullUrl": "http://localhost:8080//away.example/x", "resource": {"resourceType": "Patient"}}
    page = await drawn(bundle(entry), base="http://localhost:8080")
    assert not [target for target in page.links().values() if target.startswith("//")]


async def test_of_a_page_too_large_to_draw_the_beginning_is_shown_and_said_to_be_that() -> None:
    nested: Any = [{"url": "a", "valueBoolean": True}] * 20_000
    for _ in range(27):
        nested = [{"url": "a", "extension": nested}]
    patient = {"resourceType": "Patient", "id": "p1", "extension": nested}
    page = await drawn(bundle(*({"fullUrl": f"{BASE}/Patient/p1", "resource": patient} for _ in range(40)), total=40))
    said = page.all("main")[0].text
    shown = re.search(r"More than (\d+) on this page, 40 in all", said)
    assert shown is not None and 0 < int(shown[1]) < 40
    assert "only its beginning is shown" in said
    assert len(said) < 5_000_000


async def test_a_large_resource_is_drawn_whatever_stands_last_in_it() -> None:
    # Wide, so that it is not coloured: the parser of these tests takes minutes for 75,000 elements.
    page = await drawn({"contained": [{"id": "a," * 20}] * 200_000, "resourceType": "Basic", "id": "b1"})
    assert "only its beginning is shown" in page.all("main")[0].text


async def test_a_large_attachment_alone_is_no_reason_to_show_less() -> None:
    data = "QUJD" * SMALL_BYTES
    page = await drawn({"resourceType": "Binary", "data": data, "contentType": 'text/plain; x="{[,\\"'})
    assert "only its beginning is shown" not in page.all("main")[0].text
    assert "contentType" in page.all("pre")[0].text
