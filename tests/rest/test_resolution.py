"""What conditions that ask other resources may come to together: https://hl7.org/fhir/R4/search.html#chaining"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from fhir_server.core.outcome import FhirError
from fhir_server.interactions import resolution, search, terminology, update
from fhir_server.interactions.context import RequestContext, Server
from fhir_server.store import mongo
from fhir_server.store import search as stored
from tests.rest.bundles import places
from tests.rest.conftest import observation, patient
from tests.rest.forms import NAMED, NAMING, forms
from tests.vaults import vault

BASE = "http://localhost:8080/fhir"
SYSTEM = "http://example.org/cs"
CODES = 6


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    """A code system of CODES codes, its value set, a List, and an observation of a patient for each code."""
    database = mongo.connect(mongodb_uri, database_name, vault=vault())
    context = RequestContext(Server(database, b"k" * 32, 3600, BASE, (BASE,), None, False), "test", BASE)
    concept = [{"code": f"c{number}"} for number in range(CODES)]
    system = {"resourceType": "CodeSystem", "id": "cs", "status": "active", "content": "complete", "concept": concept}
    value_set = {"resourceType": "ValueSet", "id": "vs", "status": "active", "url": "http://example.org/vs"}
    compose = {"include": [{"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "c0"}]}]}
    compose["include"] += [{"system": SYSTEM}]
    entries = [{"item": {"reference": f"Observation/o{number}"}} for number in range(CODES)]
    listed = {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": entries}
    for resource in (system | {"url": SYSTEM}, value_set | {"compose": compose}, listed):
        await put(context, resource)
    for number in range(CODES):
        await put(context, patient(id=f"p{number}", gender="female" if number % 2 else "male"))
        code = {"coding": [{"system": SYSTEM, "code": f"c{number}"}]}
        await put(context, observation(f"p{number}", id=f"o{number}", code=code))
    yield context
    await mongo.close(database)


async def put(context: RequestContext, resource: dict[str, Any]) -> None:
    await update.update(context, resource["resourceType"], resource["id"], resource)


async def found(context: RequestContext, type: str, **criteria: str) -> list[str]:
    pairs = [(name.replace("__", ":"), value) for name, value in criteria.items()]
    answer = await search.search(context, type, pairs)
    assert answer.body is not None
    return sorted(places(msgspec.json.decode(answer.body)))


@pytest.mark.parametrize(
    ("each", "type"),
    [
        ("code in http://example.org/vs", "ValueSet"),
        ("code in ValueSet/vs", "CodeSystem"),
        ("code ss http://example.org/cs|c0", "CodeSystem"),
        ("patient.gender eq male", "Patient"),
    ],
)
async def test_what_is_asked_many_times_is_read_once(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, each: str, type: str
) -> None:
    asked: list[str] = []
    find, ids = stored.find, stored.ids

    async def counted(database: Any, query: Any, *more: Any) -> Any:
        asked.append(query.type)
        return await find(database, query, *more)

    async def counted_ids(database: Any, type: str, *more: Any) -> Any:
        asked.append(type)
        return await ids(database, type, *more)

    monkeypatch.setattr(stored, "find", counted)
    monkeypatch.setattr(stored, "ids", counted_ids)
    once = await found(context, "Observation", _filter=each)
    assert once
    reads = sorted(asked)
    assert type in reads
    asked.clear()
    assert await found(context, "Observation", _filter=" or ".join([each] * 40)) == once
    assert sorted(asked) == reads


@pytest.mark.parametrize(
    "criteria",
    [
        {"_filter": "code in ValueSet/vs or not (code in ValueSet/vs) or code in ValueSet/vs"},
        {"_filter": "patient.gender eq male or patient.gender eq female or patient.gender eq male"},
        {"code__in": "ValueSet/vs", "code__not-in": "http://example.org/vs"},
        {"_list": "l", "code__in": "ValueSet/vs", "_filter": "patient.gender eq male or status eq final"},
    ],
)
async def test_conditions_may_stand_for_so_much_together_and_no_more(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, criteria: dict[str, str]
) -> None:
    await found(context, "Observation", **criteria)
    for name, most in (("MAX_RESOLVED", 5), ("MAX_RESOLVED_IN_ALL", 5), ("MAX_CHARACTERS", 100)):
        with monkeypatch.context() as patched:
            patched.setattr(resolution, name, most)
            with pytest.raises(FhirError) as refused:
                await found(context, "Observation", **criteria)
        (issue,) = refused.value.issues
        assert (refused.value.status, issue.code) == (400, "too-costly")


async def test_a_search_decodes_so_much_terminology_and_no_more(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminology, "MAX_READ_BYTES", 500)
    with pytest.raises(FhirError) as refused:
        await found(context, "Observation", code__in="ValueSet/vs")
    assert refused.value.issues[0].code == "too-costly"


@pytest.mark.parametrize("is_joined", [False, True])
async def test_joins_through_canonicals_tell_versions_apart(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, is_joined: bool
) -> None:
    for resource in forms("x"):
        await put(context, resource)
    if is_joined:
        monkeypatch.setattr(resolution, "MAX_VALUES", 0)
        monkeypatch.setattr(resolution, "MAX_NAMED", 0)
    for form, expected in NAMING.items():
        answers = await found(context, "QuestionnaireResponse", **{"questionnaire.name": f"Form{form[1:]}x"})
        assert answers == [f"QuestionnaireResponse/x-{each}" for each in expected.split()]
    for answer, expected in NAMED.items():
        link = "_has:QuestionnaireResponse:questionnaire:_id"
        having = await found(context, "Questionnaire", **{link: f"x-{answer}"})
        assert having == [f"Questionnaire/x-{each}" for each in expected.split()]
