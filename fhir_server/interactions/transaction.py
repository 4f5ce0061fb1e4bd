"""transaction: all entries or none, in one transaction of the database.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import Absence, Claim, Delete, Document, Expect, Matched, Put, WritePlan, Written
from fhir_server.interactions import admission
from fhir_server.interactions.batch import content, entry_answer
from fhir_server.interactions.bundle_entry import (
    Entry,
    entries,
    failed_entry,
    in_entry,
    query_pairs,
    response_entry,
)
from fhir_server.interactions.bundle_references import conditional_reference, linked, references
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, Condition, claims
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.written import answer_existing, answer_written
from fhir_server.search.parse import parse
from fhir_server.store import search, transactions

_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Target:
    """What a writing entry comes to act on: the id, and whether that resource exists as the match of its condition."""

    entry: Entry
    id: str | None
    matched: bool = False
    condition: Condition | None = None

    @property
    def local(self) -> str:
        """`Patient/p1`."""
        return f"{self.entry.type}/{self.id}"

    @property
    def writes(self) -> bool:
        """Whether anything is to be stored: not where If-None-Exist or a conditional delete found it done already."""
        return self.id is not None and not (self.entry.method == "POST" and self.matched)


async def transaction(context: RequestContext, bundle: Resource) -> Answer:
    """200 with a transaction-response in the order of the entries; nothing is written unless everything is.

    Raises FhirError whose issues name the failing entry.
    """
    read = entries(context, bundle)
    writing = [entry for entry in read if entry.method not in _READING]
    _refuse_bad_reads(context, [entry for entry in read if entry.method in _READING])
    admitted = _admitted(context, writing)
    fresh = {entry.position: new_logical_id() for entry in writing}
    for _ in range(MATCH_ATTEMPTS):
        targets = await _targets(context, writing, admitted, fresh)
        plan = await _plan(context, targets, admitted)
        try:
            written = await transactions.run(context.server.database, plan)
        except Matched:
            continue
        return await _answer(context, read, targets, plan, written)
    raise outcome.WRITE_CONFLICT("What the conditions of the Bundle match kept changing. Send it again.")


def _admitted(context: RequestContext, writing: list[Entry]) -> Mapping[int, Resource]:
    """The valid resource of each entry that has to bring one, by position; raises with the findings of all entries."""
    resources: dict[int, Resource] = {}
    found: list[Issue] = []
    for entry in writing:
        try:
            _refuse_unroutable(entry)
            if entry.method != "DELETE":
                resources[entry.position] = admission.admitted(context, content(entry), entry.type)
        except FhirError as error:
            found += in_entry(error, entry.position).issues
    admission.refuse(tuple(found))
    return resources


def _refuse_bad_reads(context: RequestContext, reading: list[Entry]) -> None:
    """Reads run after the commit; what can be seen to be wrong with one fails the transaction before it."""
    for entry in reading:
        try:
            match entry.path:
                case ("metadata",) | ("_history",) | (_, _) | (_, _, "_history") | (_, _, "_history", _):
                    pass
                case (type,):
                    parse(type, query_pairs(entry.query), context.lenient, context.own_bases)
                case _:
                    raise outcome.BAD_BUNDLE(f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]}.")
        except FhirError as error:
            raise in_entry(error, entry.position) from None


def _refuse_unroutable(entry: Entry) -> None:
    one_id = len(entry.path) == 2 and bool(is_id(entry.path[1]))
    one_type = len(entry.path) == 1
    allowed = {
        "POST": one_type,
        "PUT": one_id or (one_type and bool(entry.query)),
        "DELETE": one_id or (one_type and bool(entry.query)),
    }
    if not allowed.get(entry.method, False):
        raise outcome.BAD_BUNDLE(
            f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]} in a transaction."
        )


async def _targets(
    context: RequestContext, writing: list[Entry], admitted: Mapping[int, Resource], fresh: Mapping[int, str]
) -> list[Target]:
    # The order of the rules: deletes first, so that a condition does not find what the same Bundle deletes.
    deletes = [await _target(context, e, None, fresh, frozenset()) for e in writing if e.method == "DELETE"]
    gone = frozenset(target.local for target in deletes if target.id is not None)
    others = [
        await _target(context, e, admitted[e.position].get("id"), fresh, gone) for e in writing if e.method != "DELETE"
    ]
    targets = sorted(deletes + others, key=lambda target: _VERB_ORDER[target.entry.method])
    _refuse_duplicates(targets)
    return targets


_VERB_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2}


async def _target(
    context: RequestContext, entry: Entry, sent_id: str | None, fresh: Mapping[int, str], gone: frozenset[str]
) -> Target:
    try:
        criteria = entry.conditions.if_none_exist if entry.method == "POST" else None if entry.id else entry.query
        if not criteria:
            return Target(entry, entry.id or fresh[entry.position])
        condition = Condition.parse(context, entry.type, criteria, "The condition")
        existing = await _match(context, condition, gone)
        if existing is not None:
            if entry.method == "PUT" and sent_id not in (None, existing):
                raise outcome.ID_MISMATCH(
                    f"The condition matches {entry.type}/{existing}, but the resource's id differs."
                )
            return Target(entry, existing, True, condition)
        if entry.method == "DELETE":
            return Target(entry, None, False, condition)
        put_id = sent_id if entry.method == "PUT" else None
        return Target(entry, put_id or fresh[entry.position], False, condition)
    except FhirError as error:
        raise in_entry(error, entry.position) from None


async def _match(context: RequestContext, condition: Condition, gone: frozenset[str]) -> str | None:
    ids = await search.matching_ids(context.server.database, condition.type, condition.filter, limit=2 + len(gone))
    live = [id for id in ids if f"{condition.type}/{id}" not in gone]
    if len(live) > 1:
        raise outcome.MULTIPLE_MATCHES(f"More than one {condition.type} matches the condition.")
    return live[0] if live else None


def _refuse_duplicates(targets: list[Target]) -> None:
    seen: dict[str, int] = {}
    for target in targets:
        names = [target.local] if target.writes else []
        if target.condition is not None and not target.matched and target.entry.method == "POST":
            names.append(f"{target.entry.type}?{target.condition.criteria}")
        for name in names:
            if name in seen:
                raise in_entry(
                    outcome.DUPLICATE_ENTRY(f"It writes the same {target.entry.type} as entry {seen[name]}."),
                    target.entry.position,
                )
            seen[name] = target.entry.position


async def _plan(context: RequestContext, targets: list[Target], admitted: Mapping[int, Resource]) -> WritePlan:
    written = [target for target in targets if target.writes and target.entry.position in admitted]
    referred = {each.entry.position: frozenset(references(admitted[each.entry.position])) for each in written}
    links = _links(context, targets) | await _conditional_links(context, referred)
    gone = [target.id for target in targets if target.entry.method == "DELETE" and target.id is not None]
    documents: list[Document] = []
    held: list[Claim] = []
    absences: list[Absence] = []
    for target in targets:
        if not target.writes or target.id is None:
            continue
        try:
            document = _document(context, target, target.id, admitted, links, referred)
        except FhirError as error:
            raise in_entry(error, target.entry.position) from None
        documents.append(document)
        if target.condition is not None and isinstance(document, Put):
            held += claims(target.condition, document)
            if not target.matched:
                unless = (
                    {"$and": [target.condition.filter, {"_id": {"$nin": gone}}]} if gone else target.condition.filter
                )
                absences.append(Absence(target.entry.type, unless))
    return WritePlan(tuple(documents), tuple(dict.fromkeys(held)), tuple(absences))


def _document(
    context: RequestContext,
    target: Target,
    id: str,
    admitted: Mapping[int, Resource],
    links: Mapping[str, str],
    referred: Mapping[int, frozenset[str]],
) -> Document:
    entry = target.entry
    if_version = admission.matched_version(entry.conditions.if_match)
    if entry.method == "DELETE":
        return Delete(entry.type, id, if_version)
    resource = linked(admitted[entry.position], links, entry.full_url, referred[entry.position])
    if entry.method == "POST":
        return admission.put(context, resource, id, "POST", Expect.NOTHING)
    if entry.id is not None and resource.get("id") != id:
        raise outcome.ID_MISMATCH(f"The resource must hold the id of the URL, '{id}'.", f"{entry.type}.id")
    return admission.put(context, resource, id, "PUT", if_version=if_version)


def _links(context: RequestContext, targets: list[Target]) -> dict[str, str]:
    links: dict[str, str] = {}
    for target in targets:
        full_url = target.entry.full_url
        if full_url is None or target.id is None or target.entry.method == "DELETE":
            continue
        if links.setdefault(full_url, target.local) != target.local:
            raise in_entry(
                outcome.BAD_BUNDLE("Another entry has the same fullUrl, so a reference to it could mean either."),
                target.entry.position,
            )
    return links


async def _conditional_links(context: RequestContext, referred: Mapping[int, frozenset[str]]) -> dict[str, str]:
    """Each conditional reference in the Bundle with the one resource that it matches."""
    links: dict[str, str] = {}
    for position, texts in referred.items():
        for text in texts:
            wanted = conditional_reference(text)
            if wanted is None or text in links:
                continue
            try:
                links[text] = await _one_target(context, *wanted)
            except FhirError as error:
                raise in_entry(error, position) from None
    return links


async def _one_target(context: RequestContext, type: str, criteria: str) -> str:
    condition = Condition.parse(context, type, criteria, "The reference")
    match = await _match(context, condition, frozenset())
    if match is None:
        raise outcome.UNRESOLVED_REFERENCE(f"A conditional reference to {type} matches nothing on this server.")
    return f"{type}/{match}"


async def _answer(
    context: RequestContext,
    read: tuple[Entry, ...],
    targets: list[Target],
    plan: WritePlan,
    written: tuple[Written, ...],
) -> Answer:
    by_local = {
        f"{document.type}/{document.id}": result for document, result in zip(plan.documents, written, strict=True)
    }
    by_position = {target.entry.position: target for target in targets}
    parts = []
    for entry in read:
        target = by_position.get(entry.position)
        try:
            if target is None:
                answer = await entry_answer(context, entry)
            elif target.writes:
                answer = _written_answer(context, by_local[target.local])
            elif target.id is None:
                answer = Answer(204, None)
            else:
                answer = await answer_existing(context, entry.type, target.id)
        except FhirError as error:
            # Everything is committed: a read that finds nothing is told in its place, not as a failure of all.
            parts.append(failed_entry(context, error))
        else:
            parts.append(response_entry(context, answer))
    head = b'{"resourceType":"Bundle","type":"transaction-response"'
    return Answer(200, head + (b',"entry":[' + b",".join(parts) + b"]}" if parts else b"}"))


def _written_answer(context: RequestContext, written: Written) -> Answer:
    if written.body is None:
        return Answer(204, None, written.version or None, written.updated if written.version else None)
    answer = answer_written(context, written)
    if context.prefer_return is None:
        # The specification leaves the body to the server; a Bundle of thousands should not be sent back unasked.
        return Answer(answer.status, None, answer.version, answer.updated, answer.location)
    return answer
