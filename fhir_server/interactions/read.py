"""read: the current version of a resource. https://hl7.org/fhir/R4/http.html#read"""

from collections.abc import Sequence

from fhir_server.core import outcome
from fhir_server.core.etag import parse_etags
from fhir_server.definitions.attached import FILE
from fhir_server.interactions import audit_search
from fhir_server.interactions.accesses import note_read
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.interactions.narrow import within
from fhir_server.interactions.summary import shape_of_read, shortened
from fhir_server.interactions.withheld import shown
from fhir_server.store import resources
from fhir_server.store.rows import Row


async def read(
    context: RequestContext,
    type: str,
    id: str,
    conditions: Conditions = NO_CONDITIONS,
    pairs: Sequence[tuple[str, str]] = (),
) -> Answer:
    """200 with the resource, or 304 where the caller has this version already. `pairs` may ask for a part of it.

    Raises FhirError 404 for an unknown id, and for one that is none of the caller's, 410 for a deleted one, 403 for a
    type that was not granted, 400 for other parameters.
    """
    if audit_search.is_kept(context, type):
        return await audit_search.read(context, id, pairs)
    shape = shape_of_read(context, type, pairs)
    row = await resources.read(context.server.database, type, id, within(context, type, "r"))
    if row is None:
        raise not_found(type, id)
    if row.body is None:
        raise gone(type, id)
    if type == FILE:
        await refuse_unread(context, id, row.owners)
    if _is_fresh(row, conditions):
        note_read(context, row, status=304)
        return Answer(304, None, row.version, row.updated)
    note_read(context, row)
    body = shown(context, row.body)
    if shape is not None:
        body = await shortened(shape, body)
    return Answer(200, body, row.version, row.updated)


def not_found(type: str, id: str) -> outcome.FhirError:
    """The 404 of an id that was never used, or whose resource is none of the caller's: nobody can tell which."""
    return outcome.NOT_FOUND(f"There is no {type} with id '{id[:64]}'.")


def gone(type: str, id: str) -> outcome.FhirError:
    """The 410 of a deleted resource."""
    return outcome.GONE(f"{type}/{id} was deleted. Its versions are at {type}/{id}/_history.")


def _is_fresh(row: Row, conditions: Conditions) -> bool:
    # RFC 9110 13.2.2: If-Modified-Since counts only where If-None-Match is absent.
    if conditions.if_none_match is not None:
        tags = parse_etags(conditions.if_none_match)
        if tags is None:
            raise outcome.BAD_HEADER('If-None-Match is not a list of entity tags. Send W/"3" or *.', "If-None-Match")
        return "*" in tags or str(row.version) in tags
    if conditions.if_modified_since is not None:
        return row.updated.replace(microsecond=0) <= conditions.if_modified_since
    return False
