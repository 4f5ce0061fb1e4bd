"""What the rules of care look at: resources as a plan will leave them, or as they are stored, whoever may see them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fhir_server.core.codec import decode
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import ANY_VERSION, Document, Expect, Method, Put, WritePlan
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.context import RequestContext
from fhir_server.search.index import index_values
from fhir_server.search.parameter_types.reference import located
from fhir_server.store import resources


class Stored(NamedTuple):
    """A resource as it is stored, and its version; None and the tombstone's version (or 0) where there is none."""

    resource: Resource | None
    version: int


async def stored(context: RequestContext, type: str, id: str) -> Stored:
    """What is stored at a place, whoever may see it."""
    return (await stored_many(context, type, [id]))[id]


async def stored_many(context: RequestContext, type: str, ids: Iterable[str]) -> dict[str, Stored]:
    """The same for several ids."""
    wanted = list(dict.fromkeys(ids))
    rows = await resources.read_many(context.server.database, type, wanted)
    found = {}
    for id in wanted:
        row = rows.get(id)
        live = row is not None and row.body is not None and not row.deleted
        found[id] = Stored(decode(row.body) if live and row and row.body else None, row.version if row else 0)
    return found


def place_of(context: RequestContext, reference: Any) -> str | None:
    """`Type/id` of what a Reference names on this server; None for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = located(text, context.own_bases) if isinstance(text, str) else None
    return found if found is not None and found.count("/") == 1 else None


async def at(context: RequestContext, place: str) -> Resource | None:
    """What is stored at `Type/id`, whoever may see it; None where that is no type, or nothing is there."""
    type, _, id = place.partition("/")
    return (await stored(context, type, id)).resource if is_resource_type(type) else None


@dataclass(frozen=True, slots=True)
class Change:
    """One document of a plan beside what it displaces."""

    document: Document
    former: Resource | None

    @property
    def resource(self) -> Resource | None:
        """What it will be; None where it is deleted."""
        return self.document.resource if isinstance(self.document, Put) else None


async def changes(context: RequestContext, plan: WritePlan, types: Iterable[str]) -> tuple[WritePlan, list[Change]]:
    """The documents of these types with what they displace, and the plan bound to what was looked at.

    Those are left out that the store will refuse whatever they hold: as if nothing were there, because their row is out
    of the writer's reach, of which a rule must not tell; or because a precondition does not hold.
    """
    wanted = frozenset(types)
    by_type: dict[str, list[Document]] = {}
    for document in plan.documents:
        if document.type in wanted and not _is_fresh(document):
            by_type.setdefault(document.type, []).append(document)
    former: dict[tuple[str, str], Stored] = {}
    for type, some in by_type.items():
        found_there = await stored_many(context, type, [document.id for document in some])
        former |= {(type, id): each for id, each in found_there.items()}
    refused = {(each.type, each.id) for some in by_type.values() for each in await _refused(context, some, former)}
    documents: list[Document] = []
    found: list[Change] = []
    for document in plan.documents:
        bound: Document = document
        if document.type in wanted:
            place = (document.type, document.id)
            before = former.get(place, Stored(None, 0))
            if not _is_fresh(document):
                # One that is left out too: where it comes within reach meanwhile, no rule has looked at it.
                bound = replace(document, seen=before.version)
            if place not in refused and not _fails(document, before):
                found.append(Change(bound, before.resource))
        documents.append(bound)
    return replace(plan, documents=tuple(documents)), found


def _fails(document: Document, before: Stored) -> bool:
    """Whether a precondition (If-Match, If-None-Match) does not hold of the version that was looked at."""
    if isinstance(document, Put) and document.if_absent and before.resource is not None:
        return True
    return document.if_version not in (None, ANY_VERSION, before.version)


async def _refused(
    context: RequestContext, documents: list[Document], former: dict[tuple[str, str], Stored]
) -> list[Document]:
    """Those of documents of one type that the store answers with a 404."""
    found = []
    for document in documents:
        if document.within is None:
            continue
        database, type = context.server.database, document.type
        if await resources.owners_of(database, type, [document.id], document.within):
            continue
        is_free = former[type, document.id].version == 0
        if not (is_free and isinstance(document, Put) and document.creates):
            found.append(document)
    return found


def _is_fresh(document: Document) -> bool:
    return isinstance(document, Put) and document.expect is Expect.NOTHING


def added(context: RequestContext, resource: Resource, id: str, method: Method, seen: int | None = None) -> Put:
    """A document that is written because of another one, whatever its caller may write: over the version `seen`, or as
    a create where that is None.
    """
    server = context.server
    index = index_values(resource, id, context.own_bases, server.custodian, server.parameters.indexed)
    expect = Expect.NOTHING if seen is None else Expect.ANYTHING
    return Put(resource["resourceType"], id, resource, index, method, expect, seen=seen)


def with_added(plan: WritePlan, documents: Iterable[Document]) -> WritePlan:
    """The plan with more documents that were not asked for."""
    more = tuple(documents)
    return replace(plan, documents=plan.documents + more, added=plan.added + len(more))


def with_resource(context: RequestContext, plan: WritePlan, document: Put, resource: Resource) -> WritePlan:
    """The plan in which a document stores another content, indexed anew."""
    server = context.server
    index = index_values(resource, document.id, context.own_bases, server.custodian, server.parameters.indexed)
    changed = replace(document, resource=resource, index=index)
    return replace(plan, documents=tuple(changed if each is document else each for each in plan.documents))
