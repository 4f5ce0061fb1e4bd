"""batch: each entry on its own, its outcome in its place. https://hl7.org/fhir/R4/http.html#transaction"""

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.trail import Accessed, AuditAction
from fhir_server.definitions.own_operations import called
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions import create, delete, history, patch, read, search, update, vread
from fhir_server.interactions.accesses import is_audited
from fhir_server.interactions.bundle_entry import Entry, entries, failed_entry, response_entry
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.interactions.operation import call_by_body, call_by_query, run
from fhir_server.interactions.patch_document import change_in
from fhir_server.interactions.query import query_pairs, refuse_parameters
from fhir_server.interactions.unforeseen import log_refused_command, unforeseen

_PLACE_CHARACTERS = 200
_REFUSED: dict[str, tuple[AuditAction, str]] = {
    "POST": ("C", "create"),
    "PUT": ("U", "update"),
    "PATCH": ("U", "patch"),
    "DELETE": ("D", "delete"),
}


async def batch(context: RequestContext, bundle: Resource) -> Answer:
    """200 with a batch-response that has one entry for each entry of the batch, failed ones included."""
    parts: list[bytes] = []
    away: FhirError | None = None
    for entry in await computed(context, entries, context, bundle):
        if away is not None:
            # Each entry would wait for the database anew: 100 entries took five minutes to say 503.
            parts.append(failed_entry(context, away))
            continue
        try:
            if entry.refusal is not None:
                raise entry.refusal
            parts.append(response_entry(context, await _answer(context, entry)))
        except FhirError as error:
            away = error if error.status == 503 else None
            parts.append(failed_entry(context, error))
    head = b'{"resourceType":"Bundle","type":"batch-response"'
    return Answer(200, head + (b',"entry":[' + b",".join(parts) + b"]}" if parts else b"}"))


async def attempted(context: RequestContext, entry: Entry) -> bytes:
    """The response entry of one entry run by itself, whatever becomes of it."""
    try:
        return response_entry(context, await _answer(context, entry))
    except FhirError as error:
        return failed_entry(context, error)


async def _answer(context: RequestContext, entry: Entry) -> Answer:
    """What the entry's interaction answers; what nobody foresaw fails this entry alone. A refusal is noted."""
    try:
        return await entry_answer(context, entry)
    except FhirError as error:
        log_refused_command(context.request_id, error)
        _note_refused(context, entry, error.status)
        raise
    except Exception as error:
        refused = unforeseen(context.request_id, error)
        _note_refused(context, entry, refused.status)
        raise refused from None


def _note_refused(context: RequestContext, entry: Entry, status: int) -> None:
    """The Bundle's own status says nothing of one entry that was refused."""
    if not is_audited(context):
        return
    action, interaction = _REFUSED.get(entry.method, ("R", "read"))
    type = entry.path[0] if entry.path and is_resource_type(entry.path[0]) else ""
    if entry.method in ("GET", "HEAD") and len(entry.path) < 2:
        action, interaction = "E", "search-type" if type else "search-system"
    place = "/".join(entry.path) if type and len(entry.path) > 1 else ""
    places = (place[:_PLACE_CHARACTERS],) if place else ()
    context.trail.note(Accessed(action, interaction, type, places, query=entry.query or None, status=status))


async def entry_answer(context: RequestContext, entry: Entry) -> Answer:
    """Run one entry by itself.

    Raises FhirError as the interaction does, and 400 for a URL that no interaction has.
    """
    criteria = entry.query if entry.query else None
    if criteria is not None and not _takes_parameters(entry):
        refuse_parameters(context, query_pairs(criteria))
    match entry.method, entry.path:
        case ("GET" | "HEAD" | "POST") as method, (*place, code) if code.startswith("$") and len(place) < 3:
            return await _operated(context, entry, method, place, code.removeprefix("$"))
        case "GET" | "HEAD", ("metadata",):
            return capabilities(context)
        case ("GET" | "HEAD" | "POST") as method, (*place, code) if code.startswith("$") and len(place) < 3:
            return await _operated(context, entry, method, place, code.removeprefix("$"))
        case "GET" | "HEAD", ("_history",):
            return await history.of_system(context, query_pairs(entry.query))
        case "GET" | "HEAD", ():
            return await search.search(context, "", query_pairs(entry.query))
        case "GET" | "HEAD", (type,):
            return await search.search(context, type, query_pairs(entry.query))
        case "GET" | "HEAD", (type, "_history"):
            return await history.of_type(context, type, query_pairs(entry.query))
        case "GET" | "HEAD", (type, id):
            return await read.read(context, type, id, entry.conditions, query_pairs(entry.query))
        case "GET" | "HEAD", (type, id, "_history"):
            return await history.of_instance(context, type, id, query_pairs(entry.query))
        case "GET" | "HEAD", (type, id, "_history", version):
            return await vread.vread(context, type, id, version, query_pairs(entry.query))
        case "GET" | "HEAD", (of, id, type):
            return await search.search_compartment(context, of, id, type, query_pairs(entry.query))
        case "POST", (type,):
            return await create.create(context, type, content(entry), entry.conditions)
        case "PUT", (type, id):
            return await update.update(context, type, id, content(entry), entry.conditions)
        case "PUT", (type,) if criteria:
            return await update.conditional_update(context, type, criteria, content(entry), entry.conditions)
        case "PATCH", (type, id):
            change = await computed(as_large(context), change_in, entry)
            return await patch.patch(context, type, id, change, entry.conditions)
        case "PATCH", (type,) if criteria:
            change = await computed(as_large(context), change_in, entry)
            return await patch.conditional_patch(context, type, criteria, change, entry.conditions)
        case "DELETE", (type, id):
            return await delete.delete(context, type, id, entry.conditions)
        case "DELETE", (type,) if criteria:
            return await delete.conditional_delete(context, type, criteria, entry.conditions)
    raise outcome.BAD_BUNDLE(f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]}.")


async def _operated(context: RequestContext, entry: Entry, method: str, place: list[str], code: str) -> Answer:
    type, id = (*place, "", "")[:2]
    operation = called(type, "instance" if id else "type" if type else "system", code)
    if operation is None:
        raise outcome.OPERATION_UNKNOWN(f"There is no operation ${code[:64]} here.")
    if method == "POST":
        call = call_by_body(operation, type, id, query_pairs(entry.query), entry.resource)
    elif operation.changes:
        raise outcome.METHOD_NOT_ALLOWED(f"${code} changes what is stored: call it by POST.")
    else:
        call = call_by_query(operation, type, id, query_pairs(entry.query))
    answer = await run(context, call)
    # A document stands in a Bundle as a Binary resource.
    if answer.media_type is not None and answer.media_type not in operation.writes:
        raise outcome.NOT_SUPPORTED(
            f"What ${code} answers is no resource, and stands in no Bundle. Ask for it by itself."
        )
    return answer


def _takes_parameters(entry: Entry) -> bool:
    if entry.path and entry.path[-1].startswith("$"):
        return True
    if entry.method in ("GET", "HEAD"):
        return entry.path != ("metadata",)
    return entry.method in ("PUT", "PATCH", "DELETE") and len(entry.path) == 1


def content(entry: Entry) -> object:
    """The resource of an entry that must have one."""
    if entry.resource is None:
        raise outcome.BAD_BUNDLE(f"A {entry.method} entry needs a resource.")
    return entry.resource
