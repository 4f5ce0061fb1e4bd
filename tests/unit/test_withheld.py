"""Identifiers that are shown to few: found wherever they stand, masked, put back, and indexed by their system alone."""

from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.definitions.withheld import FMP_SSN, SSN, SSN_OID, STRUCK, SYSTEMS, holds, may_hold, struck_query
from fhir_server.formats.withheld import MASK, filled, has_masked, masked, masked_resource
from fhir_server.search.index import index_values
from fhir_server.search.parse import parse
from fhir_server.search.withheld import withheld_in
from tests.unit.search.matching import finds, row

Resource = dict[str, Any]

NUMBER = "999-12-3456"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
TELLING = f"<div>SSN {NUMBER} or 999123456</div>"
TYPED: Resource = {"type": {"coding": [{"system": V2, "code": "SS"}]}, "system": "urn:clinic:ssn", "value": NUMBER}


def ssn(value: str = NUMBER, system: str = SSN, **elements: Any) -> Resource:
    return {"system": system, "value": value, **elements}


def patient(*identifiers: Resource, **elements: Any) -> Resource:
    return {"resourceType": "Patient", "id": "p", "identifier": list(identifiers), **elements}


PLACES: dict[str, Resource] = {
    "an identifier": patient({"system": "urn:mrn", "value": "1"}, ssn()),
    "another system": patient(ssn(system=SSN_OID)),
    "a dependant's number": patient(ssn(f"20/{NUMBER}", FMP_SSN)),
    "a type": patient(TYPED),
    "a reference": {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/p", "identifier": ssn()},
        "code": {"text": "x"},
    },
    "a contained resource": {
        "resourceType": "Coverage",
        "contained": [{"resourceType": "Patient", "id": "c", "identifier": [ssn()]}],
    },
    "an extension": patient(extension=[{"url": "urn:x", "valueIdentifier": ssn()}]),
    "an entry of a Bundle": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(ssn())}]},
    "an assigner's identifier inside another": patient(ssn("900-00-0001", assigner={"identifier": ssn()})),
    "the narrative beside it": patient(ssn(), text={"status": "generated", "div": TELLING}),
    "what is rendered": patient(
        ssn(_value={"extension": [{"url": "urn:rendered", "valueString": NUMBER}]}), birthDate="1980-01-01"
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_form_of_the_number_is_left_in_what_is_shown(place: str) -> None:
    resource = PLACES[place]
    assert may_hold(encode(resource)) and holds(resource)
    shown = masked(encode(resource))
    for form in (NUMBER, "999123456", "999 12 3456", "3456"):
        assert form.encode() not in shown, shown
    assert encode(MASK) in shown


@pytest.mark.parametrize("place", PLACES)
def test_bytes_and_decoded_resources_are_masked_alike(place: str) -> None:
    resource = PLACES[place]
    before = deepcopy(resource)
    assert decode(masked(encode(resource))) == masked_resource(resource)
    assert resource == before


@pytest.mark.parametrize("place", PLACES)
def test_masking_twice_is_masking_once(place: str) -> None:
    once = masked(encode(PLACES[place]))
    assert masked(once) == once


@pytest.mark.parametrize("place", PLACES)
def test_what_was_masked_is_put_back_whole(place: str) -> None:
    resource = PLACES[place]
    shown = decode(masked(encode(resource)))
    assert has_masked(shown)
    assert filled(shown, resource) == resource


@pytest.mark.parametrize(
    "resource",
    [
        patient({"system": "urn:mrn", "value": NUMBER}),
        patient({"value": "1", "type": {"coding": [{"system": "urn:other", "code": "SS"}]}}),
        {"resourceType": "Observation", "valueQuantity": {"system": SSN, "code": "SS"}},
        {"resourceType": "NamingSystem", "url": SSN},
        patient(ssn()) | {"identifier": [{"system": SSN}]},
    ],
)
def test_what_only_looks_like_one_is_left_as_it_is(resource: Resource) -> None:
    body = encode(resource)
    assert masked(body) is body
    assert not holds(resource)


def test_everything_else_stays_byte_for_byte_and_in_its_order() -> None:
    body = (
        b'{"resourceType":"Patient","extension":[{"url":"urn:d","valueDecimal":1.50e3}],"identifier":['
        b'{"value":"999123456","use":"usual","system":"http://hl7.org/fhir/sid/us-ssn"},{"system":"urn:m","value":"1"}],'
        b'"multipleBirthInteger":2}'
    )
    expected = body.replace(b'"value":"999123456"', b'"_value":' + encode(MASK))
    assert masked(body) == expected


def test_every_number_in_the_narrative_that_could_be_one_is_struck() -> None:
    # Who wrote guesses into it would else be told which is right.
    text = {"status": "generated", "div": "<div>Call 619-555-0100, chart 900123456</div>"}
    shown = decode(masked(encode(patient(ssn(), text=text))))["text"]["div"]
    assert shown == "<div>Call 619-555-0100, chart ***-**-****</div>"


def test_the_narrative_of_a_resource_without_one_stays() -> None:
    text = {"status": "generated", "div": "<div>chart 900123456</div>"}
    assert decode(masked(encode(patient(text=text))))["text"] == text


def test_of_two_alike_each_gets_its_own_back_in_order() -> None:
    stored = patient(ssn("900-00-0001"), ssn("900-00-0002"), ssn("900-00-0003", use="old"))
    shown = masked_resource(stored)
    assert filled(shown, stored) == stored
    swapped = shown | {"identifier": [shown["identifier"][2], shown["identifier"][0]]}
    assert [each["value"] for each in filled(swapped, stored)["identifier"]] == ["900-00-0003", "900-00-0001"]


def test_a_masked_identifier_that_was_changed_beside_its_value_is_filled_too() -> None:
    stored = patient(ssn(use="usual"))
    shown = masked_resource(stored)
    shown["identifier"][0]["use"] = "official"
    assert filled(shown, stored)["identifier"] == [ssn(use="official")]


def test_a_masked_identifier_gets_nothing_from_another_element_or_system() -> None:
    stored = patient(ssn(), contact=[{"extension": [{"url": "urn:x", "valueIdentifier": ssn("900-00-0009")}]}])
    elsewhere = patient(extension=[{"url": "urn:x", "valueIdentifier": {"system": SSN, "_value": MASK}}])
    assert filled(elsewhere, stored) == elsewhere
    other = patient({"system": SSN_OID, "_value": MASK})
    assert filled(other, stored) == other
    twice = masked_resource(stored)
    twice["identifier"].append(deepcopy(twice["identifier"][0]))
    assert [each.get("value") for each in filled(twice, stored)["identifier"]] == [NUMBER, None]


def test_one_that_was_sent_with_a_value_keeps_it() -> None:
    stored = patient(ssn())
    sent = patient(ssn("900-00-0007"))
    assert not has_masked(sent)
    assert filled(sent, stored) == sent


def test_a_narrative_that_was_rewritten_is_taken_as_sent() -> None:
    stored = PLACES["the narrative beside it"]
    shown = masked_resource(stored)
    shown["text"] = {"status": "generated", "div": "<div>New</div>"}
    assert filled(shown, stored)["text"] == shown["text"]


@pytest.mark.parametrize("system", [SSN, SSN_OID])
@pytest.mark.parametrize("stored", [NUMBER, "999123456"])
def test_it_is_found_by_system_and_value_in_any_spelling(system: str, stored: str) -> None:
    found = row(patient(ssn(stored, system)))
    for asked in (f"{SSN}|{NUMBER}", f"{SSN}|999123456", f"{SSN_OID}|{NUMBER}", f"{SSN}|"):
        assert finds("Patient", [("identifier", asked)], found), asked
    assert finds("Patient", [("identifier:of-type", "|SS|1")], found) is False
    for asked in (NUMBER, "999123456", f"|{NUMBER}", f"urn:clinic:ssn|{NUMBER}"):
        assert not finds("Patient", [("identifier", asked)], found), asked


def test_one_known_by_its_type_is_found_as_an_ssn_and_no_other_way() -> None:
    found = row(patient(TYPED))
    assert finds("Patient", [("identifier", f"{SSN}|999123456")], found)
    assert finds("Patient", [("identifier:of-type", f"{V2}|SS|{NUMBER}")], found)
    for asked in (NUMBER, f"urn:clinic:ssn|{NUMBER}", "urn:clinic:ssn|"):
        assert not finds("Patient", [("identifier", asked)], found), asked


@pytest.mark.parametrize("place", PLACES)
def test_no_index_value_tells_the_number_but_those_that_name_its_system(place: str) -> None:
    resource = PLACES[place]
    index = index_values(resource, "p", (), None)
    assert index.withheld
    telling = [each for each in _texts(index) if "3456" in each]
    allowed = (f"|{SSN}", f"|{FMP_SSN}")
    assert [each for each in telling if not each.endswith(allowed) and ":of-type|ss|" not in each] == []


def test_a_resource_without_one_is_not_marked() -> None:
    assert not index_values(patient({"system": "urn:mrn", "value": NUMBER}), "p", (), None).withheld


@pytest.mark.parametrize(
    ("type", "name", "value"),
    [
        *[("Patient", "identifier", f"{system}|{NUMBER}") for system in sorted(SYSTEMS)],
        ("Patient", "identifier", f"urn:mrn|1,{SSN}|1"),
        ("Patient", "identifier", f"{SSN}|"),
        ("Patient", "identifier:not", f"{SSN}|{NUMBER}"),
        ("Patient", "identifier:of-type", f"{V2}|SS|{NUMBER}"),
        ("Patient", "identifier:of-type", f"|ss|{NUMBER}"),
        ("Observation", "subject:identifier", f"{SSN}|1"),
        ("Observation", "patient.identifier", f"{SSN}|1"),
        ("Observation", "subject:Patient.identifier", f"{SSN_OID}|1"),
        ("Patient", "_has:Observation:patient:subject.identifier", f"{SSN}|1"),
        ("Patient", "_has:RelatedPerson:patient:identifier", f"{SSN}|1"),
        ("Patient", "_filter", f'name eq "x" or not (identifier eq "{SSN}|1")'),
        ("Patient", "_filter", f"identifier eq {SSN}|1"),
    ],
)
def test_a_search_that_names_one_is_known(type: str, name: str, value: str) -> None:
    assert withheld_in(parse(type, [(name, value)], False, (), STANDARD).conditions)


@pytest.mark.parametrize(
    ("type", "name", "value"),
    [
        ("Patient", "identifier", f"urn:mrn|{NUMBER}"),
        ("Patient", "identifier", NUMBER),
        ("Patient", "identifier:of-type", f"{V2}|MR|1"),
        ("Patient", "identifier:missing", "true"),
        ("NamingSystem", "value", SSN),
        ("CodeSystem", "url", SSN),
        ("Observation", "patient.identifier", "urn:mrn|1"),
    ],
)
def test_a_search_that_names_none_is_let_through(type: str, name: str, value: str) -> None:
    assert withheld_in(parse(type, [(name, value)], False, (), STANDARD).conditions) is None


@pytest.mark.parametrize(
    "pairs",
    [
        [("identifier", f"{SSN}|{NUMBER}")],
        [("identifier", f"urn:mrn|1,{SSN_OID}|999123456"), ("name", "x")],
        [("subject:Patient.identifier", f"{FMP_SSN}|20/{NUMBER}")],
        [("identifier:of-type", f"{V2}|SS|{NUMBER}")],
        [("_filter", f'identifier eq "{SSN}|{NUMBER}" and name eq "x"')],
    ],
)
def test_the_audit_log_keeps_what_was_asked_without_the_number(pairs: list[tuple[str, str]]) -> None:
    for text in (f"Patient?{urlencode(pairs)}", "Patient?" + "&".join(map("=".join, pairs))):
        kept = struck_query(text)
        assert STRUCK in kept
        for form in (NUMBER, "999123456"):
            assert form not in kept
        assert kept.replace(STRUCK, "") in text or all(part in text for part in kept.split(STRUCK))


def test_other_queries_are_kept_as_they_are() -> None:
    for text in ("", f"Patient?identifier=urn%3Amrn%7C{NUMBER}&name=x", f"NamingSystem?value={SSN}"):
        assert struck_query(text) == text


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.items() for text in _texts(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    fields = getattr(value, "__struct_fields__", ())
    return [text for name in fields for text in _texts(getattr(value, name))]
