"""JSON Merge Patch on resources: https://www.rfc-editor.org/rfc/rfc7396"""

import json
from typing import Any

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.formats import merge_patch


def merged(before: Any, sent: Any) -> Any:
    change = merge_patch.change(sent)
    return json.loads(encode(change(decode(json.dumps(before).encode()))))


@pytest.mark.parametrize(
    ("before", "sent", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c", "e": "f"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d", "e": "f"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": 1}, {"a": 1}, {"e": 1, "a": 1}),
        ({"e": 1}, {}, {"e": 1}),
        ({"a": "b"}, {"a": {"c": 1, "d": None}}, {"a": {"c": 1}}),
    ],
)
def test_members_replace_members_and_null_removes(before: Any, sent: Any, expected: Any) -> None:
    assert merged(before, sent) == expected


def test_what_removals_empty_goes_too() -> None:
    assert merged({"a": {"b": {"c": 1}}, "x": 1}, {"a": {"b": {"c": None}}}) == {"x": 1}
    assert merged({"x": 1}, {"a": {"b": None}}) == {"x": 1}


def test_what_is_sent_empty_stays_to_be_refused() -> None:
    assert merged({"a": 1}, {"b": {}, "c": []}) == {"a": 1, "b": {}, "c": []}


def test_a_change_may_be_used_again() -> None:
    change = merge_patch.change({"a": [{"b": 1}]})
    first, second = change({}), change({})
    first["a"][0]["b"] = 2
    assert second["a"] == [{"b": 1}]


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_what_is_no_object_is_a_400(document: Any) -> None:
    with pytest.raises(FhirError) as caught:
        merge_patch.change(document)
    assert (caught.value.status, caught.value.issues[0].number) == (400, 2017)


def test_a_merge_patch_that_nests_too_deep_is_a_400() -> None:
    deep: Any = 1
    for _ in range(70):
        deep = {"x": deep}
    with pytest.raises(FhirError) as caught:
        merged({}, deep)
    assert caught.value.issues[0].number == 1004
