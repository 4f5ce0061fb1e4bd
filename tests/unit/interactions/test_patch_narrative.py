"""What becomes of the narratives of a patched resource: https://hl7.org/fhir/R4/http.html#patch"""

from typing import Any

import pytest

from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.interactions.patch_narrative import without_stale_narrative

Json = dict[str, Any]


def patient(family: str, status: str = "generated", div: str = "<div>Synthia</div>", **elements: Any) -> Json:
    text = {"status": status, "div": div}
    return {"resourceType": "Patient", **elements, "text": text, "name": [{"family": family}]}


def bundle(*inside: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in inside]}


def narrated(before: Json, after: Json) -> list[bool]:
    """Whether each entry of the Bundle after the patch still has its narrative."""
    return ["text" in entry["resource"] for entry in without_stale_narrative(before, after)["entry"]]


def test_resources_of_a_bundle_without_ids_are_told_apart() -> None:
    before = bundle(patient("a", div="<div>a</div>"), patient("b", div="<div>b</div>"))
    after = bundle(patient("x", div="<div>a</div>"), patient("b", div="<div>b</div>"))
    assert narrated(before, after) == [False, True]


def test_contained_resources_of_equal_id_are_told_apart() -> None:
    before, after = (
        bundle(*({"resourceType": "Basic", "contained": [patient(name, id="p", div=div)]}
        for name, div in zip(names, ("<div>a</div>", "<div>b</div>"), strict=True)))
        for names in (("a", "b"), ("x", "b"))
    )  # fmt: skip
    kept = without_stale_narrative(before, after)
    assert ["text" in entry["resource"]["contained"][0] for entry in kept["entry"]] == [False, True]


def test_a_resource_that_only_moves_or_is_named_anew_keeps_its_narrative() -> None:
    before = bundle(patient("a", id="a", div="<div>a</div>"), patient("b", id="b", div="<div>b</div>"))
    after = bundle(patient("b", id="b", div="<div>b</div>"), patient("a", id="c", div="<div>a</div>"))
    assert narrated(before, after) == [True, True]


def test_a_narrative_does_not_go_along_to_a_copy_that_says_something_else() -> None:
    before = bundle(patient("a", id="a"))
    assert narrated(before, bundle(patient("a", id="a"), patient("x", id="x"))) == [True, False]
    with pytest.raises(FhirError) as caught:
        narrated(bundle(patient("a", "additional")), bundle(patient("a", "additional"), patient("x", "additional")))
    assert caught.value.issues[0].number == 2021


def test_the_order_of_members_says_nothing_and_the_digits_of_decimals_do() -> None:
    before = decode(b'{"resourceType": "Basic", "text": {"status": "generated"}, "a": {"b": 1.50, "c": true}}')
    same = decode(b'{"a": {"c": true, "b": 1.50}, "text": {"status": "generated"}, "resourceType": "Basic"}')
    other = decode(b'{"resourceType": "Basic", "text": {"status": "generated"}, "a": {"b": 1.5, "c": true}}')
    assert "text" in without_stale_narrative(before, same)
    assert "text" not in without_stale_narrative(before, other)


def test_thousands_of_changed_entries_of_one_narrative_take_no_time() -> None:
    before, after = (bundle(*(patient(f"{name}{number}") for number in range(5_000))) for name in "ab")
    assert not any(narrated(before, after))
