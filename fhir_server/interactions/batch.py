"""batch: each entry on its own, its outcome in its place. https://hl7.org/fhir/R4/http.html#transaction"""

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.interactions import create, delete, history, read, search, update, vread
from fhir_server.interactions.bundle_entry import Entry, entries, failed_entry, query_pairs, response_entry
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.context import Answer, RequestContext


async def batch(context: RequestContext, bundle: Resource) -> Answer:
    """200 with a batch-response that has one entry for each entry of the batch, failed ones included."""
    parts: list[bytes] = []
    away: FhirError | None = None
    for entry in entries(context, bundle):
        try:
            if away is not None:
                raise away
            parts.append(response_entry(context, await entry_answer(context, entry)))
        except FhirError as error:
            # Each entry would wait for the database anew: 100 entries took five minutes to say 503.
            away = error if error.status == 503 else None
            parts.append(failed_entry(context, error))
    return Answer(
        200,
        b'{"resourceType":"Bundle","type":"batch-response","entry":[' + b",".join(parts) + b"]}"
        if parts
        else b'{"resourceType":"Bundle","type":"batch-response"}',
    )


async def entry_answer(context: RequestContext, entry: Entry) -> Answer:
    """Run one entry by itself.

    Raises FhirError as the interaction does, and 400 for a URL that no interaction has.
    """
    criteria = entry.query if entry.query else None
    match entry.method, entry.path:
        case "GET" | "HEAD", ("metadata",):
            return capabilities(context)
        case "GET" | "HEAD", ("_history",):
            return await history.of_system(context, query_pairs(entry.query))
        case "GET" | "HEAD", (type,):
            return await search.search(context, type, query_pairs(entry.query))
        case "GET" | "HEAD", (type, "_history"):
            return await history.of_type(context, type, query_pairs(entry.query))
        case "GET" | "HEAD", (type, id):
            return await read.read(context, type, id, entry.conditions)
        case "GET" | "HEAD", (type, id, "_history"):
            return await history.of_instance(context, type, id, query_pairs(entry.query))
        case "GET" | "HEAD", (type, id, "_history", version):
            return await vread.vread(context, type, id, version)
        case "POST", (type,):
            return await create.create(context, type, content(entry), entry.conditions)
        case "PUT", (type, id):
            return await update.update(context, type, id, content(entry), entry.conditions)
        case "PUT", (type,) if criteria:
            return await update.conditional_update(context, type, criteria, content(entry), entry.conditions)
        case "DELETE", (type, id):
            return await delete.delete(context, type, id, entry.conditions)
        case "DELETE", (type,) if criteria:
            return await delete.conditional_delete(context, type, criteria)
    raise outcome.BAD_BUNDLE(f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]}.")


def content(entry: Entry) -> object:
    """The resource of an entry that must have one."""
    if entry.resource is None:
        raise outcome.BAD_BUNDLE(f"A {entry.method} entry needs a resource.")
    return entry.resource
