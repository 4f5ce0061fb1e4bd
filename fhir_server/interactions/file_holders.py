"""Who reads a file: whoever may read one of its holders (a note, a message), with a scope on that one's type too.

One that nothing ever held is read by whoever may read the Binary.

https://hl7.org/fhir/R4/binary.html#security-considerations
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.definitions.attached import FILE, HOLDERS
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import forbidden, row_filter, visible
from fhir_server.policy_writes import is_bound_to_patients
from fhir_server.search.index import index_values
from fhir_server.search.predicate import all_of
from fhir_server.store import holders, resources

TYPES = frozenset(HOLDERS) - {"Communication"}
"""Of messages `message_files` asks the same, and names the attachment."""


async def refuse_unread(context: RequestContext, id: str, owners: tuple[str, ...]) -> None:
    """Raise FhirError 403 where no scope covers the types that hold a file, 404 where they are out of sight.

    What holds it counts where it is of the same record (`owners` of the Binary): nobody hides another's file. Where
    nothing does, what held it once: with a draft that was deleted its file does not become everybody's.
    """
    if context.sight.access is None:
        return
    of_record = {"owners": {"$in": list(owners)}} if owners else {}
    for holding in (holders.holds, holders.held):
        found = await holders.of_file(context.server.database, f"{FILE}/{id}", HOLDERS, holding, of_record)
        if found:
            return await _refuse_unseen(context, id, found, holding, of_record)
    return None


async def _refuse_unseen(
    context: RequestContext, id: str, types: tuple[str, ...], holding: holders.Holding, of_record: Mapping[str, Any]
) -> None:
    covered = False
    for type in types:
        seen = visible(context.sight, type, "r")
        if seen is None:
            continue
        covered = True
        within = all_of([dict(of_record), row_filter(seen)])
        if await holding(context.server.database, type, f"{FILE}/{id}", within):
            return
    if not covered:
        raise forbidden(types[0], "r")
    raise outcome.NOT_FOUND(f"There is no {FILE} with id '{id[:64]}'.")


async def ruled(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan, by which nobody comes to read a file: who names one that is held out of their sight, as by a draft of
    the care staff or a result that is not final, would hold it too. Raises FhirError 403.
    """
    types = {each.type for each in plan.documents if isinstance(each, Put) and each.index.held} & TYPES
    if not types or not is_bound_to_patients(context.sight):
        return plan
    plan, changed = await facts.changes(context, plan, types)
    for change in changed:
        put = change.document
        if isinstance(put, Put):
            for place in set(put.index.held).difference(_held(context, put.id, change.former)):
                await _refuse_named(context, put, place.removeprefix(f"{FILE}/"))
    return plan


def _held(context: RequestContext, id: str, former: Resource | None) -> tuple[str, ...]:
    return () if former is None else index_values(former, id, context.own_bases, context.server.custodian).held


async def _refuse_named(context: RequestContext, put: Put, id: str) -> None:
    owners = (await resources.owners_of(context.server.database, FILE, [id])).get(id, ())
    if set(owners).isdisjoint(put.index.owners):
        return
    try:
        await refuse_unread(context, id, owners)
    except FhirError as error:
        if error.status == 503:
            raise
        text = f"It names {FILE}/{id[:64]}, and you read no such file. Attach one that you read."
        raise outcome.FORBIDDEN_CONTENT(text, put.type).at(f"{put.type}/{put.id}") from None
