"""What every write passes before it becomes a plan: its caller's scopes, the right type and id, valid content, index
values, and the bounds within which the caller may change what is there.

https://hl7.org/fhir/R4/validation.html
"""

from dataclasses import replace
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.etag import parse_etags
from fhir_server.core.outcome import NUMBERS, FhirError, Issue
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import ANY_VERSION, Delete, Document, Expect, IndexValues, Method, Put, WritePlan
from fhir_server.interactions import agency, search_parameter
from fhir_server.interactions.about import is_open
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.step_up import refuse_without_card
from fhir_server.interactions.withheld import may_be_told_of_changes
from fhir_server.policy_writes import Bounds, bounds, refuse_content
from fhir_server.search.index import index_values
from fhir_server.validation.model import model_findings
from fhir_server.validation.validate import validate


def admitted(context: RequestContext, content: Any, type: str) -> Resource:
    """The content as a valid resource of `type`, with its custodian stamped.

    Raises FhirError 400 where it is not a resource of that type or breaks the base definition, 422 where it breaks a
    required code or a rule; the error carries every finding.
    """
    if isinstance(content, dict) and isinstance(content.get("resourceType"), str) and content["resourceType"] != type:
        raise outcome.TYPE_MISMATCH(
            f"The body is a {content['resourceType'][:64]}, but the URL names {type}. Send it to its own type's URL.",
            "resourceType",
        )
    refuse(findings(context, content, type))
    return with_custodian(context, content)


def findings(context: RequestContext, content: Any, type: str) -> tuple[Issue, ...]:
    """All that is wrong with the content; empty where it may be stored."""
    found = validate(content, type)
    if not found and context.server.second_check:
        found = model_findings(content)
    if not found and type == "SearchParameter":
        found = search_parameter.findings(content)
    return found


def refuse(found: tuple[Issue, ...]) -> None:
    """Raise FhirError with all findings, if any: 400 where one breaks the base definition, else 422."""
    errors = [issue for issue in found if issue.severity in ("error", "fatal")]
    if errors:
        raise FhirError(min(NUMBERS[issue.number][0] for issue in errors), found)


def with_custodian(context: RequestContext, resource: Resource) -> Resource:
    """The resource with `meta.source` naming the configured custodian, where it names no source of its own."""
    custodian = context.server.custodian
    meta = resource.get("meta", {})
    if custodian is None or "source" in meta:
        return resource
    return resource | {"meta": meta | {"source": custodian}}


def permit(context: RequestContext, type: str, method: Method) -> Bounds:
    """Raise FhirError 403 where the caller may not write this type in this way at all, 401 where it asks for a card;
    what holds where they may.
    """
    held = bounds(context.sight, type, method)
    refuse_without_card(context, type, method)
    return held


def put(
    context: RequestContext,
    resource: Resource,
    id: str,
    method: Method,
    expect: Expect = Expect.ANYTHING,
    if_version: int | None = None,
    if_absent: bool = False,
) -> Put:
    """The document of a WritePlan for an admitted resource, with its index values and its caller's bounds.

    Raises FhirError 403 where the caller may not write such a resource.
    """
    type: str = resource["resourceType"]
    held = permit(context, type, method)
    for contained in resource.get("contained", ()):
        # What is ordered inside another resource is found and read as an order too.
        refuse_without_card(context, contained["resourceType"], method)
    resource = agency.stamped(context, resource, method)
    index = _index(context, resource, id)
    # Whose record a Provenance is shows once what it is about was looked up: then it is judged (`about.with_owners`).
    if not is_open(type, index):
        refuse_content(context.sight, held, resource, index)
    return Put(
        type,
        id,
        resource,
        index,
        method,
        expect,
        if_version,
        context.only_changes and may_be_told_of_changes(context, resource),
        if_absent,
        held.within,
        held.creates,
        held.agency,
        held.owners,
        held.keeps,
    )


def tombstone(context: RequestContext, type: str, id: str, if_version: int | None = None) -> Delete:
    """The document of a WritePlan for a delete. Raises FhirError 403 where the caller may not delete this type."""
    held = permit(context, type, "DELETE")
    return Delete(type, id, if_version, held.within, held.agency, held.owners)


def indexed_again(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan with index values made from the search parameters now in force."""
    return replace(plan, documents=tuple(_indexed_again(context, document) for document in plan.documents))


def _indexed_again(context: RequestContext, document: Document) -> Document:
    if isinstance(document, Put):
        return replace(document, index=_index(context, document.resource, document.id))
    return document


def _index(context: RequestContext, resource: Resource, id: str) -> IndexValues:
    server = context.server
    return index_values(resource, id, context.own_bases, server.custodian, server.parameters.indexed)


def matched_version(if_match: str | None) -> int | None:
    """The version an If-Match header asks for, None where there is none.

    Raises FhirError 400 for a header that is not one entity tag or `*`. A tag no version can have becomes 0, which
    never matches.
    """
    if if_match is None:
        return None
    tags = parse_etags(if_match)
    if tags is None or len(tags) != 1:
        raise outcome.BAD_HEADER('If-Match must be one entity tag such as W/"3", or *.', "If-Match")
    if tags == ("*",):
        return ANY_VERSION
    return version_number(tags[0]) or 0


def must_be_absent(if_none_match: str | None) -> bool:
    """Whether a write may only create (If-None-Match: *). Raises FhirError 400 for any other value of that header."""
    if if_none_match is None:
        return False
    if parse_etags(if_none_match) != ("*",):
        raise outcome.BAD_HEADER("If-None-Match on a write can only be *.", "If-None-Match")
    return True


def version_number(text: str) -> int | None:
    """The version a text names, None where it can be none: versions are written as 1, 2, 3."""
    # 18 digits stay inside a 64-bit integer.
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or text.startswith("0"):
        return None
    return int(text)
