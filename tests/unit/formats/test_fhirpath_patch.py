"""FHIRPath Patch on resources: https://hl7.org/fhir/R4/fhirpatch.html"""

import json
from typing import Any

import pytest

from fhir_server.core.codec import MAX_DEPTH, decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.formats import fhirpath_patch
from fhir_server.validation.validate import validate

Json = dict[str, Any]

IDENTIFIERS = [{"system": "urn:a", "value": str(number)} for number in range(4)]


def operation(type: str, path: str, *, value: Json | None = None, **parts: Any) -> Json:
    """One operation; `value` is a parameter's value or parts, without its name."""
    forms = {"name": "valueString", "index": "valueInteger", "source": "valueInteger", "destination": "valueInteger"}
    sent = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    sent += [{"name": name, forms[name]: given} for name, given in parts.items()]
    if value is not None:
        sent.append({"name": "value", **value})
    return {"name": "operation", "part": sent}


def after(before: Json, *operations: Json) -> Any:
    sent = {"resourceType": "Parameters"} | ({"parameter": list(operations)} if operations else {})
    parameters = decode(json.dumps(sent).encode())
    assert validate(parameters, "Parameters") == ()
    change = fhirpath_patch.change(parameters)
    return json.loads(encode(change(decode(json.dumps({"resourceType": "Patient"} | before).encode()))))


def patient(**elements: Any) -> Json:
    return {"resourceType": "Patient", **elements}


def refused(before: Json, *operations: Json) -> FhirError:
    with pytest.raises(FhirError) as caught:
        after(before, *operations)
    return caught.value


def values(resource: Json) -> str:
    return "".join(identifier["value"] for identifier in resource["identifier"])


def test_no_operations_change_nothing() -> None:
    assert after({"birthDate": "1980-07-04"}) == patient(birthDate="1980-07-04")


@pytest.mark.parametrize(
    ("before", "sent", "expected"),
    [
        ({}, operation("add", "Patient", name="birthDate", value={"valueDate": "1980-07-04"}),
         {"birthDate": "1980-07-04"}),
        ({"birthDate": "1980"}, operation("replace", "Patient.birthDate", value={"valueDate": "1981"}),
         {"birthDate": "1981"}),
        ({"birthDate": "1980"}, operation("delete", "Patient.birthDate"), {}),
        ({}, operation("delete", "Patient.birthDate"), {}),
        ({"contact": [{"gender": "male"}]}, operation("replace", "Patient.contact[0].gender",
         value={"valueCode": "female"}), {"contact": [{"gender": "female"}]}),
        ({"contact": [{"name": {"text": "a"}}]}, operation("add", "Patient.contact[0]", name="gender",
         value={"valueCode": "male"}), {"contact": [{"name": {"text": "a"}, "gender": "male"}]}),
        ({"contact": [{"name": {"text": "a"}, "gender": "male"}]}, operation("delete", "Patient.contact[0].name.text"),
         {"contact": [{"gender": "male"}]}),
        ({"contact": [{"name": {"text": "a"}}]}, operation("delete", "Patient.contact[0].name.text"), {}),
        ({}, operation("add", "Patient", name="maritalStatus", value={"valueCodeableConcept": {"text": "m"}}),
         {"maritalStatus": {"text": "m"}}),
        ({"maritalStatus": {"id": "1", "text": "m"}}, operation("replace", "Patient.maritalStatus",
         value={"valueCodeableConcept": {"text": "n"}}), {"maritalStatus": {"text": "n"}}),
        ({"contact": [{"gender": "male"}]}, operation("delete", "Patient.contact[0]"), {}),
        ({}, operation("add", "Patient", name="identifier", value={"valueIdentifier": IDENTIFIERS[0]}),
         {"identifier": IDENTIFIERS[:1]}),
        ({"identifier": IDENTIFIERS[:1]}, operation("add", "Patient", name="identifier",
         value={"valueIdentifier": IDENTIFIERS[1]}), {"identifier": IDENTIFIERS[:2]}),
        ({"text": {"status": "generated", "div": "<div/>"}}, operation("replace", "Patient.text.div",
         value={"valueString": "<div>x</div>"}), {"text": {"status": "generated", "div": "<div>x</div>"}}),
        ({"deceasedBoolean": True}, operation("replace", "Patient.deceased", value={"valueDateTime": "2020"}),
         {"deceasedDateTime": "2020"}),
        ({}, operation("add", "Patient", name="deceased", value={"valueBoolean": False}), {"deceasedBoolean": False}),
        ({"active": True}, operation("delete", "active"), {}),
        ({"active": True}, operation("delete", "%resource.active"), {}),
    ],
)  # fmt: skip
def test_an_operation_does_what_the_specification_says(before: Json, sent: Json, expected: Json) -> None:
    assert after(before, sent) == patient(**expected)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([operation("insert", "Patient.identifier", index=0, value={"valueIdentifier": {"value": "x"}})], "x0123"),
        ([operation("insert", "Patient.identifier", index=1, value={"valueIdentifier": {"value": "x"}})], "0x123"),
        ([operation("insert", "Patient.identifier", index=4, value={"valueIdentifier": {"value": "x"}})], "0123x"),
        ([operation("delete", "Patient.identifier[1]")], "023"),
        ([operation("delete", "Patient.identifier.last()")], "012"),
        ([operation("delete", "Patient.identifier.first()")], "123"),
        ([operation("move", "Patient.identifier", source=3, destination=1)], "0312"),
        ([operation("move", "Patient.identifier", source=0, destination=3)], "1230"),
        ([operation("move", "Patient.identifier", source=2, destination=2)], "0123"),
        ([operation("move", "Patient.identifier", source=3, destination=number) for number in range(3)], "3210"),
        ([operation("replace", "Patient.identifier[2]", value={"valueIdentifier": {"value": "x"}})], "01x3"),
        ([operation("replace", "Patient.identifier.where(value = '2').value", value={"valueString": "x"})], "01x3"),
    ],
)
def test_lists_are_changed_at_a_position(sent: list[Json], expected: str) -> None:
    assert values(after({"identifier": IDENTIFIERS}, *sent)) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("use = 'home'", ["b"]),
        ("use = 'home' and system = 'phone'", ["b"]),
        ("(use = 'home' or use = 'old') and rank = 2", ["b"]),
        ("use != 'work' and use.exists()", ["b"]),
        ("use.empty()", ["c"]),
        ("period.start = '2020'", ["c"]),
        ("rank = 1", ["a"]),
        ("value = 'a'", ["a"]),
        ("system = 'email'", []),
        ("rank = '1'", []),
        ("extension('urn:x').exists()", ["a"]),
        ("extension('urn:x').value = true", ["a"]),
        (r"value = '\u0061'", ["a"]),
    ],
)
def test_conditions_choose_an_element(condition: str, expected: list[str]) -> None:
    telecom: list[Json] = [
        {"extension": [{"url": "urn:x", "valueBoolean": True}], "value": "a", "use": "work", "rank": 1},
        {"value": "b", "use": "home", "system": "phone", "rank": 2},
        {"value": "c", "period": {"start": "2020"}},
    ]
    left = after({"telecom": telecom}, operation("delete", f"Patient.telecom.where({condition})"))
    gone = {each["value"] for each in telecom} - {each["value"] for each in left["telecom"]}
    assert sorted(gone) == expected


def test_several_given_names_are_counted_across_their_names() -> None:
    before = {"name": [{"given": ["a", "b"]}, {"given": ["c"]}]}
    left = after(before, operation("delete", "Patient.name.given[2]"), operation("delete", "Patient.name.given[0]"))
    assert left["name"] == [{"given": ["b"]}]
    left = after(before, operation("delete", "Patient.name.given.where($this = 'b')"))
    assert left["name"] == [{"given": ["a"]}, {"given": ["c"]}]


def test_anonymous_types_are_made_of_parts_as_deep_as_they_go() -> None:
    parts = [
        {"name": "name", "valueHumanName": {"text": "a"}},
        {"name": "relationship", "valueCodeableConcept": {"text": "r1"}},
        {"name": "relationship", "part": [{"name": "text", "valueString": "r2"}]},
        {"name": "extension", "part": [
            {"name": "url", "valueUri": "urn:x"}, {"name": "value", "valueDecimal": 1.5}
        ]},
    ]  # fmt: skip
    made = after({}, operation("add", "Patient", name="contact", value={"part": parts}))
    assert made["contact"] == [
        {
            "name": {"text": "a"},
            "relationship": [{"text": "r1"}, {"text": "r2"}],
            "extension": [{"url": "urn:x", "valueDecimal": 1.5}],
        }
    ]


def test_lists_of_primitives_in_parts_keep_values_and_twins_side_by_side() -> None:
    extended = {"extension": [{"url": "urn:x", "valueCode": "y"}]}
    parts = [
        {"name": "given", "valueString": "a"},
        {"name": "given", "valueString": "b", "_valueString": extended},
        {"name": "given", "valueString": "c"},
    ]
    made = after({}, operation("add", "Patient", name="name", value={"part": parts}))
    assert made["name"] == [{"given": ["a", "b", "c"], "_given": [None, extended, None]}]


def test_a_resource_is_added_as_contained() -> None:
    inner = {"resourceType": "Organization", "id": "o", "name": "x"}
    made = after({}, operation("add", "Patient", name="contained", value={"resource": inner}))
    assert made["contained"] == [inner]
    changed = after(made, operation("replace", "Patient.contained[0].name", value={"valueString": "y"}))
    assert changed["contained"][0]["name"] == "y"
    assert after(made, operation("delete", "Patient.contained.ofType(Organization).name"))["contained"] == [
        {"resourceType": "Organization", "id": "o"}
    ]


def test_what_a_primitive_carries_beside_its_value_can_be_added_changed_and_removed() -> None:
    added = operation("add", "Patient.birthDate", name="extension", value={"part": [
        {"name": "url", "valueUri": "urn:t"}, {"name": "value", "valueDateTime": "1980-07-04T01:00:00Z"}]})  # fmt: skip
    made = after({"birthDate": "1980-07-04"}, added)
    assert made["_birthDate"] == {"extension": [{"url": "urn:t", "valueDateTime": "1980-07-04T01:00:00Z"}]}
    path = "Patient.birthDate.extension('urn:t').value"
    replaced = after(made, operation("replace", path, value={"valueDateTime": "1980"}))
    assert replaced["_birthDate"]["extension"][0]["valueDateTime"] == "1980"
    removed = after(made, operation("delete", "Patient.birthDate.extension('urn:t')"))
    assert removed == patient(birthDate="1980-07-04")


def test_a_replaced_primitive_loses_what_belonged_to_its_old_value() -> None:
    before = {"birthDate": "1980-07-04", "_birthDate": {"id": "1"}}
    assert after(before, operation("replace", "Patient.birthDate", value={"valueDate": "1981"})) == patient(
        birthDate="1981"
    )
    assert after(before, operation("delete", "Patient.birthDate")) == patient()


def test_a_list_of_primitives_moves_together_with_its_twin() -> None:
    before = {"name": [{"given": ["a", "b", None], "_given": [None, {"id": "1"}, {"id": "2"}]}]}
    moved = after(before, operation("move", "Patient.name[0].given", source=1, destination=0))
    assert moved["name"] == [{"given": ["b", "a", None], "_given": [{"id": "1"}, None, {"id": "2"}]}]
    deleted = after(before, operation("delete", "Patient.name[0].given[2]"))
    assert deleted["name"] == [{"given": ["a", "b"], "_given": [None, {"id": "1"}]}]
    inserted = operation("insert", "Patient.name[0].given", index=0, value={"valueString": "x"})
    assert after(before, inserted)["name"] == [
        {"given": ["x", "a", "b", None], "_given": [None, None, {"id": "1"}, {"id": "2"}]}
    ]
    plain = {"name": [{"given": ["a", "b"]}]}
    extended = operation("add", "Patient.name.given[1]", name="extension", value={"part": [
        {"name": "url", "valueUri": "urn:t"}, {"name": "value", "valueCode": "t"}]})  # fmt: skip
    assert after(plain, extended)["name"][0]["_given"] == [
        None,
        {"extension": [{"url": "urn:t", "valueCode": "t"}]},
    ]


@pytest.mark.parametrize(
    ("before", "sent", "says"),
    [
        ({}, operation("replace", "Patient.birthDate", value={"valueDate": "1980"}), "no such element"),
        ({}, operation("add", "Patient.name", name="family", value={"valueString": "x"}), "no such element"),
        ({"birthDate": "1980"}, operation("add", "Patient", name="birthDate", value={"valueDate": "1981"}),
         "already; replace it"),
        ({"deceasedBoolean": True}, operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}),
         "already; replace it"),
        ({"name": [{}, {}]}, operation("add", "Patient.name", name="family", value={"valueString": "x"}),
         "2 elements are there"),
        ({"name": [{}, {}]}, operation("delete", "Patient.name"), "2 elements are there"),
        ({"name": [{}, {}]}, operation("delete", "Patient.name.single()"), "single() meets 2 elements"),
        ({}, operation("delete", "Observation.status"), "the resource is a Patient"),
        ({}, operation("delete", "Patient.nothing"), "Patient has no element 'nothing'"),
        ({}, operation("delete", "Patient.resourceType"), "Patient has no element 'resourceType'"),
        ({"name": [{}]}, operation("delete", "Patient.name.where(nothing = 'x')"), "HumanName has no element"),
        ({}, operation("add", "Patient", name="nothing", value={"valueString": "x"}), "has no element 'nothing'"),
        ({}, operation("add", "Patient", name="deceasedBoolean", value={"valueBoolean": True}),
         "is written 'deceased'"),
        ({}, operation("add", "Patient", name="birthDate", value={"valueString": "1980"}), "is a date"),
        ({}, operation("add", "Patient", name="name", value={"valueString": "x"}), "is a HumanName"),
        ({}, operation("add", "Patient", name="contact", value={"valueHumanName": {"text": "x"}}),
         "is a Patient.contact"),
        ({}, operation("add", "Patient", name="deceased", value={"valueString": "x"}), "boolean, dateTime"),
        ({}, operation("add", "Patient", name="active", value={"part": [{"name": "x", "valueString": "y"}]}),
         "needs a value of type boolean"),
        ({}, operation("add", "Patient", name="name", value={"part": [{"name": "text", "valueString": "y"}] * 2}),
         "given twice"),
        ({}, operation("add", "Patient", name="contained", value={"part": [{"name": "x", "valueString": "y"}]}),
         "takes a resource"),
        ({}, operation("insert", "Patient.name", index=1, value={"valueHumanName": {"text": "x"}}), "from 0 to 0"),
        ({}, operation("insert", "Patient.birthDate", index=0, value={"valueDate": "1980"}), "is no list"),
        ({}, operation("insert", "Patient.deceased", index=0, value={"valueBoolean": True}), "is no list"),
        ({"name": [{"text": "a"}]}, operation("move", "Patient.name", source=1, destination=0), "has 1 elements"),
        ({"name": [{"text": "a"}]}, operation("move", "Patient.name", source=0, destination=1), "has 1 elements"),
        ({}, operation("replace", "Patient", value={"valueString": "x"}), "by an update"),
        ({}, operation("delete", "Patient"), "by a DELETE"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_resource_is_a_422_naming_the_operation(before: Json, sent: Json, says: str) -> None:
    error = refused(before, sent)
    assert (error.status, error.issues[0].number) == (422, 2018), error.issues[0].text
    assert says in error.issues[0].text and error.issues[0].text.startswith("Operation 0 (")
    assert error.issues[0].expression == "Parameters.parameter[0]"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"name": "op", "valueString": "x"}, "is named 'operation'"),
        ({"name": "operation", "part": [{"name": "path", "valueString": "Patient"}]}, "needs a part 'type'"),
        (operation("upsert", "Patient.name"), "needs a part 'type'"),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}, "needs a part 'path'"),
        (operation("add", "Patient", value={"valueString": "x"}), "needs a part 'name' with a valueString"),
        (operation("add", "Patient", name="x"), "needs a part 'value'"),
        (operation("insert", "Patient.name", value={"valueString": "x"}), "needs a part 'index' with a valueInteger"),
        (operation("move", "Patient.name", source=0), "needs a part 'destination'"),
        (operation("move", "Patient.name", source=-1, destination=0), "needs a valueInteger of 0 or more"),
        (operation("move", "Patient.name[0]", source=1, destination=0), "names a list"),
        (operation("move", "Patient", source=1, destination=0), "names a list"),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}, {"name": "type", "valueCode": "add"},
          {"name": "path", "valueString": "Patient"}]}, "more than one part 'type'"),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}, {"name": "where", "valueString": "x"},
          {"name": "path", "valueString": "Patient"}]}, "a part is named one of"),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueCode": "x"}]},
         "the part 'path' needs a valueString"),
    ],
)  # fmt: skip
def test_what_is_no_fhirpath_patch_is_a_400(sent: Json, says: str) -> None:
    error = refused({}, sent)
    assert (error.status, error.issues[0].number) == (400, 2017)
    assert any(says in issue.text for issue in error.issues), [issue.text for issue in error.issues]
    assert (error.issues[0].expression or "").startswith("Parameters.parameter[0]")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("Patient.name.resolve().family", "resolve() is not taken"),
        ("Patient.name.all($this.exists())", "all() is not taken"),
        ("Patient.name[x]", "a number from 0 on"),
        ("Patient.name[-1]", "a number from 0 on"),
        ("Patient.name[0", "']' is missing"),
        ("Patient..name", "a name is missing before '.'"),
        ("Patient.", "it ends too early"),
        ("Patient.name.where(use)", "a condition is"),
        ("Patient.name.where(use = )", "is compared with a text"),
        ("Patient.name.where(use = 'x'", "')' is missing"),
        ("Patient.name.where(use = other)", "is compared with a text"),
        ("Patient.name | Patient.contact", "character 13 begins nothing"),
        ("Patient.name;", "character 13 begins nothing"),
        ("Patient.name.where(use > 'x')", "begins nothing"),
        ("Patient.name.extension(urn)", "a text in single quotes"),
        ("Patient.name family", "'family' is not understood"),
        ("Patient.name.exists()", "'exists' is not understood"),
        ("Patient" + ".name" * 300, "longer than 1000 characters"),
        ("Patient.name.where(" + "(" * 50 + "use = 'x'" + ")" * 51, "nest too deep"),
    ],
)  # fmt: skip
def test_a_path_of_another_shape_is_a_400_that_says_where_it_stopped(path: str, says: str) -> None:
    error = refused({}, operation("delete", path))
    assert (error.status, error.issues[0].number) == (400, 2017)
    assert says in error.issues[0].text and "Type.element.element" in error.issues[0].text


def test_operations_are_applied_to_what_those_before_them_left() -> None:
    made = after(
        {},
        operation("add", "Patient", name="contact", value={"part": [{"name": "gender", "valueCode": "male"}]}),
        operation("add", "Patient.contact[0]", name="name", value={"valueHumanName": {"text": "a"}}),
        operation("replace", "Patient.contact[0].name.text", value={"valueString": "b"}),
        operation("delete", "Patient.contact[0].gender"),
    )
    assert made["contact"] == [{"name": {"text": "b"}}]


def test_a_change_may_be_used_again_and_does_the_same() -> None:
    sent = [
        operation("add", "Patient", name="name", value={"valueHumanName": {"text": "a"}}),
        operation("add", "Patient.name[0]", name="given", value={"valueString": "g"}),
    ]
    change = fhirpath_patch.change({"resourceType": "Parameters", "parameter": sent})
    assert change(patient()) == change(patient()) == patient(name=[{"text": "a", "given": ["g"]}])


def test_repeated_additions_do_not_lead_deeper_than_a_body_may_nest() -> None:
    extension = {"part": [{"name": "url", "valueUri": "urn:x"}]}
    path, sent = "Patient", []
    for _ in range(MAX_DEPTH):
        sent.append(operation("add", path, name="extension", value=extension))
        path += ".extension[0]"
    assert refused({}, *sent[:MAX_DEPTH]).issues[0].number == 1004
    assert after({}, *sent[:20])


def test_paths_that_look_at_everything_over_and_over_are_a_413() -> None:
    before = {"identifier": [{"value": str(number)} for number in range(1000)]}
    sent = [operation("delete", "Patient.identifier.where(value = 'x' or value.empty())")] * 1000
    assert refused(before, *sent).status == 413
    assert after(before, *sent[:10])["identifier"] == before["identifier"]


def test_conditions_that_find_nothing_are_counted_too() -> None:
    before = {"extension": [{"url": str(number)} for number in range(1000)]}
    in_vain = " or ".join(["value.exists()"] * 40)
    assert refused(before, operation("delete", f"Patient.extension.where({in_vain})")).status == 413
    idle = ".where($this.exists())" * 40
    before = {"identifier": [{"value": "x"}] * 1000}
    assert refused(before, *[operation("delete", f"Patient.identifier{idle}[2000]")] * 20).status == 413


@pytest.mark.parametrize(
    "sent",
    [
        operation("insert", "Patient.identifier", index=0, value={"valueIdentifier": {"value": "x"}}),
        operation("move", "Patient.identifier", source=0, destination=0),
    ],
)
def test_a_position_may_be_zero_with_a_minus(sent: Json) -> None:
    document = json.dumps({"resourceType": "Parameters", "parameter": [sent]})
    parameters = decode(document.replace('"valueInteger": 0', '"valueInteger": -0').encode())
    assert validate(parameters, "Parameters") == ()
    made = fhirpath_patch.change(parameters)(patient(identifier=list(IDENTIFIERS)))
    assert values(made) in ("x0123", "0123")


@pytest.mark.parametrize(
    "path",
    [
        "Patient.identifier.where(value = 'secretmark')",
        r"Patient.identifier.where(value = 'it\'s secretmark')",
        "Patient.identifier.where(value = 'x' and system != 'secretmark').value",
        "Patient.extension('secretmark')",
        "Patient.identifier.where(value 'secretmark')",
        "Patient.identifier.where('secretmark' = value)",
        "Patient.identifier 'secretmark'",
        "Patient.identifier.where(value = 'secretmark' 'secretmark')",
        "Patient.identifier.where(value = 'secretmark",
        "Patient.multipleBirth.where($this = 4711)",
        "Patient.multipleBirth.where($this 4711)",
    ],
)
def test_no_refusal_repeats_what_elements_are_compared_with(path: str) -> None:
    error = refused({}, operation("replace", path, value={"valueString": "secretmark"}))
    assert not any("secretmark" in issue.text or "4711" in issue.text for issue in error.issues), error.issues
