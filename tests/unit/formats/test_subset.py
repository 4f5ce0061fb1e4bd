"""Parts of resources: https://hl7.org/fhir/R4/search.html#summary"""

from typing import Any

import pytest

from fhir_server.definitions.elements import structure
from fhir_server.formats.subset import SUBSETTED, subset

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "1", "profile": ["http://example.org/p"]},
    "language": "en",
    "text": {"status": "generated", "div": "<div/>"},
    "extension": [{"url": "urn:x", "valueCode": "y"}],
    "modifierExtension": [{"url": "urn:m", "valueBoolean": True}],
    "name": [{"family": "Testpatient", "extension": [{"url": "urn:x", "valueCode": "y"}]}],
    "_birthDate": {"extension": [{"url": "urn:t", "valueDateTime": "2000-01-01T01:00:00Z"}]},
    "birthDate": "2000-01-01",
    "photo": [{"contentType": "image/png", "data": "AAAA"}],
    "contact": [{"name": {"family": "Somebody"}}],
    "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
}


def test_the_summary_has_what_r4_marks_on_every_level() -> None:
    found = subset(PATIENT, "true")
    assert list(found) == [
        "resourceType",
        "id",
        "meta",
        "modifierExtension",
        "name",
        "_birthDate",
        "birthDate",
        "link",
    ]
    assert found["name"] == [{"family": "Testpatient"}]
    assert found["link"] == PATIENT["link"]


def test_an_attachment_in_a_summary_has_no_content() -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA", "url": "urn:x"}}],
    }
    assert subset(document, "true")["content"] == [{"attachment": {"contentType": "text/plain", "url": "urn:x"}}]


def test_text_and_data_split_a_resource() -> None:
    assert list(subset(PATIENT, "text")) == ["resourceType", "id", "meta", "text", "modifierExtension"]
    assert subset(PATIENT, "data").keys() == PATIENT.keys() - {"text"}


def test_elements_come_with_what_is_required_and_with_their_extensions() -> None:
    found = subset(PATIENT, "false", ("birthDate",))
    assert list(found) == ["resourceType", "id", "meta", "modifierExtension", "_birthDate", "birthDate"]
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "valueString": "y",
        "issued": "z",
    }
    assert list(subset(observation, "false", ("valueString",))) == [
        "resourceType",
        "meta",
        "status",
        "code",
        "valueString",
    ]
    request = {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "x"}, "note": [{"text": "n"}]}
    assert "medicationCodeableConcept" in subset(request, "false", ("note",))


def test_a_part_is_marked_once_and_its_tags_stay() -> None:
    tag = {"system": "urn:run", "code": "1"}
    tagged = {**PATIENT, "meta": {"tag": [tag]}}
    once = subset(tagged, "data")
    assert once["meta"]["tag"] == [tag, SUBSETTED]
    assert subset(once, "true")["meta"]["tag"] == [tag, SUBSETTED]
    assert tagged["meta"] == {"tag": [tag]}
    assert subset({"resourceType": "Basic", "code": {"text": "x"}}, "true")["meta"] == {"tag": [SUBSETTED]}


def test_without_a_wish_nothing_changes() -> None:
    assert subset(PATIENT, "false") is PATIENT


def test_resources_in_a_bundle_stay_whole() -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]}
    assert subset(bundle, "true")["entry"] == [{"resource": PATIENT}]


@pytest.mark.parametrize(
    ("name", "element", "expected"),
    [
        ("Patient", "contact", False),
        ("Patient", "name", True),
        ("Observation", "component", True),
        ("Attachment", "data", False),
        ("Patient.link", "other", True),
        ("Observation", "valueQuantity", True),
    ],
)
def test_the_table_knows_what_r4_marks(name: str, element: str, expected: bool) -> None:
    assert structure(name).elements[element].summary is expected
