"""A number that is withheld cannot be guessed either: nothing that is written tells by its answer that it was right.

https://hl7.org/fhir/R4/security.html#output; decision 16 (docs/adr/0016-withheld-identifiers.md).
"""

from typing import Any

import pytest

from fhir_server.definitions.withheld import SSN
from tests.rest.writers import Told, Writers, patient_of, person, practitioner, system

RIGHT, WRONG = "999-12-3456", "999-12-3457"
ANNA, DOCTOR = patient_of("anna"), practitioner("anna")


def narrative(text: str) -> dict[str, Any]:
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


async def _put(writers: Writers) -> None:
    await writers.stored(person("anna", identifier=[{"system": SSN, "value": RIGHT}]))


def _without_numbers(told: Told) -> tuple[int, tuple[int, ...], str]:
    return told.status, told.numbers, told.text.replace(RIGHT, "…").replace(WRONG, "…")


@pytest.mark.parametrize("method", ["PUT", "JSON patch", "merge patch", "transaction"])
async def test_whether_a_guess_leaves_the_identifier_as_it_was_is_not_told_to_a_patient(
    writers: Writers, method: str
) -> None:
    await _put(writers)
    answers = []
    for guess in (RIGHT, WRONG):
        identifier = {"system": SSN, "value": guess}
        content = person("anna", identifier=[identifier])
        match method:
            case "PUT":
                told = await writers.ask(ANNA, "PUT", "Patient/anna", content)
            case "transaction":
                entry = {"request": {"method": "PUT", "url": "Patient/anna"}, "resource": content}
                told = await writers.bundle(ANNA, "transaction", [entry])
            case "JSON patch":
                change: Any = [{"op": "replace", "path": "/identifier/0", "value": identifier}]
                told = await writers.ask(ANNA, "PATCH", "Patient/anna", ("application/json-patch+json", change))
            case _:
                change = {"identifier": [identifier]}
                told = await writers.ask(ANNA, "PATCH", "Patient/anna", ("application/merge-patch+json", change))
        answers.append(_without_numbers(told))
    assert answers[0] == answers[1]


async def test_a_patient_still_sends_back_what_was_shown(writers: Writers) -> None:
    await _put(writers)
    shown = (await writers.ask(ANNA, "GET", "Patient/anna")).body
    told = await writers.ask(ANNA, "PUT", "Patient/anna", shown | {"language": "en"})
    assert told.status == 200, told
    assert (await writers.now("Patient/anna"))["identifier"][0]["value"] == RIGHT


@pytest.mark.parametrize("sight", [ANNA, DOCTOR], ids=["patient", "practitioner"])
async def test_a_narrative_full_of_guesses_comes_back_without_telling_the_right_one(
    writers: Writers, sight: Any
) -> None:
    await _put(writers)
    masked = (await writers.ask(sight, "GET", "Patient/anna")).body["identifier"]
    guesses = narrative(f"{WRONG} {RIGHT}")
    answer = await writers.ask(sight, "PUT", "Patient/anna", person("anna", identifier=masked, text=guesses))
    read = await writers.ask(sight, "GET", "Patient/anna")
    for told in (answer, read):
        assert told.status == 200, told
        assert (WRONG in told.body["text"]["div"]) == (RIGHT in told.body["text"]["div"])


async def test_nor_do_the_words_by_which_it_is_found(writers: Writers) -> None:
    await _put(writers)
    masked = (await writers.ask(DOCTOR, "GET", "Patient/anna")).body["identifier"]
    guesses = narrative(f"{WRONG.replace('-', '')} {RIGHT.replace('-', '')}")
    told = await writers.ask(DOCTOR, "PUT", "Patient/anna", person("anna", identifier=masked, text=guesses))
    assert told.status == 200, told
    found = [
        (await writers.ask(DOCTOR, "GET", f"Patient?_text={guess.replace('-', '')}")).body["total"]
        for guess in (RIGHT, WRONG)
    ]
    assert found[0] == found[1]


async def test_an_update_that_is_to_tell_whether_it_changes_anything_does_not_tell_of_a_guess(
    writers: Writers,
) -> None:
    versions = []
    for guess in (RIGHT, WRONG):
        await _put(writers)
        before = (await writers.ask(DOCTOR, "GET", "Patient/anna")).version
        content = person("anna", identifier=[{"system": SSN, "value": guess}])
        told = await writers.ask(DOCTOR, "PUT", "Patient/anna", content, only_changes=True)
        assert told.status == 200, told
        assert told.version is not None and before is not None
        versions.append(told.version - before)
    assert versions[0] == versions[1]


async def test_nor_does_a_value_set_of_guesses(writers: Writers) -> None:
    await _put(writers)
    client = system()
    for id, guess in (("right", RIGHT), ("wrong", WRONG)):
        concepts = [{"code": guess.replace("-", "")}]
        include = {"system": SSN, "concept": concepts}
        guesses = {"resourceType": "ValueSet", "id": id, "url": f"urn:{id}", "status": "active"}
        told = await writers.ask(client, "PUT", f"ValueSet/{id}", guesses | {"compose": {"include": [include]}})
        assert told.status == 201, told
    answers = [
        await writers.ask(client, "GET", f"Patient?identifier:{modifier}=ValueSet/{id}")
        for modifier in ("in", "not-in")
        for id in ("right", "wrong")
    ]
    assert {each.status for each in answers} <= {400, 403}, answers
