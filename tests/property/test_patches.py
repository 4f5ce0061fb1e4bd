"""Whatever is sent as a patch is applied or refused: https://hl7.org/fhir/R4/http.html#patch"""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.formats import fhirpath_patch, json_patch, merge_patch
from fhir_server.formats.patched import Change
from fhir_server.validation.validate import validate

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:a", "value": str(number)} for number in range(3)],
    "name": [
        {"family": "Testpatient", "given": ["Ann", "Bea"], "_given": [None, {"id": "g"}]},
        {"text": "Somebody", "period": {"start": "2020"}},
    ],
    "deceasedBoolean": False,
    "birthDate": "1980-07-04",
    "_birthDate": {"extension": [{"url": "urn:t", "valueDateTime": "1980-07-04T01:00:00Z"}]},
    "contact": [{"name": {"text": "x"}, "gender": "male"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "n"}],
}

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "male", "1980", "urn:x"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "given", "_given", "text", "a/b", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)
TOKENS = st.sampled_from(
    ["name", "given", "_given", "0", "1", "-", "identifier", "value", "birthDate", "extension", "", "00", "~0", "~"]
)
POINTERS = st.lists(TOKENS, max_size=4).map(lambda tokens: "".join(f"/{token}" for token in tokens)) | st.text(
    "/a~", max_size=3
)
JSON_OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": POINTERS},
    optional={"from": POINTERS, "value": VALUES},
)
WORDS = """Patient . name given [ ] 0 1 where( use = 'urn:t' ) extension( value first() last() exists() ofType( ` and or
 Organization contained birthDate deceased $this identifier system ' single() %resource ( true"""
PLACES = """Patient Patient.name Patient.name[0].given Patient.identifier Patient.name.given[1] Patient.contact
 Patient.birthDate Patient.deceased Patient.birthDate.extension Patient.contained[0] Patient.name[1]"""
PATHS = st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join) | st.sampled_from(PLACES.split())
PARTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["value", "name", "index", "source", "destination"])},
    optional={
        "valueString": st.sampled_from(["name", "given", "birthDate", "deceased", "contact", "extension", "x"]),
        "valueInteger": st.integers(-1, 4),
        "valueDate": st.just("1981"),
        "valueHumanName": st.just({"text": "y"}),
        "part": st.just([{"name": "given", "valueString": "z"}]),
    },
)


def fhirpath_operation(type: str, path: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    named = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": [*named, *parts]}


FHIRPATH_OPERATIONS = st.builds(
    fhirpath_operation,
    st.sampled_from(["add", "insert", "delete", "replace", "move"]),
    PATHS.filter(bool),
    st.lists(PARTS, max_size=3, unique_by=lambda part: part["name"]),
)


def applied_or_refused(change: Change) -> Any:
    """What became of the resource, encodable; None where the change was refused."""
    before = deepcopy(PATIENT)
    try:
        after = change(before)
        validate(after, "Patient")
        return json.loads(encode(after))
    except FhirError as error:
        assert 400 <= error.status < 500
        return None


@given(st.lists(JSON_OPERATIONS, max_size=5))
@settings(max_examples=500, deadline=None)
def test_any_json_patch_is_applied_or_refused(operations: list[dict[str, Any]]) -> None:
    try:
        change = json_patch.change(operations)
    except FhirError as error:
        assert error.status == 400
        return
    first = applied_or_refused(change)
    assert applied_or_refused(change) == first


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_any_merge_patch_is_applied_or_refused(document: Any) -> None:
    if not isinstance(document, dict):
        with pytest.raises(FhirError):
            merge_patch.change(document)
        return
    applied_or_refused(merge_patch.change(document))


@given(st.lists(FHIRPATH_OPERATIONS, min_size=1, max_size=4))
@settings(max_examples=800, deadline=None)
def test_any_fhirpath_patch_is_applied_or_refused(operations: list[dict[str, Any]]) -> None:
    parameters = decode(json.dumps({"resourceType": "Parameters", "parameter": operations}).encode())
    if validate(parameters, "Parameters"):
        return
    try:
        change = fhirpath_patch.change(parameters)
    except FhirError as error:
        assert error.status == 400
        return
    first = applied_or_refused(change)
    assert applied_or_refused(change) == first


@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_a_move_and_its_way_back_leave_everything_where_it_was(source: int, destination: int, other: int) -> None:
    there = {"op": "move", "from": f"/identifier/{source}", "path": f"/identifier/{destination}"}
    back = {"op": "move", "from": f"/identifier/{destination}", "path": f"/identifier/{source}"}
    assert json_patch.change([there, back])(deepcopy(PATIENT)) == PATIENT
    copied = {"op": "copy", "from": f"/identifier/{other}", "path": "/identifier/-"}
    assert json_patch.change([copied, {"op": "remove", "path": "/identifier/3"}])(deepcopy(PATIENT)) == PATIENT
