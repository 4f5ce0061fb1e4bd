"""Short ways to say what a store test writes."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Absence, Claim, Delete, Document, Expect, IndexValues, Put, WritePlan, Written
from fhir_server.search.index import index_values
from fhir_server.store import transactions
from fhir_server.store.mongo import Database

T = TypeVar("T")


def put(
    id: str,
    *,
    type: str = "Patient",
    content: Resource | None = None,
    tokens: tuple[str, ...] = (),
    owners: tuple[str, ...] = (),
    sort_keys: dict[str, Any] | None = None,
    if_version: int | None = None,
    unless_equal: bool = False,
) -> Put:
    """An update of `type`/`id` with this content, found by these tokens, owned by these patients."""
    owned = tuple(f"{owner}|{token}" for owner in owners for token in ("", *tokens))
    labels = ("secret|labels",)
    index = IndexValues(owners, "agency", labels, owned_tokens=owned, tokens=tokens, sort_keys=sort_keys or {})
    resource = {"resourceType": type, **(content or {"active": True})}
    return Put(type, id, resource, index, "PUT", if_version=if_version, unless_equal=unless_equal)


def indexed(resource: Resource) -> Put:
    """An update of the resource under its own id, found by what it says."""
    type, id = resource["resourceType"], resource["id"]
    return Put(type, id, resource, index_values(resource, id, (), None), "PUT")


def create(id: str, *, type: str = "Patient", tokens: tuple[str, ...] = ()) -> Put:
    """A create under a fresh id."""
    resource = {"resourceType": type, "active": True}
    return Put(type, id, resource, IndexValues(tokens=tokens), "POST", expect=Expect.NOTHING)


async def write(
    database: Database, *documents: Document, claims: Sequence[str] = (), absences: Sequence[Absence] = ()
) -> tuple[Written, ...]:
    """Run one plan."""
    plan = WritePlan(documents, tuple(Claim(key) for key in claims), tuple(absences))
    return await transactions.run(database, plan)


async def refused(writing: Coroutine[Any, Any, Any]) -> FhirError:
    """The refusal this ends in."""
    try:
        await writing
    except FhirError as error:
        return error
    raise AssertionError("it was not refused")


async def warm(databases: Sequence[Database], connections: int) -> None:
    """Open this many connections of each pool: on a cold one writers queue up and do not race."""
    for database in databases:
        await asyncio.gather(*(database.handle.command("ping") for _ in range(connections)))


__all__ = ["Delete", "create", "indexed", "put", "refused", "warm", "write"]
