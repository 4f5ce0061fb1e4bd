"""JSON as HTML to read: what becomes a link, what is cut, and that nothing else changes."""

import html
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.codec import encode, indented
from fhir_server.rest.pages_json import MAX_DATA_CHARS, MAX_SHOWN_CHARS, MAX_TEXT_CHARS, Linked, readable

LINKED = Linked(("http://127.0.0.1:8080/fhir", "http://localhost:8080/fhir"), "/fhir")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=60) | st.sampled_from(["<&>\"'", "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)


def text_of(written: str) -> str:
    """What a browser shows of it."""
    return html.unescape(re.sub(r"<[^>]*>", "", written))


def links(value: Any) -> dict[str, str]:
    """The targets of links by the strings that they are."""
    written = readable(encode(value), LINKED).html
    found = re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', written)
    return {json.loads(html.unescape(text)): html.unescape(target) for target, text in found}


@given(JSON)
def test_what_is_shown_is_the_json_and_nothing_more(value: Any) -> None:
    body = encode({"value": value})
    assert text_of(readable(body, LINKED).html) == indented(body).decode()


@given(st.text(alphabet="<>&\"'/ =\\abhtpjscri:#", max_size=40))
def test_no_string_gets_out_of_its_place(text: str) -> None:
    written = readable(encode({"reference": text, "url": f"http://x/{text}", text: 1}), LINKED).html
    tags = set(re.findall(r"<[^>]*>", written))
    assert all(re.fullmatch(r'</?(span|a)( (class|href|rel)="[^"<>]*")*>', tag) for tag in tags), tags


@pytest.mark.parametrize("literal", ["1.50", "1e400", "-0", "0.000000001", "123456789012345678901234567890", "1E-7"])
def test_a_number_keeps_its_digits(literal: str) -> None:
    written = readable(b'{"value":' + literal.encode() + b"}", LINKED).html
    assert f'<span class="n">{literal}</span>' in written


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("Patient/p1", "/fhir/Patient/p1"),
        ("Patient/p1/_history/2", "/fhir/Patient/p1/_history/2"),
        ("Patient/p1#name", "/fhir/Patient/p1"),
        ("http://127.0.0.1:8080/fhir/Patient/p1", "/fhir/Patient/p1"),
        ("http://localhost:8080/fhir/Patient/p1", "/fhir/Patient/p1"),
        ("http://other.example/fhir/Patient/p1", "http://other.example/fhir/Patient/p1"),
        ("#contained", None),
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", None),
        ("Patientt/p1", None),
        ("javascript:alert(1)//Patient/p1", None),
        ("data:text/html,x", None),
        ("//other.example/Patient/p1", None),
        ("http://a b", None),
    ],
)
def test_a_reference_leads_where_it_can_be_read(reference: str, target: str | None) -> None:
    assert links({"reference": reference}) == ({reference: target} if target else {})


def test_only_references_are_read_as_such() -> None:
    assert links({"display": "Patient/p1", "url": "Patient/p1"}) == {}


def test_another_server_whose_name_begins_like_ours_is_another_server() -> None:
    near = "http://127.0.0.1:8080/fhir2/Patient/p1"
    assert links({"url": near}) == {near: near}


def test_an_escaped_url_leads_where_it_says() -> None:
    assert links({"url": 'http://x.example/?a=1&b="'}) == {}
    assert links({"url": "http://x.example/?a=1&b=2"}) == {"http://x.example/?a=1&b=2": "http://x.example/?a=1&b=2"}
    assert 'href="http://x.example/y"' in readable(b'{"url":"http:\\/\\/x.example\\/y"}', LINKED).html


def test_data_is_cut_sooner_than_text() -> None:
    data = text_of(readable(encode({"data": "QUJD" * 1000}), LINKED).html)
    assert MAX_DATA_CHARS <= len(data) < MAX_DATA_CHARS + 50
    words = "all of it is told, " * 100
    assert words in text_of(readable(encode({"div": words}), LINKED).html)
    story = text_of(readable(encode({"div": words * 100}), LINKED).html)
    assert MAX_TEXT_CHARS <= len(story) < MAX_TEXT_CHARS + 50 and "characters more" in story


def test_a_cut_does_not_end_within_an_escape() -> None:
    for shift in range(8):
        written = readable(encode({"data": "x" * shift + "<" * 4000}), LINKED).html
        assert set(re.findall(r"&\w*;?", written)) == {"&lt;"}


def test_what_is_too_large_to_colour_is_plain_and_then_cut_at_a_line() -> None:
    entry = {"name": "x" * 80, "value": [1, 2, 3]}
    plain = readable(encode([entry] * 20_000), LINKED)
    assert plain.is_whole and "<span" not in plain.html
    cut = readable(encode([entry] * 80_000), LINKED)
    assert not cut.is_whole and len(cut.html) <= MAX_SHOWN_CHARS
    assert indented(encode([entry] * 80_000)).decode().startswith(f"{cut.html}\n")
