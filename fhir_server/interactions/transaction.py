"""transaction: all entries or none, in one transaction of the database.

https://hl7.org/fhir/R4/http.html#trules
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import (
    Absence,
    Claim,
    Document,
    Expect,
    Matched,
    Presence,
    Put,
    WritePlan,
    Written,
)
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions import admission
from fhir_server.interactions.batch import attempted
from fhir_server.interactions.bundle_entry import Entry, entries, failed_entry, in_entry, response_entry
from fhir_server.interactions.bundle_references import linked, references
from fhir_server.interactions.commit import commit
from fhir_server.interactions.compartment_search import Compartment, checked
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, claims
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.interactions.patch import Patched, put, was_overtaken
from fhir_server.interactions.query import query_pairs
from fhir_server.interactions.search import cursor_of
from fhir_server.interactions.system_search import parse_several
from fhir_server.interactions.transaction_contents import Contents, contents_of
from fhir_server.interactions.transaction_links import links_of
from fhir_server.interactions.transaction_patches import links_in, patched_by, referred_anew, turns_of
from fhir_server.interactions.transaction_targets import Target, deleted_by, targets_of
from fhir_server.interactions.withheld import refuse_asking, with_withheld
from fhir_server.interactions.written import answer_existing, answer_written, may_read
from fhir_server.policy import permitted
from fhir_server.search.parse import parse

_READING = ("GET", "HEAD")


async def transaction(context: RequestContext, bundle: Resource) -> Answer:
    """200 with a transaction-response in the order of the entries; nothing is written unless everything is.

    Raises FhirError whose issues name the failing entry.
    """
    sent = await computed(context, entries, context, bundle)
    writing = [entry for entry in sent if entry.method not in _READING]
    _refuse_bad_reads(context, [entry for entry in sent if entry.method in _READING])
    contents = await computed(context, contents_of, context, writing)
    fresh = {entry.position: new_logical_id() for entry in writing}
    async with turns_of(context, writing) as deadline:
        attempts = MATCH_ATTEMPTS
        while attempts > 0:
            targets = await targets_of(context, writing, contents.resources, fresh)
            plan = await _planned(context, targets, contents)
            try:
                written = await commit(context, plan)
            except Matched:
                attempts -= 1
                continue
            except FhirError as error:
                _refuse_in_place(error, targets, deadline)
                continue
            return await _answer(context, sent, targets, plan, written)
    raise outcome.WRITE_CONFLICT("What the conditions of the Bundle match kept changing. Send it again.")


def _refuse_in_place(error: FhirError, targets: Sequence[Target], deadline: float) -> None:
    """Raise what the store refused, naming the entry; unless it was a patch that is only to be applied anew."""
    refused = next((target for target in targets if target.writes and target.local == error.place), None)
    if refused is None:
        raise error
    entry = refused.entry
    if entry.method == "PATCH" and was_overtaken(error, _asked_version(entry)):
        if time.monotonic() < deadline:
            return
        error = outcome.WRITE_CONFLICT("Other writes to the same resource kept winning. Send the Bundle again.")
    raise in_entry(error, entry.position) from None


def _refuse_bad_reads(context: RequestContext, reading: Sequence[Entry]) -> None:
    """Reads run after the commit; what can be seen to be wrong with one fails the transaction before it."""
    for entry in reading:
        try:
            _refuse_forbidden_read(context, entry)
            match entry.path:
                case ("metadata",) | ("_history",) | (_, _) | (_, _, "_history") | (_, _, "_history", _):
                    pass
                case ():
                    _refuse_bad_search(context, "", None, entry)
                case (type,):
                    _refuse_bad_search(context, type, None, entry)
                case (of, id, type):
                    type = "" if type == "*" else type
                    _refuse_bad_search(context, type, checked(of, id, type), entry)
                case _:
                    raise outcome.BAD_BUNDLE(f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]}.")
        except FhirError as error:
            raise in_entry(error, entry.position) from None


def _refuse_forbidden_read(context: RequestContext, entry: Entry) -> None:
    """Raise FhirError 403 for a read or search of a type that no scope covers."""
    match entry.path:
        case (type, _) | (type, _, "_history") | (type, _, "_history", _) | (type, "_history"):
            permitted(context.sight, type, "r")
        case (type,) if type not in ("metadata", "_history"):
            permitted(context.sight, type, "s")
        case (_, _, type) if type != "*" and is_resource_type(type):
            permitted(context.sight, type, "s")


def _refuse_bad_search(context: RequestContext, type: str, compartment: Compartment | None, entry: Entry) -> None:
    pairs = query_pairs(entry.query)
    if cursor_of(context, pairs) is not None:
        return
    if type:
        request = parse(type, pairs, context.lenient, context.own_bases, context.parameter_set)
    else:
        request = parse_several(context, pairs, context.lenient, compartment)
    refuse_asking(context, request.conditions)


async def _planned(context: RequestContext, targets: Sequence[Target], contents: Contents) -> WritePlan:
    """The plan for what the targets and the resources to be patched are now."""
    patched = await patched_by(context, targets, contents.changes)
    contents = replace(contents, resources=await _with_withheld(context, targets, contents.resources))
    referred = {position: frozenset(references(resource)) for position, resource in contents.resources.items()}
    referred |= {position: referred_anew(each) for position, each in patched.items()}
    links = await links_of(context, targets, referred)
    wide = as_large(context) if patched else context
    return await computed(wide, _plan, context, targets, contents.resources, patched, referred, links)


async def _with_withheld(
    context: RequestContext, targets: Sequence[Target], admitted: Mapping[int, Resource]
) -> Mapping[int, Resource]:
    """The resources of the updates, with the values that their sender was not shown put back."""
    updates = {each.entry.position: each for each in targets if each.entry.method == "PUT" and each.id is not None}
    return {
        position: await with_withheld(context, updates[position].entry.type, updates[position].id or "", resource)
        if position in updates
        else resource
        for position, resource in admitted.items()
    }


def _plan(
    context: RequestContext,
    targets: Sequence[Target],
    admitted: Mapping[int, Resource],
    patched: Mapping[int, Patched],
    referred: Mapping[int, frozenset[str]],
    links: dict[str, str],
) -> WritePlan:
    deleted: dict[str, set[str]] = {}
    for place in deleted_by(targets):
        type, _, id = place.partition("/")
        deleted.setdefault(type, set()).add(id)
    documents: list[Document] = []
    document: Document
    held: list[Claim] = []
    absences: list[Absence] = []
    presences: list[Presence] = []
    for target in targets:
        if not target.writes or target.id is None:
            continue
        position, condition = target.entry.position, target.condition
        # The conditions were matched without what the Bundle deletes; a delete's own condition with it.
        gone = () if target.entry.method == "DELETE" else deleted.get(target.entry.type, ())
        if condition is not None and target.matched:
            presences.append(condition.presence(target.id, gone))
        elif condition is not None:
            absences.append(condition.absence(gone))
        try:
            if position in patched:
                document = _patch(context, target, patched[position], links, referred[position])
            elif position in admitted:
                resource = linked(admitted[position], links, target.entry.full_url, referred[position])
                document = _put(context, target, target.id, resource)
            else:
                document = admission.tombstone(context, target.entry.type, target.id, _asked_version(target.entry))
        except FhirError as error:
            raise in_entry(error, position) from None
        documents.append(document)
        if condition is not None and isinstance(document, Put):
            held += claims(condition, document)
    return WritePlan(tuple(documents), tuple(dict.fromkeys(held)), tuple(absences), tuple(presences))


def _put(context: RequestContext, target: Target, id: str, resource: Resource) -> Put:
    entry = target.entry
    if entry.method == "POST" or (target.condition is not None and not target.matched and "id" not in resource):
        # R4: a conditional update that matches nothing is a create, where the resource brings no id.
        return admission.put(context, resource, id, "POST", Expect.NOTHING, _asked_version(entry))
    if entry.id is not None and resource.get("id") != id:
        raise outcome.ID_MISMATCH(f"The resource must hold the id of the URL, '{id}'.", f"{entry.type}.id")
    if_version = _asked_version(entry)
    if_absent = admission.must_be_absent(entry.conditions.if_none_match)
    return admission.put(context, resource, id, "PUT", if_version=if_version, if_absent=if_absent)


def _patch(
    context: RequestContext, target: Target, patched: Patched, links: dict[str, str], referred: frozenset[str]
) -> Put:
    resource = linked(patched.resource, links_in(patched, links), target.entry.full_url, referred)
    if_absent = admission.must_be_absent(target.entry.conditions.if_none_match)
    return put(context, replace(patched, resource=resource), if_absent)


def _asked_version(entry: Entry) -> int | None:
    return admission.matched_version(entry.conditions.if_match)


async def _answer(
    context: RequestContext,
    sent: Sequence[Entry],
    targets: Sequence[Target],
    plan: WritePlan,
    written: tuple[Written, ...],
) -> Answer:
    by_local = {
        f"{document.type}/{document.id}": (document, result)
        for document, result in zip(plan.documents, written, strict=True)
    }
    by_position = {target.entry.position: target for target in targets}
    parts = []
    for entry in sent:
        target = by_position.get(entry.position)
        if target is None:
            # Everything is committed: a read that finds nothing is told in its place, not as a failure of all.
            parts.append(await attempted(context, entry))
        elif target.writes:
            parts.append(response_entry(context, _written_answer(context, *by_local[target.local])))
        elif target.id is None:
            parts.append(response_entry(context, Answer(204, None)))
        else:
            parts.append(await _existing(context, entry.type, target.id))
    head = b'{"resourceType":"Bundle","type":"transaction-response"'
    return Answer(200, head + (b',"entry":[' + b",".join(parts) + b"]}" if parts else b"}"))


async def _existing(context: RequestContext, type: str, id: str) -> bytes:
    try:
        return response_entry(context, await answer_existing(context, type, id))
    except FhirError as error:
        return failed_entry(context, error)


def _written_answer(context: RequestContext, document: Document, written: Written) -> Answer:
    if written.body is None:
        return Answer(204, None, written.version or None, written.updated if written.version else None)
    is_readable = not isinstance(document, Put) or document.method != "PATCH" or may_read(context, document, written)
    answer = answer_written(context, written, is_readable)
    if context.prefer_return is None:
        # The specification leaves the body to the server; a Bundle of thousands should not be sent back unasked.
        return Answer(answer.status, None, answer.version, answer.updated, answer.location)
    return answer
