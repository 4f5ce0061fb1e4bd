"""patch and conditional patch: the stored resource with the changes that were sent, written as an update is.

https://hl7.org/fhir/R4/http.html#patch
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import ANY_VERSION, Matched, Put, WritePlan
from fhir_server.formats.patched import Change
from fhir_server.interactions import admission
from fhir_server.interactions.commit import commit
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, Condition, claims, one_match, still_changing
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.interactions.narrow import within
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.interactions.patch_narrative import without_stale_narrative
from fhir_server.interactions.read import gone, not_found
from fhir_server.interactions.withheld import refuse_guesses, restored, shown_resource
from fhir_server.interactions.written import answer_written, may_read
from fhir_server.store import resources
from fhir_server.store.resources import Within
from fhir_server.store.rows import Row

RETRY_SECONDS = 10.0
"""How long a patch that names no version is applied anew, each time to what another writer has left."""

_KEPT_META = ("versionId", "lastUpdated")


async def patch(
    context: RequestContext, type: str, id: str, change: Change, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """200 with the next version. Without If-Match it is made of whatever version is current when it is written.

    Raises FhirError 403 for a caller who may not, 404 and 410 as a read does, 412 where If-Match names another version,
    422 where the patch does not fit the resource, 400 or 422 where what results may not be stored, 409 where others
    kept winning.
    """
    return await _patch(context, type, id, change, conditions)


async def conditional_patch(
    context: RequestContext, type: str, criteria: str, change: Change, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """A patch of the one resource that matches. Raises FhirError 404 where none does, 412 where several do."""
    admission.permit(context, type, "PATCH")
    condition = Condition.parse(context, type, criteria, "The URL")
    for _ in range(MATCH_ATTEMPTS):
        match = await one_match(context, condition)
        if match is None:
            raise no_match(type)
        try:
            return await _patch(context, type, match.id, change, conditions, condition)
        except Matched:
            continue
    raise still_changing(condition)


def no_match(type: str) -> FhirError:
    """The 404 of a conditional patch: unlike an update it cannot create."""
    return outcome.NOT_FOUND(f"No {type} matches the condition, and a patch needs one to change.")


async def _patch(
    context: RequestContext,
    type: str,
    id: str,
    change: Change,
    conditions: Conditions,
    condition: Condition | None = None,
) -> Answer:
    reach = patched_reach(context, type)
    wanted = admission.matched_version(conditions.if_match)
    if_absent = admission.must_be_absent(conditions.if_none_match)
    async with in_turn(context, [f"{type}/{id}"]) as deadline:
        while True:
            row = await resources.read(context.server.database, type, id, reach)
            if condition is not None and (row is None or row.body is None):
                if row is None and await _is_seen(context, type, id):
                    raise not_found(type, id)
                # It matched a moment ago; what matches now is to be found anew.
                raise Matched(type, ())
            source = patchable(type, id, row, wanted)
            document = await computed(as_large(context), _document, context, source, change, if_absent)
            try:
                (written,) = await commit(context, _plan(document, condition))
            except FhirError as error:
                if not was_overtaken(error, wanted):
                    raise
                if time.monotonic() > deadline:
                    raise outcome.WRITE_CONFLICT("Other writes to the same resource kept winning. Try again.") from None
                continue
            return answer_written(context, written, may_read(context, document, written))


async def _is_seen(context: RequestContext, type: str, id: str) -> bool:
    """Whether there is a row that the caller may see; where it is not to be changed either, it never will match."""
    return await resources.read(context.server.database, type, id, within(context, type, "rs")) is not None


def patched_reach(context: RequestContext, type: str) -> Within:
    """The rows of a type that the caller may change. Raises FhirError 403 where none of them may be."""
    admission.permit(context, type, "PATCH")
    return within(context, type, "u")


def _plan(document: Put, condition: Condition | None) -> WritePlan:
    """A patch for as long as its version is current, and where there is a condition, for as long as that holds."""
    if condition is None:
        return WritePlan((document,))
    return WritePlan((document,), claims(condition, document), presences=(condition.presence(document.id),))


@dataclass(frozen=True, slots=True)
class Source:
    """The version of a resource that a patch is applied to."""

    type: str
    id: str
    version: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Patched:
    """What a version was and what it is to become, which is valid."""

    source: Source
    before: Resource
    resource: Resource


def patchable(type: str, id: str, row: Row | None, wanted: int | None) -> Source:
    """The row as what a patch begins with. Raises FhirError 404, 410, and 412 where it is not the version `wanted`."""
    if row is None:
        raise not_found(type, id)
    if row.body is None:
        raise gone(type, id)
    if wanted not in (None, ANY_VERSION, row.version):
        text = f"{type}/{id} is at version {row.version}, not the one If-Match names. Read it again."
        raise outcome.VERSION_CONFLICT(text)
    return Source(type, id, row.version, row.body)


def changed(context: RequestContext, source: Source, change: Change) -> Patched:
    """The resource after the patch, admitted as one that was sent.

    Raises FhirError 422 where the patch does not fit, changes what the server keeps, or leaves a stale narrative.
    """
    # A patch cannot test, copy or move what its sender may not see.
    before = shown_resource(context, decode(source.body))
    # A change uses up what it is given.
    after = change(shown_resource(context, decode(source.body)))
    _refuse_kept(source, before, after)
    refuse_guesses(context, after)
    resource = restored(without_stale_narrative(before, after), source.body)
    return Patched(source, before, admission.admitted(context, resource, source.type))


def put(context: RequestContext, patched: Patched, if_absent: bool = False) -> Put:
    """The document of a WritePlan, for as long as the version that was patched is current."""
    source = patched.source
    return admission.put(context, patched.resource, source.id, "PATCH", if_version=source.version, if_absent=if_absent)


def _document(context: RequestContext, source: Source, change: Change, if_absent: bool) -> Put:
    return put(context, changed(context, source, change), if_absent)


def _refuse_kept(source: Source, before: Resource, after: object) -> None:
    """Type and id must stay; version and instant may be taken away or repeated, as they are stamped anew."""
    if not isinstance(after, dict):
        raise outcome.NOT_PATCHABLE("The patch leaves no resource. Send a DELETE to remove it.", source.type)
    for name in ("resourceType", "id"):
        if after.get(name) != before[name]:
            raise outcome.NOT_PATCHABLE(f"A patch cannot change '{name}'.", f"{source.type}.{name}")
    meta = after.get("meta")
    for name in _KEPT_META:
        if isinstance(meta, dict) and name in meta and meta[name] != before["meta"][name]:
            raise outcome.NOT_PATCHABLE(
                f"A patch cannot set meta.{name}: the server does, with each version. Leave it out.",
                f"{source.type}.meta.{name}",
            )


def was_overtaken(error: FhirError, wanted: int | None) -> bool:
    """Whether another writer came in between, and the caller did not say that this is to fail."""
    return wanted in (None, ANY_VERSION) and error.issues[0].number == outcome.VERSION_CONFLICT.number


@asynccontextmanager
async def in_turn(context: RequestContext, places: Iterable[str]) -> AsyncIterator[float]:
    """One after the other: the patches of a worker that name a resource (`Patient/p1`); gives when to give up.

    Of 50 that read the same version 49 would be written in vain, and then 48. Raises FhirError 409 where the turn does
    not come in RETRY_SECONDS.
    """
    turns = context.server.database.turns
    deadline = time.monotonic() + RETRY_SECONDS
    async with AsyncExitStack() as held:
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                # Sorted, so that two Bundles never wait for one another; a name that no write waits for.
                for place in sorted(set(places)):
                    await held.enter_async_context(turns.setdefault(f"patch {place}", asyncio.Lock()))
        except TimeoutError:
            raise outcome.WRITE_CONFLICT("Other patches of the same resource kept coming first. Try again.") from None
        yield deadline
