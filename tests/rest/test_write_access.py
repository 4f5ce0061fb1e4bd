"""Nobody changes, makes, takes away or moves what is not theirs to write, nor learns that it is there.

https://hl7.org/fhir/R4/security.html#authorization
"""

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.interactions.context import Conditions
from fhir_server.policy import OPERATOR, Sight
from smart_auth.access import ResourceScope
from tests.rest.writers import (
    ANNA,
    BEN,
    DOD,
    RESTRICTED,
    VA,
    Writers,
    admin,
    as_told,
    entry,
    goal,
    observation,
    officer,
    patch_in_binary,
    patches,
    patient_of,
    person,
    practitioner,
    system,
)


async def test_a_hidden_id_looks_like_a_free_one_to_every_write_of_a_patient(writers: Writers) -> None:
    await writers.stored(goal("ben", "hidden"))
    before = await writers.now("Goal/hidden")
    tries: list[tuple[str, Any, Conditions]] = []
    for conditions in (
        Conditions(),
        Conditions(if_match='W/"1"'),
        Conditions(if_match='W/"7"'),
        Conditions(if_match="*"),
        Conditions(if_none_match="*"),
    ):
        tries.append(("PUT", goal("anna"), conditions))
        tries += [("PATCH", patch, conditions) for patch in patches("description/text", "mine")]
        tries.append(("DELETE", None, conditions))
    for method, content, conditions in tries:
        told = []
        for id in ("hidden", "free"):
            body = {**content, "id": id} if method == "PUT" else content
            told.append(await writers.ask(ANNA, method, f"Goal/{id}", body, conditions))
        assert as_told(told[0], "hidden", "free") == told[1], (method, conditions)
        assert told[0].status == (403 if method == "DELETE" else 404), (method, conditions)
    assert await writers.now("Goal/hidden") == before
    assert [row["_id"] for row in await writers.rows("Goal")] == ["hidden"]


async def test_what_was_deleted_of_another_record_looks_like_a_free_id_too(writers: Writers) -> None:
    await writers.stored(goal("ben", "hidden"))
    assert (await writers.ask(OPERATOR, "DELETE", "Goal/hidden")).status == 204
    for patch in patches("description/text", "mine"):
        assert (await writers.ask(ANNA, "PATCH", "Goal/hidden", patch)).status == 404
    assert (await writers.ask(ANNA, "PUT", "Goal/hidden", goal("anna", "hidden"))).status == 404
    assert (await writers.ask(practitioner("anna"), "DELETE", "Goal/hidden")).status == 404
    assert (await writers.ask(practitioner("anna"), "DELETE", "Goal/free")).status == 404
    assert (await writers.ask(practitioner("ben"), "DELETE", "Goal/hidden")).status == 204


async def test_a_patient_changes_what_is_hers_in_every_form(writers: Writers) -> None:
    await writers.stored(goal("anna", "own"))
    for patch in patches("description/text", "run"):
        told = await writers.ask(ANNA, "PATCH", "Goal/own", patch)
        assert (told.status, told.body["description"]) == (200, {"text": "run"})
    told = await writers.ask(ANNA, "PUT", "Goal/own", goal("anna", "own", lifecycleStatus="completed"))
    assert (told.status, told.body["lifecycleStatus"], told.version) == (200, "completed", 5)


@pytest.mark.parametrize("sight", [ANNA, practitioner("anna"), system(patient="anna")], ids=["patient", "p", "s"])
async def test_nothing_is_made_in_or_moved_to_another_record_or_to_none(writers: Writers, sight: Sight) -> None:
    await writers.stored(goal("anna", "own"))
    for subject in ("ben", "anna/_history/1/x"):
        told = await writers.ask(sight, "POST", "Goal", goal(subject))
        assert (told.status, told.numbers, told.element) == (403, (6021,), "Goal.subject")
        told = await writers.ask(sight, "PUT", "Goal/own", goal(subject, "own"))
        assert (told.status, told.numbers, told.element) == (403, (6021,), "Goal.subject")
    for patch in patches("subject/reference", "Patient/ben"):
        told = await writers.ask(sight, "PATCH", "Goal/own", patch)
        assert (told.status, told.numbers, told.element) == (403, (6021,), "Goal.subject")
    two = [{"actor": {"reference": f"Patient/{id}"}, "status": "accepted"} for id in ("anna", "ben")]
    appointment = {"resourceType": "Appointment", "status": "proposed", "participant": two}
    assert (await writers.ask(sight, "POST", "Appointment", appointment)).status == 403
    elsewhere = goal(None) | {"subject": {"reference": "http://elsewhere.example/fhir/Patient/anna"}}
    assert (await writers.ask(sight, "POST", "Goal", elsewhere)).status == 403
    assert (await writers.now("Goal/own"))["meta"]["versionId"] == "1"
    assert [row["_id"] for row in await writers.rows("Goal")] == ["own"]


async def test_what_moved_away_is_no_longer_changed_by_whom_it_left(writers: Writers) -> None:
    await writers.stored(goal("anna", "moved"), goal("ben", "moved"))
    for conditions in (Conditions(), Conditions(if_match='W/"1"'), Conditions(if_match='W/"2"')):
        told = await writers.ask(ANNA, "PUT", "Goal/moved", goal("anna", "moved"), conditions)
        assert (told.status, told.numbers) == (404, (2001,))
    assert (await writers.ask(BEN, "PUT", "Goal/moved", goal("ben", "moved"))).status == 200


async def test_what_is_in_two_records_is_taken_out_of_neither_by_one_of_them(writers: Writers) -> None:
    both = [{"actor": {"reference": f"Patient/{id}"}, "status": "accepted"} for id in ("anna", "ben")]
    visit = {"resourceType": "Appointment", "id": "both", "status": "proposed", "participant": both}
    await writers.stored(visit)
    for sight in (ANNA, practitioner("anna"), system(patient="anna")):
        assert (await writers.ask(sight, "GET", "Appointment/both")).status == 200
        alone = visit | {"participant": both[:1]}
        patch = ("application/merge-patch+json", {"participant": both[:1]})
        for method, content in (("PUT", alone), ("PUT", visit), ("PATCH", patch)):
            told = await writers.ask(sight, method, "Appointment/both", content)
            assert (told.status, told.numbers) == (403, (6021,)), method
    assert (await writers.ask(practitioner("anna"), "DELETE", "Appointment/both")).status == 403
    assert (await writers.now("Appointment/both"))["meta"]["versionId"] == "1"
    assert (await writers.ask(practitioner("anna", "ben"), "DELETE", "Appointment/both")).status == 204


async def test_a_patient_creates_what_the_table_names_and_nothing_else(writers: Writers) -> None:
    made = await writers.ask(ANNA, "POST", "Observation", observation("anna"))
    assert made.status == 201
    for type in ("Condition", "AllergyIntolerance", "Immunization", "Encounter", "Coverage", "Consent", "Provenance"):
        told = await writers.ask(ANNA, "POST", type, {"resourceType": type})
        assert (told.status, told.numbers) == (403, (6020,)), type
    for type in ("Patient", "Practitioner", "Organization", "Slot", "SearchParameter", "Bundle", "AuditEvent", "Group"):
        assert (await writers.ask(ANNA, "POST", type, {"resourceType": type})).status == 403, type
    assert (await writers.ask(ANNA, "PUT", f"Observation/{made.id}", observation("anna", made.id))).status == 403
    assert (await writers.ask(ANNA, "DELETE", f"Observation/{made.id}")).status == 403


async def test_a_patient_asks_for_a_medicine_and_does_not_order_it(writers: Writers) -> None:
    request = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": "Patient/anna"},
    }
    told = await writers.ask(ANNA, "POST", "MedicationRequest", {**request, "intent": "order"})
    assert (told.status, told.element) == (403, "MedicationRequest.intent")
    await writers.stored({**request, "intent": "order", "id": "old"})
    proposal = {**request, "intent": "proposal", "requester": {"reference": "Patient/anna"}}
    proposal["priorPrescription"] = {"reference": "MedicationRequest/old"}
    assert (await writers.ask(ANNA, "POST", "MedicationRequest", proposal)).status == 201


async def test_what_a_patient_creates_bears_the_label_of_it_and_no_other(writers: Writers) -> None:
    sent = observation("anna", meta={"source": VA, **RESTRICTED, "tag": [{"code": "x"}]})
    made = await writers.ask(ANNA, "POST", "Observation", sent)
    assert [label["code"] for label in made.body["meta"]["security"]] == ["PATAST"]
    assert "source" not in made.body["meta"]
    assert made.body["meta"]["tag"] == [{"code": "x"}]


async def test_nobody_but_a_system_or_an_administrator_takes_that_label_away(writers: Writers) -> None:
    made = await writers.ask(ANNA, "POST", "Goal", goal("anna"))
    bare = goal("anna", made.id)
    for sight in (ANNA, practitioner("anna")):
        told = await writers.ask(sight, "PUT", f"Goal/{made.id}", bare)
        assert (told.status, told.numbers, told.element) == (403, (6022,), "Goal.meta.security")
        merge = ("application/merge-patch+json", {"meta": {"security": None}})
        assert (await writers.ask(sight, "PATCH", f"Goal/{made.id}", merge)).status == 403
    kept = made.body | {"lifecycleStatus": "completed"}
    assert (await writers.ask(ANNA, "PUT", f"Goal/{made.id}", kept)).status == 200
    assert (await writers.ask(practitioner("anna"), "PUT", f"Goal/{made.id}", kept)).status == 200
    assert (await writers.ask(system(), "PUT", f"Goal/{made.id}", bare)).status == 200


async def test_a_patient_changes_how_to_be_reached_and_not_who_one_is(writers: Writers) -> None:
    telecom = [{"system": "phone", "value": "555-0100"}]
    assert (await writers.ask(ANNA, "PUT", "Patient/anna", person("anna", telecom=telecom))).status == 200
    for elements in (
        {"identifier": [{"system": "urn:mrn", "value": "of-ben"}]},
        {"name": [{"family": "Other"}]},
        {"birthDate": "1970-01-01"},
        {"_birthDate": {"extension": [{"url": "urn:x", "valueString": "x"}]}},
        {"link": [{"other": {"reference": "Patient/ben"}, "type": "seealso"}]},
        {"managingOrganization": {"reference": "Organization/o1"}},
    ):
        told = await writers.ask(ANNA, "PUT", "Patient/anna", person("anna", **elements))
        named = f"Patient.{next(iter(elements))}"
        assert (told.status, told.numbers, told.element) == (422, (6024,), named), elements
        assert "Send it as it is read" in told.text
        assert "help desk" in told.text
    assert "telecom" in await writers.now("Patient/anna")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", [{"family": "Other"}]),
        ("birthDate", "1970-01-01"),
        ("identifier", [{"system": "urn:mrn", "value": "1"}]),
        ("identifier", [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "900-11-2222"}]),
    ],
    ids=["name", "birth date", "identifier", "social security number"],
)
async def test_in_every_way_to_write_a_patients_name_birth_date_and_identifiers_are_read_only(
    writers: Writers, name: str, value: Any
) -> None:
    other = person("anna", **{name: value})
    merge = ("application/merge-patch+json", {name: value})
    by_json = ("application/json-patch+json", [{"op": "add", "path": f"/{name}", "value": value}])
    family = patient_of("ben", "anna", granted="user/*.cruds")
    for sight in (ANNA, family):
        for method, content in (("PUT", other), ("PATCH", merge), ("PATCH", by_json)):
            told = await writers.ask(sight, method, "Patient/anna", content)
            assert (told.status, told.numbers, told.element) == (422, (6024,), f"Patient.{name}"), method
        for sent in (entry("PUT", "Patient/anna", other), entry("PATCH", "Patient/anna", patch_in_binary(*merge))):
            told = await writers.bundle(sight, "batch", [sent])
            assert told.body["entry"][0]["response"]["status"].startswith("422"), told.body
            refused = await writers.bundle(sight, "transaction", [sent])
            assert (refused.status, refused.numbers) == (422, (6024,))
    assert (await writers.now("Patient/anna"))["meta"]["versionId"] == "1"


async def test_of_what_is_read_only_in_anothers_record_a_patient_learns_nothing(writers: Writers) -> None:
    for id in ("ben", "nobody"):
        put = await writers.ask(ANNA, "PUT", f"Patient/{id}", person(id, birthDate="1970-01-01"))
        assert (put.status, put.numbers, put.element) == (403, (6021,), "Patient.id"), id
        patch = await writers.ask(ANNA, "PATCH", f"Patient/{id}", ("application/merge-patch+json", {"name": None}))
        assert (patch.status, patch.numbers) == (404, (2001,)), id


async def test_an_update_by_a_patient_or_practitioner_leaves_the_source(writers: Writers) -> None:
    await writers.stored(goal("anna", "of-va", meta={"source": VA}))
    for sight in (ANNA, practitioner("anna")):
        for more in ({}, {"meta": {"source": DOD}}):
            told = await writers.ask(sight, "PUT", "Goal/of-va", goal("anna", "of-va", **more))
            assert (told.status, told.element) == (403, "Goal.meta.source")
        assert (await writers.ask(sight, "PUT", "Goal/of-va", goal("anna", "of-va", meta={"source": VA}))).status == 200


async def test_only_registers_choose_ids(writers: Writers) -> None:
    assert (await writers.ask(system(), "PUT", "Goal/by-feed", goal("anna", "by-feed"))).status == 201
    assert (await writers.ask(admin(), "PUT", "Goal/by-admin", goal("anna", "by-admin"))).status == 201
    for sight in (ANNA, practitioner("anna"), system(patient="anna"), system("system/*.ruds")):
        told = await writers.ask(sight, "PUT", "Goal/fresh", goal("anna", "fresh"))
        assert (told.status, told.numbers) == (404, (2001,))


async def test_a_system_that_may_not_see_a_restricted_row_neither_changes_nor_replaces_it(writers: Writers) -> None:
    await writers.stored(goal("anna", "restricted", meta=RESTRICTED))
    assert (await writers.ask(system(), "PUT", "Goal/restricted", goal("anna", "restricted"))).status == 404
    assert (await writers.ask(system(), "DELETE", "Goal/restricted")).status == 404
    emergency = system(purposes=("ETREAT",))
    assert (await writers.ask(emergency, "PUT", "Goal/restricted", goal("anna", "restricted"))).status == 200


async def test_who_treats_writes_in_those_records_and_a_few_shared_types(writers: Writers) -> None:
    doctor = practitioner("anna")
    made = await writers.ask(doctor, "POST", "Observation", observation("anna"))
    assert made.status == 201
    assert (await writers.ask(doctor, "DELETE", f"Observation/{made.id}")).status == 204
    assert (await writers.ask(doctor, "POST", "Medication", {"resourceType": "Medication"})).status == 201
    for type in ("Organization", "Practitioner", "ValueSet", "SearchParameter", "Group", "AuditEvent"):
        told = await writers.ask(doctor, "POST", type, {"resourceType": type})
        assert (told.status, told.numbers) == (403, (6020,)), type
    assert (await writers.ask(doctor, "POST", "Patient", {"resourceType": "Patient"})).status == 403
    assert (await writers.ask(doctor, "DELETE", "Medication/any")).status == 403


async def test_an_officer_writes_nothing_and_nobody_writes_an_audit_event(writers: Writers) -> None:
    assert (await writers.ask(officer(), "POST", "Goal", goal("anna"))).status == 403
    for sight in (ANNA, practitioner("anna"), system(), admin(), officer()):
        for method, url in (("POST", "AuditEvent"), ("PUT", "AuditEvent/a"), ("DELETE", "AuditEvent/a")):
            told = await writers.ask(sight, method, url, {"resourceType": "AuditEvent", "id": "a"})
            assert told.status == 403, (sight.access, method)


@pytest.mark.parametrize(
    ("method", "url", "letters"),
    [
        ("POST", "Goal", "ruds"),
        ("PUT", "Goal/own", "crds"),
        ("PATCH", "Goal/own", "crds"),
        ("DELETE", "Goal/own", "crus"),
        ("PUT", "Goal?identifier=x", "crds"),
        ("PATCH", "Goal?identifier=x", "crds"),
        ("DELETE", "Goal?identifier=x", "crus"),
    ],
)
async def test_each_write_needs_its_own_letter(writers: Writers, method: str, url: str, letters: str) -> None:
    await writers.stored(goal("anna", "own"))
    content: Any = patches("description/text", "x")[0] if method == "PATCH" else goal("anna", "own")
    for sight in (
        practitioner("anna", granted=f"user/Goal.{letters}"),
        system(f"system/Goal.{letters}"),
        practitioner("anna", granted="user/Observation.cruds"),
    ):
        told = await writers.ask(sight, method, url, content)
        assert (told.status, told.numbers) == (403, (6001,))
    assert (await writers.now("Goal/own"))["meta"]["versionId"] == "1"


async def test_a_condition_needs_leave_to_read_or_search(writers: Writers) -> None:
    blind = practitioner("anna", granted="user/Goal.cud")
    for method, url in (("PUT", "Goal?identifier=x"), ("DELETE", "Goal?identifier=x")):
        assert (await writers.ask(blind, method, url, goal("anna"))).status == 403
    told = await writers.ask(blind, "POST", "Goal", goal("anna"), Conditions(if_none_exist="identifier=x"))
    assert (told.status, told.numbers) == (403, (6001,))


async def test_a_patch_is_answered_by_its_result_only_to_those_who_may_read_it(writers: Writers) -> None:
    await writers.stored(goal("anna", "own"))
    patch = patches("description/text", "x")[0]
    told = await writers.ask(patient_of("anna", granted="patient/Goal.u"), "PATCH", "Goal/own", patch)
    assert (told.status, told.body, told.version) == (200, None, 2)
    each = entry("PATCH", "Goal/own", patch_in_binary(*patch))
    for type in ("batch", "transaction"):
        told = await writers.bundle(patient_of("anna", granted="patient/Goal.u"), type, [each], "representation")
        assert "resource" not in told.body["entry"][0], type
    assert (await writers.bundle(ANNA, "transaction", [each], "representation")).body["entry"][0]["resource"]


async def test_a_granular_scope_bounds_what_is_written_and_what_it_becomes(writers: Writers) -> None:
    lab, vital = ([{"coding": [{"system": "urn:cat", "code": code}]}] for code in ("laboratory", "vital-signs"))
    scope = ResourceScope("user", "Observation", frozenset("cruds"), (("category", "urn:cat|laboratory"),))
    doctor = practitioner("anna")
    assert doctor.access is not None
    narrow = Sight(replace(doctor.access, scopes=(scope,)), doctor.related)
    await writers.stored(observation("anna", "vital", category=vital), observation("anna", "lab", category=lab))
    told = await writers.ask(narrow, "POST", "Observation", observation("anna", category=vital))
    assert (told.status, told.element) == (403, "Observation.category")
    assert (await writers.ask(narrow, "POST", "Observation", observation("anna", category=lab))).status == 201
    for method in ("PUT", "DELETE"):
        body = observation("anna", "vital", category=lab)
        assert (await writers.ask(narrow, method, "Observation/vital", body)).status == 404
    moved = observation("anna", "lab", category=vital)
    assert (await writers.ask(narrow, "PUT", "Observation/lab", moved)).status == 403
    assert (await writers.ask(narrow, "DELETE", "Observation/lab")).status == 204


async def test_the_operator_of_a_server_without_sign_in_writes_everything(writers: Writers) -> None:
    for resource in (goal("ben", "any"), goal(None, "none") | {"subject": {"display": "nobody"}}):
        assert (await writers.ask(OPERATOR, "PUT", f"Goal/{resource['id']}", resource)).status == 201
    assert (await writers.ask(OPERATOR, "DELETE", "Goal/never")).status == 204
