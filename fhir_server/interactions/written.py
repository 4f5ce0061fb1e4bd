"""The answers of writes: what `Prefer: return` asks for, and where the new version is.

https://hl7.org/fhir/R4/http.html#ops
"""

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.write_plan import Written
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.store import resources


def answer_written(context: RequestContext, written: Written) -> Answer:
    """201 or 200 with the representation, nothing, or an OperationOutcome."""
    location = f"{written.type}/{written.id}/_history/{written.version}"
    body = written.body
    if context.prefer_return == "minimal":
        body = None
    elif context.prefer_return == "OperationOutcome":
        verb = "created" if written.created else "updated" if written.changed else "left as it was"
        body = outcome_body(context, f"{written.type}/{written.id} was {verb}; it is at version {written.version}.")
    status = 201 if written.created else 200
    reports = context.prefer_return == "OperationOutcome"
    return Answer(status, body, written.version, written.updated, location, reports)


async def answer_existing(context: RequestContext, type: str, id: str) -> Answer:
    """200 with the resource that a conditional create found."""
    row = await resources.read(context.server.database, type, id)
    if row is None or row.body is None:
        # It matched a moment ago and was deleted since; a retry by the caller then creates.
        raise outcome.WRITE_CONFLICT(f"The matching {type} was deleted while the request ran. Send it again.")
    body = None if context.prefer_return == "minimal" else row.body
    if context.prefer_return == "OperationOutcome":
        body = outcome_body(context, f"{type}/{id} matches the condition already; nothing was created.")
    reports = context.prefer_return == "OperationOutcome"
    return Answer(200, body, row.version, row.updated, f"{type}/{id}/_history/{row.version}", reports)


def outcome_body(context: RequestContext, text: str) -> bytes:
    """An OperationOutcome that reports a success."""
    issue = {"severity": "information", "code": "informational", "details": {"text": text}}
    return encode({"resourceType": "OperationOutcome", "id": context.request_id, "issue": [issue]})
