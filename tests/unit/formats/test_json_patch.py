"""JSON Patch on resources: https://www.rfc-editor.org/rfc/rfc6902"""

import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core.codec import MAX_DEPTH, decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.formats import json_patch, patched

BEFORE = b"""{"resourceType": "Observation", "id": "o1", "status": "final", "valueQuantity": {"value": 1.50},
 "note": [{"text": "a"}, {"text": "b"}], "interpretation": [{"coding": [{"code": "H"}]}]}"""


def after(*operations: dict[str, Any], before: bytes = BEFORE) -> Any:
    """The resource after the operations, as JSON text with its digits."""
    change = json_patch.change(decode(json.dumps(operations).encode()))
    return encode(change(decode(before))).decode()


def refused(*operations: Any, before: bytes = BEFORE) -> FhirError:
    with pytest.raises(FhirError) as caught:
        after(*operations, before=before)
    return caught.value


def notes(text: str) -> list[str]:
    return [note["text"] for note in json.loads(text).get("note", [])]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/note/0", "value": {"text": "x"}}, ["x", "a", "b"]),
        ({"op": "add", "path": "/note/2", "value": {"text": "x"}}, ["a", "b", "x"]),
        ({"op": "add", "path": "/note/-", "value": {"text": "x"}}, ["a", "b", "x"]),
        ({"op": "remove", "path": "/note/0"}, ["b"]),
        ({"op": "replace", "path": "/note/1/text", "value": "x"}, ["a", "x"]),
        ({"op": "replace", "path": "/note", "value": [{"text": "x"}]}, ["x"]),
        ({"op": "move", "from": "/note/0", "path": "/note/1"}, ["b", "a"]),
        ({"op": "move", "from": "/note/0", "path": "/note/-"}, ["b", "a"]),
        ({"op": "move", "from": "/note/1", "path": "/note/1"}, ["a", "b"]),
        ({"op": "copy", "from": "/note/0", "path": "/note/-"}, ["a", "b", "a"]),
        ({"op": "test", "path": "/note/0", "value": {"text": "a"}, "comment": "ignored"}, ["a", "b"]),
        ({"op": "add", "path": "/status", "value": "amended"}, ["a", "b"]),
    ],
)
def test_an_operation_does_what_the_rfc_says(operation: dict[str, Any], expected: list[str]) -> None:
    assert notes(after(operation)) == expected


def test_operations_see_what_those_before_them_did() -> None:
    made = after(
        {"op": "add", "path": "/component", "value": []},
        {"op": "add", "path": "/component/-", "value": {"code": {}}},
        {"op": "add", "path": "/component/0/code/text", "value": "c"},
        {"op": "remove", "path": "/note/0"},
        {"op": "replace", "path": "/note/0/text", "value": "was b"},
    )
    assert json.loads(made)["component"] == [{"code": {"text": "c"}}]
    assert notes(made) == ["was b"]


def test_a_copy_does_not_change_with_what_it_was_copied_from() -> None:
    made = after(
        {"op": "copy", "from": "/note/0", "path": "/note/-"},
        {"op": "replace", "path": "/note/0/text", "value": "x"},
    )
    assert notes(made) == ["x", "b", "a"]


def test_a_change_may_be_used_again_and_does_the_same() -> None:
    change = json_patch.change(
        [
            {"op": "add", "path": "/component", "value": [{"code": {}}]},
            {"op": "add", "path": "/component/0/code/text", "value": "c"},
        ]
    )
    assert change(decode(BEFORE)) == change(decode(BEFORE))


def test_digits_of_decimals_stay_as_they_were_and_as_they_are_sent() -> None:
    assert '"value":1.50' in after({"op": "remove", "path": "/note"})
    change = json_patch.change(decode(b'[{"op": "replace", "path": "/valueQuantity/value", "value": 2.500}]'))
    assert b'"value":2.500' in encode(change(decode(BEFORE)))


def test_escapes_in_a_pointer_name_slash_and_tilde() -> None:
    before = b'{"a/b": 1, "c~d": 2, "~1": 3}'
    made = after(
        {"op": "remove", "path": "/a~1b"},
        {"op": "remove", "path": "/c~0d"},
        {"op": "test", "path": "/~01", "value": 3},
        before=before,
    )
    assert made == '{"~1":3}'


@pytest.mark.parametrize(
    ("stored", "tested", "holds"),
    [
        ("1.50", "1.5", True),
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ("true", "1", False),
        ("true", "true", True),
        ("null", "null", True),
        ('"1"', "1", False),
        ('{"a": 1, "b": [2]}', '{"b": [2], "a": 1}', True),
        ("[1, 2]", "[2, 1]", False),
        ("[1]", "[true]", False),
    ],
)
def test_a_test_compares_as_json_does(stored: str, tested: str, holds: bool) -> None:
    change = json_patch.change(decode(f'[{{"op": "test", "path": "/x", "value": {tested}}}]'.encode()))
    try:
        change(decode(f'{{"x": {stored}}}'.encode()))
    except FhirError as error:
        assert not holds
        assert (error.status, error.issues[0].number) == (422, 2019)
    else:
        assert holds


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nothing"},
        {"op": "remove", "path": "/note/2"},
        {"op": "remove", "path": "/note/-"},
        {"op": "remove", "path": "/note/00"},
        {"op": "remove", "path": "/note/-1"},
        {"op": "remove", "path": "/note/1e0"},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "replace", "path": "/note/-", "value": {}},
        {"op": "add", "path": "/note/3", "value": {}},
        {"op": "add", "path": "/note/x", "value": {}},
        {"op": "add", "path": "/nothing/inside", "value": 1},
        {"op": "add", "path": "/status/inside", "value": 1},
        {"op": "add", "path": "/status/0", "value": 1},
        {"op": "move", "from": "/nothing", "path": "/note/-"},
        {"op": "copy", "from": "/note/7", "path": "/note/-"},
    ],
)
def test_what_does_not_fit_the_resource_is_a_422_naming_the_operation_and_its_path(operation: dict[str, Any]) -> None:
    error = refused({"op": "test", "path": "/status", "value": "final"}, operation)
    assert (error.status, error.issues[0].number) == (422, 2018)
    assert f"Operation 1 ({operation['op']}) at /" in error.issues[0].text
    assert (error.issues[0].expression or "").startswith("Observation")


def test_a_test_of_what_is_not_there_fails_as_a_test() -> None:
    error = refused({"op": "test", "path": "/nothing", "value": 1})
    assert (error.status, error.issues[0].number) == (422, 2019)


def test_no_refusal_repeats_a_value() -> None:
    error = refused({"op": "test", "path": "/status", "value": "Testpatient"})
    assert "Testpatient" not in error.issues[0].text and "final" not in error.issues[0].text


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (1, "not a JSON object"),
        ({}, "'op' must be one of"),
        ({"op": "delete", "path": "/a"}, "'op' must be one of add, remove"),
        ({"op": ["add"], "path": "/a"}, "'op' must be one of"),
        ({"op": "remove"}, "'path' must be a JSON Pointer"),
        ({"op": "remove", "path": "note"}, "'path' must be a JSON Pointer"),
        ({"op": "remove", "path": 1}, "'path' must be a JSON Pointer"),
        ({"op": "remove", "path": "/a~2b"}, "'path' must be a JSON Pointer"),
        ({"op": "remove", "path": "/a~"}, "'path' must be a JSON Pointer"),
        ({"op": "add", "path": "/a"}, "needs a 'value'"),
        ({"op": "copy", "path": "/a"}, "'from' must be a JSON Pointer"),
        ({"op": "remove", "path": ""}, "Send a DELETE"),
        ({"op": "move", "from": "/a", "path": "/a/b"}, "into itself"),
    ],
)
def test_what_is_no_json_patch_is_a_400(operation: Any, says: str) -> None:
    error = refused(operation)
    assert (error.status, error.issues[0].number) == (400, 2017)
    assert says in error.issues[0].text


@pytest.mark.parametrize("document", [None, {}, "x", {"op": "remove", "path": "/a"}])
def test_a_document_that_is_no_array_is_a_400(document: Any) -> None:
    with pytest.raises(FhirError) as caught:
        json_patch.change(document)
    assert caught.value.status == 400


def test_all_that_is_wrong_with_a_document_is_told_at_once() -> None:
    assert len(refused({"op": "x"}, {"op": "add", "path": "a"}, 7).issues) == 4


def test_no_operations_change_nothing() -> None:
    assert json.loads(after()) == json.loads(BEFORE)


def test_what_removals_empty_goes_too_and_what_was_sent_empty_stays() -> None:
    made = json.loads(
        after(
            {"op": "remove", "path": "/interpretation/0/coding/0"},
            {"op": "remove", "path": "/note/1"},
            {"op": "remove", "path": "/note/0"},
            {"op": "add", "path": "/component", "value": []},
        )
    )
    assert "interpretation" not in made and "note" not in made
    assert made["component"] == []


def test_the_twin_of_a_list_keeps_its_places_and_goes_when_nothing_is_left_in_it() -> None:
    before = b"""{"name": [{"given": ["a", "b"], "_given": [{"extension": [{"url": "urn:x", "valueCode": "x"}]},
     {"extension": [{"url": "urn:y", "valueCode": "y"}]}]}]}"""
    first = {"op": "remove", "path": "/name/0/_given/0/extension/0"}
    second = {"op": "remove", "path": "/name/0/_given/1/extension"}
    assert json.loads(after(first, before=before))["name"][0]["_given"][0] is None
    assert json.loads(after(first, second, before=before)) == {"name": [{"given": ["a", "b"]}]}


def test_copies_that_double_a_resource_over_and_over_are_a_413() -> None:
    before = json.dumps({"note": [{"text": "x" * 1000}]}).encode()
    doubling = [{"op": "copy", "from": "/note", "path": "/note/-"}] * 40
    assert refused(*doubling, before=before).status in (400, 413)
    flat = [{"op": "copy", "from": "/note/0", "path": "/note/-"}] * 900
    assert len(json.loads(after(*flat, before=before))["note"]) == 901
    wide = json.dumps({"a": {"text": "x" * 100_000}}).encode()
    copies = [{"op": "copy", "from": "/a", "path": f"/a{number}"} for number in range(200)]
    assert refused(*copies, before=wide).status == 413


@pytest.mark.parametrize("value", [[], {}, {"text": "x"}, {"x" * 1000: 1}, Decimal("0." + "1" * 1000)])
def test_copies_are_measured_as_the_json_they_become(value: Any) -> None:
    before = encode({"a": [value] * 2000})
    copies = [{"op": "copy", "from": "/a", "path": f"/a{number}"} for number in range(200)]
    assert refused(*copies, before=before).status == 413


def test_a_long_text_may_be_sent_and_moved_but_not_copied() -> None:
    long = "x" * (patched.MAX_COPIED_CHARACTERS + 1)
    moves = [{"op": "move", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a"}] * 100
    sent = {"op": "add", "path": "/a", "value": {"text": long}}
    assert json.loads(after(sent, *moves, before=b"{}")) == {"a": {"text": long}}
    assert refused(sent, {"op": "copy", "from": "/a", "path": "/b"}, before=b"{}").status == 413


def test_moves_of_much_over_and_over_are_a_413() -> None:
    before = json.dumps({"a": [{"text": "x"}] * 10_000}).encode()
    moves = [{"op": "move", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a"}] * 100
    assert refused(*moves, before=before).status == 413
    assert after(*moves[:20], before=before) == after(before=before)


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("/note/7/text", "Observation.note[7]"),
        ("/note/0/nothing/x", "Observation.note[0].nothing"),
        ("/note/-/text", "Observation.note"),
        ("/note~1x/0", "Observation"),
        ("/", "Observation"),
        ("/\x00/x", "Observation"),
        ("/" + "x" * 300, "Observation"),
    ],
)
def test_a_refusal_names_the_element_as_far_as_it_can_be_one(path: str, expression: str) -> None:
    assert refused({"op": "remove", "path": path}).issues[0].expression == expression


def test_too_many_operations_are_a_413() -> None:
    operations = [{"op": "test", "path": "/status", "value": "final"}] * patched.MAX_OPERATIONS
    assert after(*operations)
    assert refused(*operations, operations[0]).status == 413


@pytest.mark.parametrize("how", ["add", "move", "copy"])
def test_no_way_leads_deeper_than_a_body_may_nest(how: str) -> None:
    deep: Any = {}
    for _ in range(MAX_DEPTH - 5):
        deep = {"x": deep}
    operations = [{"op": "add", "path": "/a", "value": deep}]
    path = "/a" + "/x" * (MAX_DEPTH - 5)
    if how == "add":
        operations.append({"op": "add", "path": f"{path}/x", "value": deep})
    else:
        operations += [{"op": "add", "path": "/b", "value": deep}, {"op": how, "from": "/b", "path": f"{path}/x"}]
    error = refused(*operations)
    assert (error.status, error.issues[0].number) == (400, 1004)
