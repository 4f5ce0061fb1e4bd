"""`Communication/[id]/$mark-read`: the caller has read a message, or wants it before them again.

The mark stands beside the message, one for each reader, and tells nobody else.
"""

from fhir_server.core.codec import encode
from fhir_server.core.instant import format_instant
from fhir_server.core.trail import Accessed
from fhir_server.interactions.accesses import is_audited
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.narrow import within
from fhir_server.interactions.operation import Call
from fhir_server.interactions.read import gone, not_found
from fhir_server.operations.readers import reader_of
from fhir_server.store import read_marks, resources

TYPE = "Communication"


async def mark_read(context: RequestContext, call: Call) -> Answer:
    """200 with Parameters that say whether, and when, the caller read it.

    Raises FhirError 404 for a message that is none of the caller's, 403 for callers who are nobody in particular.
    """
    database, reader = context.server.database, reader_of(context)
    row = await resources.read(database, TYPE, call.id, within(context, TYPE, "r"))
    if row is None:
        raise not_found(TYPE, call.id)
    if row.body is None:
        raise gone(TYPE, call.id)
    is_read = call.one("read") != "false"
    await read_marks.mark(database, call.id, reader, is_read)
    if is_audited(context):
        context.trail.note(Accessed("E", "operation", TYPE, (f"{TYPE}/{call.id}",), row.owners))
    marked = (await read_marks.read_at(database, [call.id], reader)).get(call.id)
    said: list[dict[str, object]] = [{"name": "read", "valueBoolean": marked is not None}]
    if marked is not None:
        said.append({"name": "at", "valueInstant": format_instant(marked)})
    return Answer(200, encode({"resourceType": "Parameters", "parameter": said}))
