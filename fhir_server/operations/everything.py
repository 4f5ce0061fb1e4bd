"""Patient/[id]/$everything: all of one patient's record that the caller may see, page by page.

https://hl7.org/fhir/R4/operation-patient-everything.html
"""

import msgspec

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.instant import format_instant, now, parse_instant
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.accesses import sent
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.history import HORIZON
from fhir_server.interactions.operation import Call
from fhir_server.interactions.patient_record import Asked, PatientRecord
from fhir_server.interactions.reading import Page, Reading
from fhir_server.interactions.searchset import NO_ENTRIES, Entries, drawn_entries
from fhir_server.operations.patient_of_call import note_export, patient_id, patient_of
from fhir_server.search.page import CURSOR_PARAMETER, PageState, seal, unseal
from fhir_server.search.parameter_types.date import stretch, to_milliseconds
from fhir_server.store.search import SnapshotGone

DEFAULT_COUNT = 200
MAX_COUNT = 1000

_TAKEN = ("start", "end", "_since", "_type", "_count")


async def everything(context: RequestContext, call: Call) -> Answer:
    """200 with a searchset: the Patient, what is of its record and, as included, what that refers to.

    Raises FhirError 404 for a patient who is none of the caller's, 403 for a token without Patient, 400 for values that
    cannot be used and for a page link of another caller.
    """
    id = patient_id(context, call)
    path = f"Patient/{id}/$everything"
    state = _state(context, call, path)
    asked, count = _asked(id, state.pairs)
    await patient_of(context, id)
    try:
        return await _page(context, path, state, asked, count)
    except SnapshotGone:
        # The link has outlived MongoDB's history: rows changed since the first page stay out of what is left.
        return await _page(context, path, msgspec.structs.replace(state, snapshot=None), asked, count)


def _state(context: RequestContext, call: Call, path: str) -> PageState:
    cursor = call.one(CURSOR_PARAMETER)
    given = tuple((name, text) for name in _TAKEN for text in call.all(name))
    if cursor is None:
        return PageState(given, now(), None)
    if given:
        raise outcome.BAD_CURSOR(f"{CURSOR_PARAMETER} stands alone: the page link says all else.", CURSOR_PARAMETER)
    server = context.server
    return unseal(server.cursor_key, cursor, path, context.sight.caller, now(), server.cursor_seconds)


def _asked(id: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Asked, int]:
    """What is asked, and how much of it at once."""
    values = dict(pairs)
    types = [each.strip() for name, text in pairs if name == "_type" for each in text.split(",")]
    for each in types:
        if not is_resource_type(each):
            raise outcome.BAD_OPERATION_CALL(f"_type names '{each[:64]}', which is no resource type of R4.", "_type")
    count = int(values.get("_count", DEFAULT_COUNT))
    if count < 1:
        raise outcome.BAD_OPERATION_CALL("_count must be 1 or more.", "_count")
    since = None
    if "_since" in values:
        # In a query an unescaped "+" of a time zone arrives as a space.
        moment = parse_instant(values["_since"].replace(" ", "+"))
        if moment is None:
            raise outcome.BAD_OPERATION_CALL("_since must be an instant such as 2026-01-01T00:00:00Z.", "_since")
        since = to_milliseconds(moment)
    begins, ends = (stretch(values[name]) if name in values else None for name in ("start", "end"))
    chosen = frozenset(types) if types else None
    asked = Asked(id, chosen, since, begins[0] if begins else None, ends[1] if ends else None)
    return asked, min(count, MAX_COUNT)


async def _page(context: RequestContext, path: str, state: PageState, asked: Asked, count: int) -> Answer:
    is_first = state.after is None
    reading = Reading(
        context,
        state.ceiling,
        state.snapshot,
        ceiling=state.ceiling if not is_first and state.snapshot is None else None,
        existing=state.types,
        is_first=is_first,
    )
    record = PatientRecord(reading, asked)
    page = await record.page(count, state.after)
    total = await record.count() if is_first else None
    others = await record.referred(page.rows)
    places = tuple(f"{type}/{row.id}" for type, row in (*page.rows, *others))
    note_export(context, "everything", "Patient", asked.patient, places)
    links = [{"relation": "self", "url": f"{context.base}/{path}{_query(state)}"}]
    if page.after is not None:
        following = msgspec.structs.replace(state, after=page.after, snapshot=reading.at, types=reading.existing)
        cursor = seal(context.server.cursor_key, following, path, context.sight.caller, now())
        links.append({"relation": "next", "url": f"{context.base}/{path}?{CURSOR_PARAMETER}={cursor}"})
    return Answer(200, _bundle(context, state, total, links, page, Page(others, None)))


def _query(state: PageState) -> str:
    return f"?{sent(state.pairs)}" if state.pairs else ""


def _bundle(
    context: RequestContext, state: PageState, total: int | None, links: list[dict[str, str]], page: Page, others: Page
) -> bytes:
    # What a transaction stamps it may commit a minute later: who asks `_since` this moment misses nothing.
    current = format_instant(state.ceiling - HORIZON)
    head = b'{"resourceType":"Bundle","meta":{"lastUpdated":' + encode(current) + b'},"type":"searchset"'
    if total is not None:
        head += b',"total":%d' % total
    head += b',"link":' + encode(links)
    pieces = [*drawn_entries(context, _columns(page), b"match"), *drawn_entries(context, _columns(others), b"include")]
    if not pieces:
        return head + b"}"
    pieces[0] = head + b',"entry":[' + pieces[0][1:]
    return b"".join((*pieces, b"]}"))


def _columns(page: Page) -> Entries:
    if not page.rows:
        return NO_ENTRIES
    return Entries([f"{type}/{row.id}" for type, row in page.rows], [row.body for _, row in page.rows])
