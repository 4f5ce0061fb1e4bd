"""vread: one version of a resource, current or past. https://hl7.org/fhir/R4/http.html#vread"""

from collections.abc import Sequence

from fhir_server.core import outcome
from fhir_server.definitions.attached import FILE
from fhir_server.interactions.accesses import note_read
from fhir_server.interactions.admission import version_number
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.interactions.narrow import within
from fhir_server.interactions.summary import shape_of_read, shortened
from fhir_server.interactions.withheld import shown
from fhir_server.store import resources


async def vread(
    context: RequestContext, type: str, id: str, version_id: str, pairs: Sequence[tuple[str, str]] = ()
) -> Answer:
    """200 with the version. `pairs` may ask for a part of it.

    Raises FhirError 404 for a version that never was, or was none of the caller's record at its time, 410 for the
    version that is a deletion, 403 for a type that was not granted, 400 for other parameters.
    """
    shape = shape_of_read(context, type, pairs)
    version = version_number(version_id)
    seen, database = within(context, type, "r"), context.server.database
    row = None if version is None else await resources.read_version(database, type, id, version, seen)
    if row is None:
        raise outcome.VERSION_NOT_FOUND(f"There is no version '{version_id[:64]}' of {type}/{id[:64]}.")
    if row.body is None:
        raise outcome.GONE(f"Version {version_id} of {type}/{id} is its deletion.")
    if type == FILE:
        await refuse_unread(context, id, row.owners)
    note_read(context, row, "vread")
    body = shown(context, row.body)
    if shape is not None:
        body = await shortened(shape, body)
    return Answer(200, body, row.version, row.updated)
