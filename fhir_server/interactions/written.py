"""The answers of writes: what `Prefer: return` asks for, and where the new version is.

https://hl7.org/fhir/R4/http.html#ops
"""

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.write_plan import Put, Written
from fhir_server.interactions.accesses import note_read
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.withheld import shown
from fhir_server.policy import Permission, is_within, row_filter, visible
from fhir_server.store import resources
from fhir_server.store.rows import Row

_READING: tuple[Permission, ...] = ("r", "s")


def answer_written(context: RequestContext, written: Written, is_readable: bool = True) -> Answer:
    """201 or 200 with the representation, nothing, or an OperationOutcome.

    Where it is not `is_readable` there is no representation: a patch would show its sender what was there before.
    """
    location = f"{written.type}/{written.id}/_history/{written.version}"
    body = shown(context, written.body) if is_readable and written.body is not None else None
    if context.prefer_return == "minimal":
        body = None
    elif context.prefer_return == "OperationOutcome":
        verb = "created" if written.created else "updated" if written.changed else "left as it was"
        body = outcome_body(context, f"{written.type}/{written.id} was {verb}; it is at version {written.version}.")
    status = 201 if written.created else 200
    reports = context.prefer_return == "OperationOutcome"
    return Answer(status, body, written.version, written.updated, location, reports)


def may_read(context: RequestContext, document: Put, written: Written) -> bool:
    """Whether the caller may read the resource as it was written."""
    seen = visible(context.sight, document.type, "r")
    # Whose record it is may have been found out by what it is about.
    return seen is not None and is_within(seen, replace(document.index, owners=written.owners))


async def answer_existing(context: RequestContext, type: str, id: str) -> Answer:
    """200 with the resource that a conditional create found, if its caller may read it."""
    row, is_readable = await _existing(context, type, id)
    if row is None or row.body is None:
        # It matched a moment ago and was deleted since; a retry by the caller then creates.
        raise outcome.WRITE_CONFLICT(f"The matching {type} was deleted while the request ran. Send it again.")
    body = None if context.prefer_return == "minimal" or not is_readable else shown(context, row.body)
    if context.prefer_return == "OperationOutcome":
        body = outcome_body(context, f"{type}/{id} matches the condition already; nothing was created.")
    reports = context.prefer_return == "OperationOutcome"
    note_read(context, row)
    return Answer(200, body, row.version, row.updated, f"{type}/{id}/_history/{row.version}", reports)


async def _existing(context: RequestContext, type: str, id: str) -> tuple[Row | None, bool]:
    """The row, and whether it may be read; it may also have been found by one who may search alone."""
    for permission in _READING:
        reach = visible(context.sight, type, permission)
        if reach is not None:
            row = await resources.read(context.server.database, type, id, row_filter(reach))
            if row is not None:
                return row, permission == "r"
    return None, False


def outcome_body(context: RequestContext, text: str) -> bytes:
    """An OperationOutcome that reports a success."""
    issue = {"severity": "information", "code": "informational", "details": {"text": text}}
    return encode({"resourceType": "OperationOutcome", "id": context.request_id, "issue": [issue]})
