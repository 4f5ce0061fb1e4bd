"""Each entry of a batch or transaction is bounded as it would be by itself.

https://hl7.org/fhir/R4/http.html#transaction
"""

from tests.rest.writers import (
    ANNA,
    Writers,
    X,
    Y,
    admin,
    as_told,
    entry,
    goal,
    officer,
    patch_in_binary,
    patches,
    patient_of,
    person,
    practitioner,
    system,
)


async def test_a_refused_entry_of_a_batch_fails_alone_and_of_a_transaction_fails_all(writers: Writers) -> None:
    await writers.stored(goal("ben", "hidden"), goal("anna", "own"))
    foreign = [
        (entry("POST", "Goal", goal("ben")), "403"),
        (entry("POST", "Condition", {"resourceType": "Condition"}), "403"),
        (entry("PUT", "Goal/hidden", goal("anna", "hidden")), "404"),
        (entry("PUT", "Goal/free", goal("anna", "free")), "404"),
        (entry("PATCH", "Goal/hidden", patch_in_binary(*patches("description/text", "mine")[0])), "404"),
        (entry("PATCH", "Goal?_id=hidden", patch_in_binary(*patches("description/text", "mine")[0])), "404"),
        (entry("DELETE", "Goal/hidden"), "403"),
        (entry("PUT", "Goal/own", goal("ben", "own")), "403"),
    ]
    for each, status in foreign:
        own = entry("POST", "Goal", goal("anna"))
        told = await writers.bundle(ANNA, "batch", [own, each])
        assert [part["response"]["status"] for part in told.body["entry"]] == ["201 Created", status], each["request"]
        refused = await writers.bundle(ANNA, "transaction", [own, each])
        assert refused.status == int(status), each["request"]
        assert "Entry 1" in refused.text
    assert len(await writers.rows("Goal")) == 2 + len(foreign)
    assert (await writers.now("Goal/hidden"))["meta"]["versionId"] == "1"
    assert (await writers.now("Goal/own"))["meta"]["versionId"] == "1"


async def test_a_hidden_id_in_a_transaction_looks_like_a_free_one(writers: Writers) -> None:
    await writers.stored(goal("ben", "hidden", **X))
    doctor = practitioner("anna")
    for conditions in ({}, {"ifMatch": 'W/"1"'}):
        told = []
        for id in ("hidden", "free"):
            tries = [
                [entry("DELETE", f"Goal/{id}", **conditions)],
                [entry("PUT", f"Goal/{id}", goal("anna", id), **conditions)],
                # The delete must not be told by what no longer matches without it.
                [
                    entry("DELETE", f"Goal/{id}", **conditions),
                    entry("POST", "Goal", goal("anna"), ifNoneExist="identifier=urn:x|x"),
                ],
            ]
            answers = [await writers.bundle(doctor, "transaction", each) for each in tries]
            told.append([as_told(answer, id, "id") for answer in answers])
        assert told[0] == told[1]
        assert [answer.status for answer in told[0]] == [404, 404, 412]
    assert (await writers.now("Goal/hidden"))["meta"]["versionId"] == "1"


async def test_a_conditional_reference_finds_only_what_its_sender_sees(writers: Writers) -> None:
    await writers.stored(person("carl", **X), person("anna", **Y))
    for sight in (ANNA, practitioner("anna"), system(patient="anna")):
        told = []
        for value in ("x", "nothing"):
            about = goal("anna", addresses=[{"reference": f"Patient?identifier=urn:x|{value}"}])
            told.append(await writers.bundle(sight, "transaction", [entry("POST", "Goal", about)]))
        assert told[0] == told[1]
        assert (told[0].status, told[0].numbers) == (400, (2012,))
    own = goal(None) | {"subject": {"reference": "Patient?identifier=urn:x|y"}}
    assert (await writers.bundle(ANNA, "transaction", [entry("POST", "Goal", own)])).status == 200
    scoped = patient_of("anna", granted="patient/Goal.cruds")
    told_of_scope = await writers.bundle(scoped, "transaction", [entry("POST", "Goal", own)])
    assert (told_of_scope.status, told_of_scope.numbers) == (403, (6001,))


async def test_a_transaction_with_a_read_that_was_not_granted_writes_nothing(writers: Writers) -> None:
    sight = patient_of("anna", granted="patient/Goal.cruds")
    for url in ("Observation?status=final", "Observation/o1", "Observation/o1/_history"):
        told = await writers.bundle(sight, "transaction", [entry("POST", "Goal", goal("anna")), entry("GET", url)])
        assert (told.status, told.numbers) == (403, (6001,)), url
    assert await writers.rows("Goal") == []


async def test_only_changes_shows_nothing_of_what_is_hidden(writers: Writers) -> None:
    await writers.stored(goal("ben", "hidden"))
    told = await writers.ask(ANNA, "PUT", "Goal/hidden", goal("anna", "hidden"), only_changes=True)
    assert told.status == 404


async def test_search_parameters_are_registered_by_systems_and_administrators_alone(writers: Writers) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "url": "urn:p",
        "name": "Nick",
        "status": "draft",
        "description": "x",
        "code": "nick",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.text",
    }
    for sight in (ANNA, practitioner("anna"), system(patient="anna"), officer()):
        assert (await writers.ask(sight, "POST", "SearchParameter", parameter)).status == 403
    for sight in (system(), admin()):
        assert (await writers.ask(sight, "POST", "SearchParameter", parameter)).status == 201
