"""What `fhir-server check` looks at, and what keeps a server from starting: each a fact with its remedy."""

import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

from fhir_server.app import open_database, unsigned
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.master_key import vault_master
from fhir_server.portal import portal_refusal
from fhir_server.settings import Settings, auth_refusal
from fhir_server.store import check as store_check
from fhir_server.store import mongo, parameter_sets, reindex
from fhir_server.store.vault import CannotUnlock, vault_of

T = TypeVar("T")

OPEN_FILES_NEEDED = 1024
"""Sockets of one worker and its part of the connection pool, with room to spare."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table: what was looked at, what was found, and whether it is as it must be."""

    what: str
    found: str
    fine: bool


async def unusable(settings: Settings, uri: str) -> str | None:
    """Why a server cannot run on this MongoDB, with the remedy in one sentence; None where it can."""
    refusal = _refusal_of_sign_in(settings)
    if refusal is not None:
        return refusal
    try:
        vault_master(settings)
    except ValueError as error:
        return str(error)
    try:
        problem = await _with_database(settings, uri, _first_problem) or await _unsigned(settings, uri)
        return problem or await _with_database(settings, uri, _locked)
    except FhirError as error:
        return f"{_unanswered(error)}."
    except ValueError as error:
        return f"FHIR_MONGODB_URI is wrong: {error}."


async def outdated(settings: Settings, uri: str) -> str | None:
    """What a server says at its start where all search values are to be made anew; None where they are not."""
    if not await _with_database(settings, uri, parameter_sets.is_outdated):
        return None
    return (
        "This version of the server makes search values in another way than the one before: all resources are indexed "
        "again beside the requests. Reads and writes go on, searches are a 503 until then. `fhir-server reindex` shows "
        "how far it is."
    )


async def findings(settings: Settings, uri: str) -> list[Finding]:
    """Settings, open files, definitions, MongoDB, replica set, indexes, in this order."""
    found = [_settings(settings), _open_files(), _definitions()]
    try:
        vault_master(settings)
    except ValueError as error:
        return [*found, Finding("master key", str(error), fine=False)]
    try:
        found += await _with_database(settings, uri, _database)
    except FhirError as error:
        found.append(Finding("MongoDB", _unanswered(error).removeprefix("MongoDB "), fine=False))
    except ValueError as error:
        found.append(Finding("MongoDB", f"FHIR_MONGODB_URI is wrong: {error}", fine=False))
    return found


def _unanswered(error: FhirError) -> str:
    """What came instead of an answer, with the remedy."""
    if mongo.is_too_old(error.__cause__):
        return f"MongoDB is too old to be spoken to: upgrade it to {store_check.OLDEST_MONGODB}.0 or newer"
    if error.status == 503:
        return "MongoDB does not answer: start it, or correct FHIR_MONGODB_URI"
    return "MongoDB refuses the server: correct user, password and authSource in FHIR_MONGODB_URI"


async def _with_database(settings: Settings, uri: str, look: Callable[[mongo.Database], Awaitable[T]]) -> T:
    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        return await look(database)
    finally:
        await mongo.close(database)


async def _unsigned(settings: Settings, uri: str) -> str | None:
    if settings.auth == "off":
        return None
    return await _with_database(settings, uri, partial(unsigned, settings))


def _refusal_of_sign_in(settings: Settings) -> str | None:
    return None if settings.auth == "off" else portal_refusal(settings)


async def _locked(database: mongo.Database) -> str | None:
    """Why what is encrypted cannot be opened; None where it can."""
    try:
        await vault_of(database).begin(database)
    except CannotUnlock as error:
        return str(error)
    return None


async def _first_problem(database: mongo.Database) -> str | None:
    problems = store_check.unmet(await store_check.deployment(database))
    if problems:
        return problems[0]
    agreed = await parameter_sets.existing(database)
    try:
        parameter_sets.refuse_newer(agreed)
    except FhirError as error:
        return error.issues[0].text
    return None


async def _database(database: mongo.Database) -> list[Finding]:
    facts = await store_check.facts(database)
    deployment = facts.deployment
    found = [
        Finding("MongoDB", deployment.version, fine=True),
        Finding("replica set", deployment.replica_set or "none", fine=deployment.replica_set is not None),
        Finding("indexes", ", ".join(facts.missing_indexes) or "all there", fine=not facts.missing_indexes),
    ]
    found.append(await _parameters(database))
    locked = await _locked(database)
    found.append(Finding("encryption", locked or "its keys can be opened", fine=locked is None))
    return found + [Finding("to do", problem, fine=False) for problem in facts.problems]


async def _parameters(database: mongo.Database) -> Finding:
    agreed = await parameter_sets.existing(database)
    custom = ", ".join(f"{each.code} on {'/'.join(each.types)}" for each in agreed.target) or "none of your own"
    state = agreed.state if agreed.state == "live" else f"{agreed.state}: {await _reached(database, agreed.step)}"
    return Finding("search parameters", f"set {agreed.version}, {state}; {custom}", fine=True)


async def _reached(database: mongo.Database, step: int) -> str:
    return (await reindex.progress(database, step)).in_words()


def _settings(settings: Settings) -> Finding:
    refusal = auth_refusal(settings) or _refusal_of_sign_in(settings)
    return Finding("settings", refusal or "readable", fine=refusal is None)


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fine = soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_NEEDED
    remedy = "" if fine else f"; at least {OPEN_FILES_NEEDED} are needed: ulimit -n {OPEN_FILES_NEEDED}"
    return Finding("open files", f"{soft}{remedy}", fine)


def _definitions() -> Finding:
    types = resource_types()
    codes = sum(len(search_parameters(type)) for type in types)
    return Finding(
        "definitions", f"R4 4.0.1, {len(types)} resource types, {codes:,} search parameters on them", len(types) == 146
    )
