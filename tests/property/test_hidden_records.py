"""Two servers that differ only in what a caller may not see tell that caller the same, whatever is sent to be written.

https://hl7.org/fhir/R4/security.html#authorization
"""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from fhir_server.interactions.context import Conditions
from fhir_server.policy import Sight
from tests.rest.in_process import opened
from tests.rest.writers import (
    Told,
    Writers,
    entry,
    goal,
    patch_in_binary,
    patches,
    patient_of,
    person,
    practitioner,
    system,
)

REQUESTS = 120
IDS = ("hidden", "hidden", "gone", "own", "free")
SUBJECTS = ("anna", "anna", "anna", "anna", "anna", "ben", "carl")
CRITERIA = (
    "identifier=urn:x|1",
    "identifier=urn:x|2",
    "identifier=1",
    "identifier:not=urn:x|1",
    "_id=hidden",
    "_id=own",
    "subject=Patient/ben",
    "subject=Patient/anna",
    "subject:missing=true",
    "lifecycle-status=active",
    "lifecycle-status:not=completed",
    "start-date=lt2030",
    "_lastUpdated=gt2000",
    "_filter=identifier eq urn:x|1",
    "patient:Patient=ben&identifier=urn:x|1",
)
SIGHTS = {
    "patient": patient_of("anna"),
    "launched practitioner": practitioner("anna", "ben", granted="patient/*.cruds", patient="anna"),
    "practitioner": practitioner("anna"),
    "system for one patient": system(patient="anna"),
}


@pytest.fixture
def two_databases(mongodb: MongoClient[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    names = (f"test_{uuid4().hex[:16]}", f"test_{uuid4().hex[:16]}")
    yield names
    for name in names:
        mongodb.drop_database(name)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("who", SIGHTS)
async def test_no_write_tells_of_a_hidden_record(
    mongodb_uri: str, two_databases: tuple[str, str], who: str, seed: int
) -> None:
    async with opened(mongodb_uri, two_databases[0]) as full, opened(mongodb_uri, two_databases[1]) as empty:
        worlds = Writers(full), Writers(empty)
        for world in worlds:
            await world.stored(person("anna"), goal("anna", "own", identifier=[{"system": "urn:x", "value": "2"}]))
        await _fill(worlds[0])
        before = await _hidden(worlds[0])
        dice = random.Random(f"{who} {seed}")
        answered: dict[int, int] = {}
        for _ in range(REQUESTS):
            request = _request(dice, may_know=who == "practitioner")
            told = [_leveled(await _asked(world, SIGHTS[who], request)) for world in worlds]
            assert told[0] == told[1], request
            answered[told[0].status] = answered.get(told[0].status, 0) + 1
        assert await _hidden(worlds[0]) == before
        # The dice are not loaded: some was written, some refused.
        assert {200, 403, 404} <= answered.keys(), answered


async def _fill(world: Writers) -> None:
    await world.stored(
        person("ben", identifier=[{"system": "urn:x", "value": "1"}]),
        goal("ben", "hidden", identifier=[{"system": "urn:x", "value": "1"}], startDate="2020-01-01"),
        goal("ben", "hidden-too", lifecycleStatus="completed"),
        goal("ben", "gone", identifier=[{"system": "urn:x", "value": "1"}]),
    )
    assert (await world.ask(system(), "DELETE", "Goal/gone")).status == 204


async def _hidden(world: Writers) -> list[dict[str, Any]]:
    rows = [row for type in ("Goal", "Patient") for row in await world.rows(type)]
    return [row for row in rows if row["owners"] == ["ben"]]


Request = tuple[str, str, Any, Conditions] | tuple[str, list[dict[str, Any]]]


def _request(dice: random.Random, may_know: bool) -> Request:
    if dice.random() < 0.35:
        entries = [_entry(dice, may_know) for _ in range(dice.randint(1, 3))]
        return dice.choice(("batch", "transaction")), entries
    method, url, content = _single(dice, may_know)
    if_none_exist = _criteria(dice, may_know) if method == "POST" and dice.random() < 0.7 else None
    conditions = Conditions(
        if_match=dice.choice((None, None, 'W/"1"', 'W/"2"', "*")) if method != "POST" else None,
        if_none_match=dice.choice((None, None, "*")) if method in ("PUT", "PATCH") else None,
        if_none_exist=if_none_exist,
    )
    return method, url, content, conditions


def _single(dice: random.Random, may_know: bool) -> tuple[str, str, Any]:
    method = dice.choice(("POST", "PUT", "PUT", "PATCH", "DELETE"))
    if method == "POST":
        return method, "Goal", _content(dice, None)
    id = dice.choice(IDS)
    by_id = dice.random() < 0.6
    url = f"Goal/{id}" if by_id else f"Goal?{_criteria(dice, may_know)}"
    if method == "PUT":
        return method, url, _content(dice, id if by_id else dice.choice((None, id)))
    if method == "PATCH":
        path = dice.choice(("description/text", "subject/reference"))
        value = f"Patient/{dice.choice(SUBJECTS)}" if path.startswith("subject") else "mine"
        return method, url, dice.choice(patches(path, value))
    return method, url, None


def _criteria(dice: random.Random, may_know: bool) -> str:
    # Decision 15: an identifier alone is answered by a 412 to who registers people.
    known = [each for each in CRITERIA if not (may_know and each.startswith("identifier="))]
    return dice.choice(known)


def _content(dice: random.Random, id: str | None) -> dict[str, Any]:
    number = [{"system": "urn:x", "value": dice.choice("123")}]
    made = goal(dice.choice(SUBJECTS), id, identifier=number)
    if dice.random() < 0.2:
        made["addresses"] = [{"reference": dice.choice(("Condition/c", "Condition?identifier=urn:x|1"))}]
    return made


def _entry(dice: random.Random, may_know: bool) -> dict[str, Any]:
    method, url, content = _single(dice, may_know)
    if method == "PATCH":
        content = patch_in_binary(*content)
    more = {"ifNoneExist": _criteria(dice, may_know)} if method == "POST" and dice.random() < 0.5 else {}
    return entry(method, url, content, **more)


async def _asked(world: Writers, sight: Sight, request: Request) -> Told:
    if len(request) == 2:
        return await world.bundle(sight, *request)
    method, url, content, conditions = request
    return await world.ask(sight, method, url, content, conditions)


_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT[0-9:.]+Z")


def _leveled(told: Told) -> Told:
    """What was told, without the ids that were made and the instants."""
    return replace(told, body=_plain(told.body), location=_plain(told.location), text=_plain(told.text))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _INSTANT.sub("now", _MADE.sub("made", value))
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
