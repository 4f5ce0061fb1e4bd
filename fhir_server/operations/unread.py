"""`Communication/$unread`: the messages to the caller that they have not read, and how many there are.

`Communication/$unread?_summary=count` tells the number alone, as a portal's menu shows it.
"""

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.trail import Accessed
from fhir_server.interactions.accesses import is_audited
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.narrow import within
from fhir_server.interactions.operation import Call
from fhir_server.interactions.withheld import shown
from fhir_server.operations.readers import inboxes_of, reader_of
from fhir_server.store import read_marks, resources

TYPE = "Communication"
DEFAULT_COUNT = 50
MAX_COUNT = 500


async def unread(context: RequestContext, call: Call) -> Answer:
    """200 with a searchset of the newest, `_count` at most; its `total` counts all.

    Raises FhirError 403 for callers who are nobody in particular or have no scope on messages.
    """
    database, reader = context.server.database, reader_of(context)
    reach = within(context, TYPE, "s")
    if call.one("_summary") not in (None, "count", "false"):
        raise outcome.BAD_OPERATION_CALL("_summary is count or false here.", "_summary")
    found = await read_marks.unread(database, inboxes_of(context), reader, reach)
    count = 0 if call.one("_summary") == "count" else min(int(call.one("_count") or DEFAULT_COUNT), MAX_COUNT)
    rows = await resources.read_many(database, TYPE, [id for id, _ in found[:count]], reach)
    listed = [rows[id] for id, _ in found[:count] if id in rows and rows[id].body is not None]
    if is_audited(context):
        places = tuple(f"{TYPE}/{row.id}" for row in listed)
        owners = tuple(dict.fromkeys(owner for row in listed for owner in row.owners))
        context.trail.note(Accessed("E", "operation", TYPE, places, owners, f"{TYPE}/$unread"))
    link = [{"relation": "self", "url": f"{context.base}/{TYPE}/$unread"}]
    head = b'{"resourceType":"Bundle","type":"searchset","total":%d,"link":%b' % (len(found), encode(link))
    entries = [
        b'{"fullUrl":%b,"resource":%b,"search":{"mode":"match"}}'
        % (encode(f"{context.base}/{TYPE}/{row.id}"), shown(context, row.body or b""))
        for row in listed
    ]
    return Answer(200, head + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}"))
