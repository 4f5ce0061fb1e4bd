"""`Appointment/$find` (ITI-115): visits that could be booked, made from the free slots to come.

https://profiles.ihe.net/ITI/Scheduling/ITI-115.html
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fhir_server.care import visit_places, visit_times
from fhir_server.care.visit_times import Span
from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.interactions import care_places, search
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.interactions.visit_facts import VisitFacts, Where
from fhir_server.operations import appointments
from fhir_server.search.parameter_types.date import stretch, to_milliseconds
from fhir_server.store import related
from fhir_server.store.related import Naming

DAYS = 30
MOST = 100
"""Proposals in one answer."""
_MOST_SLOTS = 2_000
"""Looked at for one answer: of most nothing may be booked."""
_PER_PAGE = 100
_MOST_SCHEDULES = 200
_MOST_NAMED = 100
"""Of those that one parameter names: each practitioner's roles are looked up."""
_DAY = 24 * 60 * visit_times.MINUTE
_CODES = {"service-type": "service-type", "specialty": "specialty", "visit-type": "appointment-type"}
"""Parameters with a code, and those of a search of slots that they are."""

Pairs = list[tuple[str, str]]


async def find(context: RequestContext, call: Call) -> Answer:
    """200 with a searchset of proposed Appointments in the order of time, each naming its free slot; where there are
    more than it holds, an outcome in it says from when on to ask again.

    They are of federal facilities that are live. Raises FhirError 400 for a stretch of time that is none, 403 where the
    token lets no slots be searched, 404 for a patient who is none of the caller's.
    """
    moment = now()
    who = appointments.patient(context, call, "s")
    wanted = _wanted(call, to_milliseconds(moment))
    pairs = _pairs(call, wanted)
    schedules = await _schedules(context, call, to_milliseconds(moment))
    found: list[tuple[int, Resource]] = []
    left_out: int | None = None
    if schedules is None or schedules:
        pairs += [("schedule", ",".join(schedules))] if schedules else []
        look = VisitFacts(context, moment)
        count = min(int(call.one("_count") or MOST), MOST)
        seen = 0
        async for slot in _slots(context, pairs):
            time = visit_times.span(slot)
            if time is None or time.start <= to_milliseconds(moment):
                continue
            seen += 1
            where = await look.where(slot) if visit_times.is_timed(slot) else None
            is_found = where is not None and where.is_bookable
            if (is_found and len(found) == count) or seen > _MOST_SLOTS:
                left_out = time.start
                break
            if where is not None and is_found:
                found.append((time.start, _proposed(slot, where, who, call)))
    if left_out is None:
        return Answer(200, encode(appointments.bundle(context, [each for _, each in found])))
    return Answer(200, encode(_begun(context, wanted, found, left_out)))


def _begun(context: RequestContext, wanted: Span, found: list[tuple[int, Resource]], left_out: int) -> Resource:
    """What begins before the first that is left out, and that the rest is found by asking from there on."""
    before = [each for start, each in found if start < left_out]
    if before or (not found and wanted.start < left_out):
        start, end = (visit_times.instant_text(each) for each in (left_out, wanted.end))
        text = f"There are more free slots: ask again with 'start={start}' and 'end={end}'."
        return appointments.bundle(context, before, text)
    # One would be told of the same again.
    text = "More free slots begin at one moment than an answer holds: ask for fewer practitioners, places or kinds."
    return appointments.bundle(context, [each for _, each in found], text)


def _wanted(call: Call, moment: int) -> Span:
    """The stretch of time that is asked for, both ends inside it."""
    begins, ends = (_moment(call, name) for name in ("start", "end"))
    start = max(moment, begins[0] if begins else moment)
    end = ends[1] if ends else start + DAYS * _DAY
    if end < start and (begins is None or ends is None or ends[1] < begins[0]):
        raise outcome.BAD_OPERATION_CALL("The time that is asked for ends before it begins, or is past.", "end")
    return Span(start, max(end, start))


def _pairs(call: Call, wanted: Span) -> Pairs:
    """The search of slots, without where they are."""
    pairs = [("status", "free"), ("start", f"ge{visit_times.instant_text(wanted.start)}")]
    pairs += [
        ("start", f"le{visit_times.instant_text(wanted.end)}"),
        ("_sort", "start"),
        ("_count", str(_PER_PAGE)),
    ]
    for name, parameter in _CODES.items():
        tokens = [token for each in call.all(name) for token in _tokens(each)]
        if call.all(name) and not tokens:
            raise outcome.BAD_OPERATION_CALL(f"'{name}' needs a coding with a code.", name)
        pairs += [(parameter, ",".join(tokens))] if tokens else []
    return pairs


def _moment(call: Call, name: str) -> tuple[int, int] | None:
    text = call.one(name)
    if text is None:
        return None
    found = stretch(text)
    # What datetime cannot hold is no time of a visit.
    if found is None or not 0 <= found[0] < 2**47:
        raise outcome.BAD_OPERATION_CALL(f"'{name}' names no time of a visit.", name)
    return found


def _tokens(concept: Any) -> list[str]:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return [
        f"{_escaped(each['system'])}|{_escaped(each['code'])}" if "system" in each else _escaped(each["code"])
        for each in codings
        if "code" in each
    ]


def _escaped(text: str) -> str:
    for each in ("\\", ",", "|", "$"):
        text = text.replace(each, "\\" + each)
    return text


async def _schedules(context: RequestContext, call: Call, moment: int) -> list[str] | None:
    """The places of the Schedules that are asked for by who and where; None where nothing is said of that."""
    groups = [
        await _practitioners(context, _places(context, call, "practitioner"), moment),
        tuple(_places(context, call, "location") + _places(context, call, "location-reference")),
        await _of_organizations(context, _places(context, call, "organization"), moment),
    ]
    found: set[str] | None = None
    for name, group in zip(("practitioner", "location", "organization"), groups, strict=True):
        is_asked = bool(call.all(name)) or (name == "location" and bool(call.all("location-reference")))
        if not is_asked:
            continue
        naming = Naming("Schedule", tuple(f"actor|{each}" for each in group))
        rows = await related.owned_rows(context.server.database, naming, _MOST_SCHEDULES) if group else []
        ids = {f"Schedule/{row.id}" for row in rows}
        found = ids if found is None else found & ids
    return None if found is None else sorted(found)


def _places(context: RequestContext, call: Call, name: str) -> list[str]:
    found: dict[str, None] = {}
    for each in call.all(name):
        place = visit_places.place(each, context.own_bases)
        if place is None:
            raise outcome.BAD_OPERATION_CALL(f"Name what is asked for in '{name}' by a reference to this server.", name)
        found[place] = None
    if len(found) > _MOST_NAMED:
        raise outcome.BAD_OPERATION_CALL(f"'{name}' names more than {_MOST_NAMED}: ask for fewer at once.", name)
    return list(found)


async def _practitioners(context: RequestContext, places: list[str], moment: int) -> tuple[str, ...]:
    """They and their roles."""
    found: dict[str, None] = dict.fromkeys(places)
    for each in places:
        if each.startswith("Practitioner/"):
            found |= dict.fromkeys((await care_places.roles(context.server.database, moment, each)).own)
    return tuple(found)


async def _of_organizations(context: RequestContext, places: list[str], moment: int) -> tuple[str, ...]:
    """What is at an organisation and may have a calendar of its own."""
    named = await care_places.places(context.server.database, moment, tuple(places))
    return tuple(each for each in named if visit_places.is_facility(each))


async def _slots(context: RequestContext, pairs: Pairs) -> AsyncIterator[Resource]:
    """The free slots, page by page of an ordinary search by the same caller."""
    while True:
        answer = await search.search(context, "Slot", pairs)
        page = decode(answer.body or b"{}")
        for entry in page.get("entry", ()):
            yield entry["resource"]
        following = next((each["url"] for each in page.get("link", ()) if each["relation"] == "next"), None)
        if following is None:
            return
        pairs = parse_qsl(urlsplit(following).query, keep_blank_values=True)


def _proposed(slot: Resource, where: Where, who: str | None, call: Call) -> Resource:
    made = appointments.proposal(slot)
    id = appointments.PROPOSED + slot["id"]
    # An id that is too long is left to the reference of the slot.
    made["id"] = id if len(id) <= 64 else slot["id"]
    if call.all("reason"):
        made["reasonCode"] = list(call.all("reason"))
    time = visit_times.span(slot)
    if time is not None and time.end > time.start:
        made["minutesDuration"] = max(1, (time.end - time.start) // visit_times.MINUTE)
    names = ([] if who is None else [who]) + list(where.actors)
    made["participant"] = [
        {"actor": {"reference": each}, "required": "required", "status": "needs-action"} for each in names
    ]
    return made
