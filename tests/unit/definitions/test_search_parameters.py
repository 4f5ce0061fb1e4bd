"""Search parameters and compartments as R4 publishes them."""

import pytest

from fhir_server.definitions.compartments import compartment_parameters
from fhir_server.definitions.operations import operations
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import expression_for, published, search_parameters, union_members


def test_r4_publishes_1375_search_parameters() -> None:
    assert len(published()) == len(set(published())) == 1375


@pytest.mark.parametrize(
    ("resource_type", "code"),
    [("DetectedIssue", "status"), ("DeviceDefinition", "classification"), ("ServiceRequest", "order-detail")],
)
def test_parameters_that_are_not_of_r4_are_absent(resource_type: str, code: str) -> None:
    assert code not in search_parameters(resource_type)


def test_every_type_has_the_parameters_of_resource() -> None:
    common = {"_content", "_id", "_lastUpdated", "_profile", "_query", "_security", "_source", "_tag"}
    for name in resource_types():
        assert common <= set(search_parameters(name))


def test_only_types_with_narrative_are_searched_by_it() -> None:
    without = {name for name in resource_types() if "_text" not in search_parameters(name)}
    assert without == {"Binary", "Bundle", "Parameters"}


def test_only_content_text_and_query_have_no_expression() -> None:
    for name in resource_types():
        without = {code for code, found in search_parameters(name).items() if found.expression is None}
        assert without <= {"_content", "_text", "_query"}


def test_an_expression_speaks_of_its_own_type_alone() -> None:
    types = set(resource_types())
    for name in resource_types():
        for found in search_parameters(name).values():
            for member in union_members(found.expression or ""):
                first = member.strip(" (").partition(".")[0]
                assert first not in types - {name}, found
                assert member.count("(") == member.count(")"), found


@pytest.mark.parametrize(
    ("resource_type", "code", "expression"),
    [
        ("Patient", "gender", "Patient.gender"),
        ("Observation", "code", "Observation.code"),
        ("Observation", "date", "Observation.effective"),
        ("Observation", "patient", "Observation.subject.where(resolve() is Patient)"),
        ("Observation", "value-quantity", "(Observation.value as Quantity) | (Observation.value as SampledData)"),
        ("Immunization", "date", "Immunization.occurrence"),
        ("Patient", "email", "Patient.telecom.where(system='email')"),
        ("Patient", "deceased", "Patient.deceased.exists() and Patient.deceased != false"),
        ("Patient", "_id", "Resource.id"),
        ("InsurancePlan", "name", "name | alias"),
    ],
)
def test_expressions_are_cut_to_the_type_and_otherwise_as_published(
    resource_type: str, code: str, expression: str
) -> None:
    assert search_parameters(resource_type)[code].expression == expression


def test_a_union_inside_parentheses_or_quotes_is_not_cut() -> None:
    assert list(union_members("(A.b | A.c).d | A.where(e='|')")) == ["(A.b | A.c).d ", " A.where(e='|')"]
    assert expression_for("Patient", "Practitioner.name") is None


def test_a_composite_names_the_type_of_its_parts() -> None:
    found = search_parameters("Observation")["code-value-quantity"]
    assert [(part.expression, part.type) for part in found.components] == [
        ("code", "token"),
        ("value.as(Quantity)", "quantity"),
    ]


def test_every_composite_has_parts() -> None:
    for name in resource_types():
        for found in search_parameters(name).values():
            assert (found.type == "composite") == bool(found.components)


def test_an_unknown_type_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        search_parameters("Resource")


def test_compartments_are_the_specifications_own() -> None:
    assert compartment_parameters("Patient", "Observation") == ("subject", "performer")
    assert compartment_parameters("Patient", "Encounter") == ("patient",)
    assert compartment_parameters("Patient", "Task") == ()
    assert compartment_parameters("Encounter", "Observation") == ("encounter",)


def test_compartments_name_parameters_that_exist() -> None:
    for compartment in ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"):
        for name in resource_types():
            parameters = set(compartment_parameters(compartment, name)) - {"{def}"}
            assert parameters <= set(search_parameters(name)), (compartment, name)


def test_r4_defines_46_operations() -> None:
    found = operations()
    assert len(found) == 46
    everything = found["http://hl7.org/fhir/OperationDefinition/Patient-everything"]
    assert (everything.code, everything.resources) == ("everything", ("Patient",))
    assert (everything.system, everything.type, everything.instance) == (False, True, True)
    assert [parameter.name for parameter in everything.parameters][:2] == ["start", "end"]
