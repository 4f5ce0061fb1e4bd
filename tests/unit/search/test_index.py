"""What one pass over a resource gives for its row."""

import gzip
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core.codec import decode
from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.capability import is_offered
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from fhir_server.search.index import index_values
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST
from fhir_server.search.sort_keys import INDEXED_SORT, is_sortable
from fhir_server.store.rows import INDEX_VERSION, index_fields, indexed_by
from tests.require import require_data

BASE = "http://localhost:8080/fhir"


def indexed(resource: dict[str, Any], logical_id: str = "r1", custodian: str | None = None) -> IndexValues:
    return index_values(resource, logical_id, (BASE,), custodian)


def test_an_observation_is_found_by_what_it_holds_and_by_its_patient_first() -> None:
    values = indexed(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}, {"code": "X"}]},
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": "2020-01-01",
        }
    )
    assert values.owners == ("p1",)
    code = ("code||http://loinc.org", "code|8302-2|", "code|8302-2|http://loinc.org", "code|x|", "code|x||")
    assert set(values.tokens) == {
        "status|final|",
        *code,
        "patient|Patient/p1",
        "subject|Patient/p1",
    }
    assert values.owned_tokens == ("p1|", *(f"p1|{token}" for token in values.tokens))
    assert values.dates == (("date", 1577836800000, 1577923199999),)
    assert values.sort_keys["date"] == {"a": 1577836800000, "d": 1577836800000}
    assert values.sort_keys["code"] == {"a": "8302-2", "d": "x"}


def test_nothing_is_written_twice() -> None:
    coding = {"system": "s", "code": "c"}
    values = indexed({"resourceType": "Observation", "code": {"coding": [coding, coding, {"code": "c"}]}})
    for written in (values.tokens, values.owned_tokens, values.strings, values.dates):
        assert len(set(written)) == len(written)


def test_every_owner_is_written_once_for_each_token() -> None:
    actors = [
        {"actor": {"reference": each}} for each in ("Patient/a", f"{BASE}/Patient/b", "Practitioner/c", "Patient/a")
    ]
    values = indexed({"resourceType": "Appointment", "status": "booked", "participant": actors})
    assert values.owners == ("a", "b")
    assert {"a|", "b|", "a|status|booked|", "b|status|booked|"} <= set(values.owned_tokens)
    assert len(values.owned_tokens) == 2 * (1 + len(values.tokens))


@pytest.mark.parametrize(
    ("resource", "owners"),
    [
        ({"resourceType": "Patient"}, ("r1",)),
        ({"resourceType": "Patient", "link": [{"other": {"reference": "Patient/p2"}}]}, ("r1",)),
        ({"resourceType": "Observation", "subject": {"reference": "Group/g"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "http://other/fhir/Patient/p1"}}, ()),
        ({"resourceType": "Observation", "performer": [{"reference": "Patient/p1"}]}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/p1/_history/4"}}, ("p1",)),
        ({"resourceType": "Observation", "subject": {"display": "p1"}}, ()),
        ({"resourceType": "Task", "for": {"reference": "Patient/p1"}, "focus": {"reference": "Patient/p2"}}, ("p1",)),
        ({"resourceType": "Task", "focus": {"reference": "Patient/p2"}}, ("p2",)),
        (
            {"resourceType": "Provenance", "target": [{"reference": "Patient/p1"}, {"reference": "Patient/p2"}]},
            ("p1", "p2"),
        ),
        ({"resourceType": "Organization", "name": "x"}, ()),
        ({"resourceType": "Group", "member": [{"entity": {"reference": "Patient/p1"}}]}, ()),
    ],
)
def test_owners_follow_the_owner_table(resource: dict[str, Any], owners: tuple[str, ...]) -> None:
    assert indexed(resource).owners == owners


def test_labels_are_the_security_labels_and_tags() -> None:
    meta = {
        "security": [{"system": "http://s", "code": "R"}, {"display": "no code"}],
        "tag": [{"system": "http://t", "code": "a|b"}, {"code": "x"}],
    }
    values = indexed({"resourceType": "Patient", "meta": meta})
    assert values.labels == ("r|http://s", "a\\|b|http://t", "x|")
    assert {"_security|r|http://s", "_tag|x||"} <= set(values.tokens)


@pytest.mark.parametrize("name", ["security", "tag"])
def test_nobody_but_the_server_says_that_a_result_is_not_released(name: str) -> None:
    label = {"system": "urn:fhir-server:unreleased", "code": "result"}
    result = {"resourceType": "Observation", "status": "final", "meta": {name: [label]}, "code": {"text": "x"}}
    assert indexed(result).labels == ()
    laboratory = [{"coding": [{"code": "laboratory"}]}]
    assert indexed(result | {"status": "preliminary", "category": laboratory}).labels == ("result|" + label["system"],)


def test_the_source_is_the_one_named_else_the_custodian() -> None:
    assert indexed({"resourceType": "Patient", "meta": {"source": "urn:a"}}, custodian="urn:b").source == "urn:a"
    assert indexed({"resourceType": "Patient"}, custodian="urn:b").source == "urn:b"
    assert indexed({"resourceType": "Patient"}).source is None


def test_sort_keys_are_the_lowest_and_the_highest_value() -> None:
    names = [{"family": "Müller"}, {"family": "Adams"}]
    period = {"start": "2020-01-01T00:00:00Z"}
    assert indexed({"resourceType": "Patient", "name": names}).sort_keys["family"] == {"a": "adams", "d": "muller"}
    started = indexed({"resourceType": "Encounter", "period": period})
    assert started.sort_keys["date"] == {"a": 1577836800000, "d": 1577836800000}
    ended = indexed({"resourceType": "Encounter", "period": {"end": "2020-01-01T00:00:00Z"}})
    assert ended.sort_keys["date"] == {"a": 1577836800999, "d": 1577836800999}


@pytest.mark.parametrize("type", sorted(INDEXED_SORT))
def test_the_indexed_sort_key_is_a_date_parameter_and_there_when_the_date_is_missing(type: str) -> None:
    parameter = search_parameters(type)[INDEXED_SORT[type]]
    assert parameter.type == "date"
    assert owner_rule(type).kind != "shared"
    assert indexed({"resourceType": type}).sort_keys[parameter.code] == {"a": FAR_FUTURE, "d": FAR_PAST}


def test_no_field_name_of_sort_keys_needs_care_in_mongodb() -> None:
    for type in resource_types():
        for code, parameter in search_parameters(type).items():
            if is_offered(parameter):
                assert "." not in code
                assert not code.startswith("$")


def test_an_empty_resource_of_every_type_can_be_indexed() -> None:
    for type in resource_types():
        assert indexed({"resourceType": type}).owners in ((), ("r1",))


def test_contained_resources_have_fields_of_their_own() -> None:
    contained = [
        {"resourceType": "Patient", "id": "c", "name": [{"family": "Hidden"}]},
        {"resourceType": "Medication", "code": {"coding": [{"code": "x"}]}},
    ]
    values = indexed({"resourceType": "Observation", "contained": contained, "subject": {"reference": "#c"}})
    assert values.strings == values.words == ()
    assert values.tokens == ("subject!",)
    patient, medication = values.contained
    assert (patient["r"], patient["i"]) == ("Patient", "c")
    assert "family|hidden" in patient["s"]
    assert patient["w"] == ("c|hidden",)
    assert medication == {"r": "Medication", "i": None, "t": ("code|x|", "code|x||")}


def test_numbers_and_quantities_have_sort_keys() -> None:
    values = indexed({"resourceType": "Observation", "valueQuantity": {"value": Decimal("6.30"), "unit": "mg"}})
    assert values.sort_keys["value-quantity"] == {"a": 6.3, "d": 6.3}
    parameters = search_parameters("Observation")
    assert is_sortable(parameters["value-quantity"]) and is_sortable(parameters["date"])
    assert not is_sortable(parameters["subject"]) and not is_sortable(parameters["code-value-quantity"])


@pytest.mark.parametrize(
    ("resource", "marks"),
    [
        ({"resourceType": "Observation", "code": {"text": "x"}}, {"code!"}),
        ({"resourceType": "Observation", "subject": {"display": "x"}}, {"subject!"}),
        ({"resourceType": "Observation", "code": {"coding": [{"display": "x"}]}}, {"code!"}),
        ({"resourceType": "Observation", "valueSampledData": {"period": 1}}, {"value-quantity!"}),
        ({"resourceType": "Observation", "valueQuantity": {"unit": "mg"}}, {"value-quantity!"}),
        (
            {
                "resourceType": "Observation",
                "component": [{"valueSampledData": {"period": 1}}, {"valueQuantity": {"unit": "mg"}}],
            },
            {"component-value-quantity!"},
        ),
        ({"resourceType": "Observation", "effectivePeriod": {"id": "x"}}, {"date!"}),
        ({"resourceType": "Observation", "code": {"coding": [{"code": "x"}]}}, set()),
        ({"resourceType": "Location", "position": {"latitude": 100, "longitude": 0}}, {"near!"}),
    ],
)
def test_values_that_cannot_be_searched_are_marked_as_present(resource: dict[str, Any], marks: set[str]) -> None:
    assert {token for token in indexed(resource).tokens if token.endswith("!")} == marks


def test_a_row_leaves_out_what_is_empty() -> None:
    fields = index_fields(indexed({"resourceType": "Organization"}))
    assert fields.keys() == {"owners", "source", "labels", "px", "pt", "t"}
    assert fields["px"] == INDEX_VERSION * 1_000_000


def test_a_row_says_by_which_parameter_set_it_was_indexed() -> None:
    values = index_values({"resourceType": "Organization"}, "r1", (), None, ParameterSet(7))
    assert index_fields(values)["px"] == indexed_by(7) == INDEX_VERSION * 1_000_000 + 7


def test_an_added_parameter_is_indexed_where_its_set_is_in_force() -> None:
    nickname = SearchParameter("nick", "string", "Patient.name.text", "Patient", (), "http://x/nick", ())
    patient = {"resourceType": "Patient", "name": [{"text": "Bob"}]}
    assert "nick|bob" in index_values(patient, "r1", (), None, ParameterSet(1, (nickname,))).strings
    assert "nick|bob" not in indexed(patient).strings


def test_real_records_are_found_by_the_values_they_hold() -> None:
    seen: dict[str, int] = {}
    for path in sorted(require_data("synthea").glob("*.json.gz"))[:4]:
        for entry in decode(gzip.decompress(path.read_bytes()))["entry"]:
            resource = entry["resource"]
            values = indexed(resource)
            seen[resource["resourceType"]] = seen.get(resource["resourceType"], 0) + 1
            for coding in resource.get("code", {}).get("coding", ()):
                assert f"code|{coding['code']}|{coding['system']}" in values.tokens
            if "status" in resource and "status" in search_parameters(resource["resourceType"]):
                assert f"status|{resource['status']}|" in values.tokens
            if resource["resourceType"] == "Patient":
                assert f"family|{resource['name'][0]['family'].lower()}" in values.strings
                assert ("birthdate" in values.sort_keys) is ("birthDate" in resource)
    assert len(seen) >= 10
