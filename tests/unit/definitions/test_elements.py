"""What the element table says of R4's types, and what the formats of primitives take and refuse."""

import pytest

from fhir_server.definitions.elements import PRIMITIVES, primitive_pattern, structure, structure_names
from fhir_server.definitions.registry import is_resource_type, resource_types


def test_r4_has_146_resource_types() -> None:
    assert len(resource_types()) == 146
    assert list(resource_types()) == sorted(resource_types())


@pytest.mark.parametrize("name", ["Resource", "DomainResource", "HumanName", "Patient.contact", "patient", ""])
def test_what_cannot_be_sent_is_no_resource_type(name: str) -> None:
    assert not is_resource_type(name)


def test_every_element_leads_to_a_primitive_or_to_a_known_structure() -> None:
    for name in structure_names():
        for element in structure(name).elements.values():
            assert element.primitive == (element.type in PRIMITIVES)
            assert element.primitive or structure(element.type).name == element.type, element


def test_every_target_is_a_resource_type() -> None:
    for name in structure_names():
        for element in structure(name).elements.values():
            assert all(map(is_resource_type, element.targets)), element


def test_every_resource_type_has_the_elements_of_resource() -> None:
    for name in resource_types():
        assert list(structure(name).elements)[:4] == ["id", "meta", "implicitRules", "language"]
        assert structure(name).elements["id"].type == "id"
        assert "resourceType" not in structure(name).elements


def test_domain_resources_take_extensions_and_the_others_do_not() -> None:
    without = {name for name in resource_types() if "contained" not in structure(name).elements}
    assert without == {"Binary", "Bundle", "Parameters"}


def test_complex_types_take_an_id_and_extensions_and_groups_modifier_extensions() -> None:
    assert list(structure("HumanName").elements)[:2] == ["id", "extension"]
    assert "modifierExtension" not in structure("HumanName").elements
    assert list(structure("Patient.contact").elements)[:3] == ["id", "extension", "modifierExtension"]
    assert "modifierExtension" in structure("Dosage").elements


def test_a_choice_becomes_one_element_for_each_type() -> None:
    observation = structure("Observation")
    minimum, names = observation.choices["value"]
    assert (minimum, len(names)) == (0, 11)
    quantity = observation.elements["valueQuantity"]
    assert (quantity.choice, quantity.type, quantity.path) == ("value", "Quantity", "Observation.value[x]")


def test_a_required_choice_keeps_its_minimum_apart_from_required_elements() -> None:
    request = structure("MedicationRequest")
    assert request.choices["medication"] == (1, ("medicationCodeableConcept", "medicationReference"))
    assert [element.name for element in request.required] == ["status", "intent", "subject"]
    assert request.elements["medicationReference"].targets == ("Medication",)


def test_an_extension_takes_every_data_type() -> None:
    assert len(structure("Extension").choices["value"][1]) == 50
    assert [element.name for element in structure("Extension").required] == ["url"]


def test_a_content_reference_leads_to_the_structure_it_names() -> None:
    assert structure("Bundle.entry").elements["link"].type == "Bundle.link"
    assert structure("Parameters.parameter").elements["part"].type == "Parameters.parameter"
    assert structure("Observation.component").elements["referenceRange"].type == "Observation.referenceRange"


@pytest.mark.parametrize(
    ("owner", "name"),
    [("Patient", "contained"), ("Bundle.entry", "resource"), ("Parameters.parameter", "resource")],
)
def test_nested_resources_are_of_any_type(owner: str, name: str) -> None:
    assert structure(owner).elements[name].type == "Resource"


def test_groups_inside_data_types_are_structures_too() -> None:
    assert structure("Timing").elements["repeat"].type == "Timing.repeat"
    assert structure("Timing.repeat").elements["periodUnit"].required_values == (
        "http://hl7.org/fhir/ValueSet/units-of-time"
    )


def test_cardinality_and_required_bindings_are_those_of_the_specification() -> None:
    patient = structure("Patient").elements
    assert (patient["name"].max, patient["name"].repeats) == (None, True)
    assert (patient["birthDate"].max, patient["birthDate"].repeats) == (1, False)
    assert patient["gender"].required_values == "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert patient["maritalStatus"].required_values is None
    assert patient["generalPractitioner"].targets == ("Organization", "Practitioner", "PractitionerRole")


def test_meta_has_the_elements_of_r4_and_no_others() -> None:
    names = ["id", "extension", "versionId", "lastUpdated", "source", "profile", "security", "tag"]
    assert list(structure("Meta").elements) == names


def test_only_element_ids_and_extension_urls_are_attributes_in_xml() -> None:
    attributes = {
        element.path.rpartition(".")[2]
        for name in structure_names()
        for element in structure(name).elements.values()
        if element.attribute
    }
    assert attributes == {"id", "url"}
    assert not structure("Patient").elements["id"].attribute
    assert not structure("Attachment").elements["url"].attribute


@pytest.mark.parametrize("name", ["string", "Nothing", "Patient.nothing"])
def test_an_unknown_structure_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        structure(name)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("base64Binary", "QUJD"),
        ("base64Binary", "QUI=\n"),
        ("base64Binary", "QUJD\r\nQQ=="),
        ("code", "in progress"),
        ("date", "1970"),
        ("date", "1970-03"),
        ("dateTime", "2015-02-07T13:28:17.239+02:00"),
        ("id", "a-1.B"),
        ("instant", "2015-02-07T13:28:17Z"),
        ("markdown", "# a\n\tb"),
        ("oid", "urn:oid:1.2.3.4.5"),
        ("string", "Ærøskøbing \u00a0\U0001f600"),
        ("time", "13:28:60.5"),
        ("uri", "urn:uuid:x"),
        ("uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        ("decimal", "-1.20e-3"),
        ("positiveInt", "1"),
    ],
)
def test_primitives_take_what_the_specification_shows(code: str, text: str) -> None:
    pattern = primitive_pattern(code)
    assert pattern is not None
    assert pattern.fullmatch(text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("base64Binary", "QUJ"),
        ("base64Binary", " \n"),
        ("base64Binary", "QQ==QUJD"),
        ("base64Binary", "QU-_"),
        ("code", " final"),
        ("code", "in  progress"),
        ("date", "1970-13"),
        ("date", "1970-1-1"),
        ("dateTime", "2015-02-07T13:28:17"),
        ("dateTime", "2015-02-07T13:28Z"),
        ("id", "a_b"),
        ("id", "a" * 65),
        ("instant", "2015-02-07"),
        ("oid", "1.2.3"),
        ("string", "a\x00b"),
        ("string", ""),
        ("time", "24:00:00"),
        ("uri", "a b"),
        ("uri", ""),
        ("uuid", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520"),
        ("decimal", "01"),
        ("decimal", ".5"),
        ("positiveInt", "0"),
        ("id", "a\n"),
    ],
)
def test_primitives_refuse_what_the_specification_excludes(code: str, text: str) -> None:
    pattern = primitive_pattern(code)
    assert pattern is not None
    assert not pattern.fullmatch(text)


def test_what_is_not_primitive_has_no_format() -> None:
    assert primitive_pattern("Quantity") is None


@pytest.mark.parametrize("unit", ["QUJD", "QUJD\n", " ", "a b", "1", ".1", "="])
def test_formats_take_time_linear_in_the_text(unit: str) -> None:
    text = unit * 300_000 + "!\x00"
    # A pattern that backtracks would run for hours here; these take a fraction of a second.
    for code in PRIMITIVES:
        pattern = primitive_pattern(code)
        assert pattern is not None
        assert not pattern.fullmatch(text)
