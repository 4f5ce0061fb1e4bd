"""Identifiers that are shown to few, in the interactions: who sees them, who may ask for them, how they survive a PUT.

https://hl7.org/fhir/R4/security.html#output; decision 16 (docs/adr/0016-withheld-identifiers.md).
"""

from collections.abc import Iterable

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.resource import Resource
from fhir_server.definitions.withheld import holds, identifiers, may_hold
from fhir_server.formats.withheld import filled, has_masked, masked, masked_resource
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import computed
from fhir_server.policy_writes import bounds
from fhir_server.search.request import Condition
from fhir_server.search.withheld import withheld_in
from fhir_server.store import resources
from fhir_server.store.mongo import Document
from fhir_server.store.search import SearchRow


def may_see(context: RequestContext) -> bool:
    """Whether the caller is shown every identifier: the operator, and who was granted it."""
    access = context.sight.access
    return access is None or access.may_see_ssn


def shown(context: RequestContext, body: bytes) -> bytes:
    """The stored JSON of a resource as the caller may see it; of a past version too, whose row may have no mark."""
    return body if may_see(context) or not may_hold(body) else masked(body)


def shown_rows(context: RequestContext, rows: list[SearchRow]) -> list[SearchRow]:
    """The rows of a search as the caller may see them: current rows are marked, so that no other is looked into."""
    if may_see(context):
        return rows
    return [replace(row, body=masked(row.body)) if "withheld" in row.stored and row.body else row for row in rows]


def shown_documents(context: RequestContext, documents: list[Document]) -> list[Document]:
    """The same of rows as MongoDB gives them."""
    if may_see(context):
        return documents
    return [{**each, "body": masked(each["body"])} if "withheld" in each else each for each in documents]


def shown_resource(context: RequestContext, resource: Resource) -> Resource:
    """The same for a decoded resource, which is left as it is."""
    return resource if may_see(context) else masked_resource(resource)


def refuse_asking(context: RequestContext, conditions: Iterable[Condition]) -> None:
    """Raise FhirError 403 where the caller may not see such identifiers and a condition asks for one.

    What matches would tell the number.
    """
    if may_see(context):
        return
    name = withheld_in(conditions)
    if name is not None:
        raise outcome.WITHHELD(
            f"'{name[:64]}' asks for a Social Security number, which this access token may not see. Search by another "
            "identifier, or by name and birth date.",
            name[:64],
        )


def refuse_guesses(context: RequestContext, resource: Resource) -> None:
    """Raise FhirError 403, or 422 of a Patient, where a patient's token sends such an identifier, with its value, in an
    element it must leave as it is: a refusal of nothing but a change would tell whether the value is right.
    """
    access = context.sight.access
    if may_see(context) or access is None or access.kind != "patient" or not holds(resource):
        return
    type: str = resource["resourceType"]
    keeps = bounds(context.sight, type, "PUT").keeps
    if keeps is None or keeps.but_for is None:
        return
    for path, identifier in identifiers(resource):
        if "value" in identifier and path[:1] and path[0] not in keeps.but_for:
            raise keeps.refusal(type, path[0])


def may_be_told_of_changes(context: RequestContext, resource: Resource) -> bool:
    """Whether the caller may know that what was sent is what is stored: not where an identifier in it could be guessed
    that way.
    """
    return may_see(context) or not holds(resource)


async def with_withheld(context: RequestContext, type: str, id: str, resource: Resource) -> Resource:
    """What was sent to be stored at an id, with the values that the sender was not shown put back.

    Nothing is read where nothing is masked. What changes between this and the write is lost as with any update that
    names no version. Raises FhirError as `refuse_guesses` does.
    """
    refuse_guesses(context, resource)
    if not has_masked(resource):
        return resource
    row = await resources.read(context.server.database, type, id)
    if row is None or row.body is None:
        return resource
    return await computed(context, restored, resource, row.body)


def restored(resource: Resource, stored: bytes) -> Resource:
    """The same with the stored version at hand."""
    return filled(resource, decode(stored)) if has_masked(resource) else resource
