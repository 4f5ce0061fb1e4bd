"""read: the current version of a resource. https://hl7.org/fhir/R4/http.html#read"""

from fhir_server.core import outcome
from fhir_server.core.etag import parse_etags
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.store import resources
from fhir_server.store.rows import Row


async def read(context: RequestContext, type: str, id: str, conditions: Conditions = NO_CONDITIONS) -> Answer:
    """200 with the resource, or 304 where the caller has this version already.

    Raises FhirError 404 for an unknown id, 410 for a deleted one.
    """
    row = await resources.read(context.server.database, type, id)
    if row is None:
        raise not_found(type, id)
    if row.body is None:
        raise outcome.GONE(f"{type}/{id} was deleted. Its versions are at {type}/{id}/_history.")
    if _is_fresh(row, conditions):
        return Answer(304, None, row.version, row.updated)
    return Answer(200, row.body, row.version, row.updated)


def not_found(type: str, id: str) -> outcome.FhirError:
    """The 404 of an id that was never used."""
    return outcome.NOT_FOUND(f"There is no {type} with id '{id[:64]}'.")


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
