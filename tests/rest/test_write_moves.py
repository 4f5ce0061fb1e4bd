"""Whose record something is in: a proxy writes in several, and still moves nothing from one to the other.

https://hl7.org/fhir/R4/security.html#authorization
"""

import pytest

from fhir_server.policy_writes import PATIENT_ASSERTED
from tests.rest.writers import Writers, goal, patches, patient_of, practitioner

PROXY = patient_of("anna", "ben", granted="user/*.cruds")
OWN = {"security": [PATIENT_ASSERTED]}


async def test_a_proxy_moves_nothing_from_one_record_to_another(writers: Writers) -> None:
    await writers.stored(goal("ben", "g1", meta=OWN))
    attempts = [await writers.ask(PROXY, "PUT", "Goal/g1", goal("anna", "g1", meta=OWN))]
    attempts += [
        await writers.ask(PROXY, "PATCH", "Goal/g1", change) for change in patches("subject/reference", "Patient/anna")
    ]
    assert {told.status for told in attempts} == {403}, attempts
    assert {told.element for told in attempts} == {"Goal.subject"}
    assert (await writers.now("Goal/g1"))["subject"] == {"reference": "Patient/ben"}


async def test_a_proxy_changes_what_is_in_either_record(writers: Writers) -> None:
    for id in ("anna", "ben"):
        await writers.stored(goal(id, f"of-{id}", meta=OWN))
        changed = goal(id, f"of-{id}", meta=OWN, lifecycleStatus="completed")
        assert (await writers.ask(PROXY, "PUT", f"Goal/of-{id}", changed)).status == 200


@pytest.mark.parametrize("id", ["anna", "ben"])
async def test_who_treats_both_puts_right_what_was_filed_in_the_wrong_record(writers: Writers, id: str) -> None:
    await writers.stored(goal("anna", "g1"))
    assert (await writers.ask(practitioner("anna", "ben"), "PUT", "Goal/g1", goal(id, "g1"))).status == 200
