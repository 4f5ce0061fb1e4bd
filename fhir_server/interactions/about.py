"""Whose record it is that is about another resource, and from whom it is hidden: a Provenance, a Task, a Binary belong
to whom its subject does, and are hidden with that.

docs/storage.md; the types and their paths are in definitions/owners.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document, IndexValues, Put, WritePlan, Written
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import row_filter, visible
from fhir_server.policy_writes import bounds, is_bound_to_patients, refuse_content
from fhir_server.search.labels import also_labelled, hiding_labels
from fhir_server.search.ownership import owned_by
from fhir_server.store import inherited, resources
from fhir_server.store.inherited import Passed
from fhir_server.store.resources import WHOEVER, Within

_FILE = "Binary"

Owners = dict[tuple[str, str], tuple[str, ...]]
"""By type and id."""


async def with_owners(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan in which what names no patient itself belongs to the owners of what it is about, as they are now.

    The first of its paths decides whose references yield any. To a caller who is bound to patients, what is out of
    sight is as if it were not there. Raises FhirError 413 as `index_values` does, 403 where that makes it a record that
    the caller may not write.
    """
    if not any(map(_is_open, plan.documents)):
        return plan
    owners: Owners = {(each.type, each.id): each.index.owners for each in plan.documents if isinstance(each, Put)}
    owners |= await _stored(context, plan.documents, owners)
    documents = list(plan.documents)
    # A Provenance may be about a Task of the same Bundle: the second look finds the Task's owners.
    for _ in range(2):
        for position, document in enumerate(documents):
            found = _found(context, document, owners) if isinstance(document, Put) and _is_open(document) else ()
            if found and isinstance(document, Put):
                documents[position] = replace(
                    document, index=owned_by(document.index, found, document.type, document.id)
                )
                owners[document.type, document.id] = found
    for before, document in zip(plan.documents, documents, strict=True):
        if isinstance(document, Put) and _is_open(before):
            held = bounds(context.sight, document.type, document.method)
            refuse_content(context.sight, held, document.resource, document.index)
    return replace(plan, documents=tuple(documents))


async def with_labels(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan in which what is about something else carries the labels that hide that, as they are now.

    To a caller who is bound to patients only the records that the writing belongs to say anything: whoever writes about
    a stranger's resource must not see by the writing's own absence that it is there. Raises FhirError 503.
    """
    if not any(isinstance(each, Put) and (each.index.about or each.type == _FILE) for each in plan.documents):
        return plan
    planned = {
        f"{each.type}/{each.id}": Passed(each.index.owners, hiding_labels(each.index.labels, each.index.tokens))
        for each in plan.documents
        if isinstance(each, Put)
    }
    about = {place for each in plan.documents if isinstance(each, Put) for place in each.index.about}
    known = await inherited.labels_of(context.server.database, about - planned.keys()) | planned
    documents = list(plan.documents)
    content = await _of_content(context, plan)
    for _ in range(2):
        for position, document in enumerate(documents):
            if isinstance(document, Put) and (document.index.about or document.id in content):
                found = [known[place] for place in document.index.about if place in known]
                found += content.get(document.id, ()) if document.type == _FILE else ()
                index = also_labelled(document.index, _labels(context, document, found))
                documents[position] = replace(document, index=index)
                labels = hiding_labels(index.labels, index.tokens)
                known[f"{document.type}/{document.id}"] = Passed(index.owners, labels)
    return replace(plan, documents=tuple(documents))


async def hide_what_was_written(context: RequestContext, plan: WritePlan, written: tuple[Written, ...]) -> None:
    """Look once more, now that it is stored: when a label, and what is about its resource, are written side by side,
    neither writer sees the other's. Raises FhirError 503.
    """
    database = context.server.database
    for each in written:
        if each.new_labels:
            await inherited.spread_again(database, each.type, each.id, each.new_labels)
    for document in plan.documents:
        if isinstance(document, Put) and document.index.files:
            await _hide_files(context, document)
    about = [document for document in plan.documents if isinstance(document, Put) and document.index.about]
    places = {place for document in about for place in document.index.about}
    places -= {f"{each.type}/{each.id}" for each in plan.documents}
    known = await inherited.labels_of(database, places) if places else {}
    for document in about:
        found = [known[place] for place in document.index.about if place in known]
        if new := set(_labels(context, document, found)).difference(document.index.labels):
            await inherited.take_over(database, document.type, document.id, new)


def _labels(context: RequestContext, document: Put, found: Iterable[Passed]) -> list[str]:
    """Those of what was found that hide the document too."""
    everybodys = not is_bound_to_patients(context.sight)
    owners = set(document.index.owners)
    return [label for each in found if everybodys or not owners.isdisjoint(each.owners) for label in each.labels]


async def _of_content(context: RequestContext, plan: WritePlan) -> dict[str, list[Passed]]:
    """By the id of a Binary: what the documents pass on whose content it is, the stored ones and those of the plan."""
    found: dict[str, list[Passed]] = {}
    for each in plan.documents:
        if isinstance(each, Put) and each.type == _FILE:
            found[each.id] = list(await inherited.of_documents(context.server.database, each.id, context.own_bases))
    for each in plan.documents:
        if isinstance(each, Put):
            for place in each.index.files:
                passed = Passed(each.index.owners, hiding_labels(each.index.labels, each.index.tokens))
                found.setdefault(place.removeprefix(f"{_FILE}/"), []).append(passed)
    return found


async def _hide_files(context: RequestContext, document: Put) -> None:
    """Give the Binaries of the same record that hold the content of a document its labels."""
    labels = hiding_labels(document.index.labels, document.index.tokens)
    database = context.server.database
    for place, file in (await inherited.labels_of(database, document.index.files)).items():
        is_same = not set(document.index.owners).isdisjoint(file.owners)
        if is_same and (new := set(labels).difference(file.labels)):
            await inherited.take_over(database, _FILE, place.removeprefix(f"{_FILE}/"), new)


def is_open(type: str, index: IndexValues) -> bool:
    """Whether it is not known yet whose record a resource is."""
    return not index.owners and owner_rule(type).kind == "rule"


def _is_open(document: Document) -> bool:
    return isinstance(document, Put) and is_open(document.type, document.index)


async def _stored(context: RequestContext, documents: tuple[Document, ...], planned: Owners) -> Owners:
    wanted: dict[str, set[str]] = {}
    for document in documents:
        if isinstance(document, Put) and _is_open(document):
            for path in owner_rule(document.type).paths:
                for type, id in _references(context, document.resource, path):
                    if not planned.get((type, id)):
                        wanted.setdefault(type, set()).add(id)
    found: Owners = {}
    for type, ids in wanted.items():
        within = _in_sight(context, type)
        if within is not None:
            owners = await resources.owners_of(context.server.database, type, ids, within)
            found |= {(type, id): whose for id, whose in owners.items()}
    return found


def _in_sight(context: RequestContext, type: str) -> Within | None:
    """The rows of a type by which the caller may say whose record something is; None for none of them."""
    if not is_bound_to_patients(context.sight):
        return WHOEVER
    seen = visible(context.sight, type, "rs")
    return None if seen is None else row_filter(seen)


def _found(context: RequestContext, document: Put, owners: Owners) -> tuple[str, ...]:
    for path in owner_rule(document.type).paths:
        found = [whose for place in _references(context, document.resource, path) for whose in owners.get(place, ())]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def _references(context: RequestContext, resource: Resource, path: str) -> Iterator[tuple[str, str]]:
    """Type and id of this server's resources that an element refers to."""
    value = resource.get(path) or ()
    for each in value if isinstance(value, list) else (value,):
        text = each.get("reference") if isinstance(each, dict) else None
        reference = parse_reference(text) if isinstance(text, str) else None
        if reference is not None and reference.base in (None, *context.own_bases) and is_resource_type(reference.type):
            yield reference.type, reference.id
