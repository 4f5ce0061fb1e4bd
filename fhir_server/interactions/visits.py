"""The rules of visits, whoever writes an Appointment or Slot and by whatever interaction: a booking takes its slot in
the same transaction, a cancellation frees it, a move does both.

Each slot that is taken or freed is written over the version that was looked at, so that of two bookings one stands and
the other looks again. What a person has at the same time is guarded by a turn of the patient's. docs/adr/0033-visits.md
"""

from dataclasses import dataclass, replace

from fhir_server.care import scheduling, visit_labels, visit_places, visit_times
from fhir_server.care.scheduling import KEEPS_SLOT, LIVE, NOT_LIVE, status_of
from fhir_server.care.visit_times import Party, Span, span
from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import ANY_VERSION, Document, Notice, Put, WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Change, Stored
from fhir_server.interactions.visit_facts import VisitFacts
from fhir_server.interactions.visit_slots import TAKEN, Slots
from fhir_server.policy_writes import is_bound_to_patients
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.search.parameter_types.token import label
from fhir_server.store import resources, turns

TYPES = frozenset({"Appointment", "Slot"})
REMINDER = "visit-reminder"
_GIVEN = ("start", "end", "slot", "participant")
"""Elements of a visit that its slots and their Schedule give."""


async def ruled(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan in which slots follow their visits, visits have what their slots give them, and reminders are kept.

    What the operator of a server without sign-in writes is taken as it is. Raises FhirError 409 where a slot is taken,
    422 where a rule is broken.
    """
    if context.sight.access is None:
        return plan
    keys = {f"visits of Patient/{id}" for each in plan.documents for id in _takers(context, each)}
    seen = await turns.seen(context.server.database, keys) if keys else ()
    plan, changes = await facts.changes(context, plan, TYPES)
    # What the store refuses, it refuses in its own words: nobody learns here of what is out of reach.
    changes = [each for each in changes if await _is_within_reach(context, each)]
    moment = now()
    look = VisitFacts(context, moment)
    look.know(plan)
    slots = Slots(context, _party(context), to_milliseconds(moment), look, changes)
    visits = [each for each in changes if each.document.type == "Appointment"]
    judged = [(each, await _Visit(slots, each).judged()) for each in visits]
    await slots.judge()
    notices, withdrawn = _reminders(slots, judged)
    for change, resource in judged:
        plan = _with(plan, change, _stored(context, change, resource))
    plan = replace(plan, notices=(*plan.notices, *notices), withdrawn=(*plan.withdrawn, *withdrawn))
    return facts.with_added(replace(plan, turns=(*plan.turns, *seen)), await slots.added())


def _party(context: RequestContext) -> Party:
    access = context.sight.access
    if access is not None and access.kind == "patient":
        return "patient"
    return "staff" if is_bound_to_patients(context.sight) else "register"


def _takers(context: RequestContext, document: Document) -> tuple[str, ...]:
    """The ids of the patients whose time a document takes."""
    if not isinstance(document, Put) or document.type != "Appointment" or status_of(document.resource) not in LIVE:
        return ()
    return visit_places.patients(document.resource, context.own_bases)


async def _is_within_reach(context: RequestContext, change: Change) -> bool:
    document = change.document
    if document.if_version not in (None, ANY_VERSION) and document.if_version != document.seen:
        return False
    if change.former is None:
        return isinstance(document, Put) and document.creates
    if document.within is None:
        return True
    return await resources.read(context.server.database, document.type, document.id, document.within) is not None


@dataclass(frozen=True, slots=True)
class _Visit:
    """One Appointment of a plan."""

    slots: Slots
    change: Change

    async def judged(self) -> Resource | None:
        """What is stored for it; its slots are noted. Raises FhirError 422 and 409."""
        slots, former, resource = self.slots, self.change.former, self.change.resource
        if resource is None:
            await slots.leave(self.change.document.id, former)
            return None
        scheduling.refuse_step(former, resource, slots.party, slots.now)
        places = slots.named(resource, strictly=slots.party != "register")
        resource = await self._booked(self._with_hold(resource), places)
        await slots.leave(self.change.document.id, former, slots.kept(resource))
        slots.settled[self.change.document.id] = resource
        return await self._labelled(resource, places)

    def _with_hold(self, resource: Resource) -> Resource:
        """With the end of its hold as the server said it: nobody lengthens it, or forgets that it was."""
        if self.slots.party == "register":
            return resource
        former = self.change.former
        return scheduling.with_held_until(resource, None if former is None else scheduling.held_until(former))

    async def _booked(self, resource: Resource, places: tuple[str, ...]) -> Resource:
        """The Appointment with what booking it gives it, where it is booked, held or moved by this."""
        former, slots = self.change.former, self.slots
        status, before, time = status_of(resource), status_of(former), span(resource)
        if status not in KEEPS_SLOT or (slots.party == "register" and time is not None and time.start <= slots.now):
            self._refuse_moved(resource)
            return resource
        is_new = before not in LIVE or before == "pending" != status
        if status in LIVE and (is_new or set(places) != set(slots.held(former))):
            if places or (slots.party == "patient" and status in ("pending", "booked")):
                return await self._taking(resource, places)
        elif places and former is not None and any(former.get(each) != resource.get(each) for each in _GIVEN):
            named = [await slots.bookable(each) for each in places]
            resource = visit_times.timed(former, resource, named, visit_times.together(named, "staff"))
            if slots.party != "register" and status in ("pending", "booked"):
                resource = visit_places.with_patients(resource, slots.context.own_bases)
            if status in LIVE and set(_patients(slots, resource)) - set(_patients(slots, former)):
                await self._refuse_overlap(resource, visit_times.together(named, "staff"))
            return await self._attended(resource, named[0], places)
        if time is not None and status in LIVE and (before not in LIVE or span(former or {}) != time):
            await self._refuse_overlap(resource, time)
        return resource

    def _refuse_moved(self, resource: Resource) -> None:
        """What ends a visit does not move it as well: its slots tell which are freed."""
        former = self.change.former
        ends = former is not None and status_of(former) in LIVE and status_of(resource) in NOT_LIVE
        if ends and former and self.slots.party != "register" and former.get("slot") != resource.get("slot"):
            raise outcome.VISIT_SLOT("Leave the slots of a visit that ends as they are.", "Appointment.slot")

    async def _taking(self, resource: Resource, places: tuple[str, ...]) -> Resource:
        """The Appointment that takes these slots."""
        slots, former, status = self.slots, self.change.former, status_of(resource)
        named = [await slots.bookable(each) for each in places]
        time = visit_times.together(named, slots.party)
        if status == status_of(former) == "pending" and slots.party != "register":
            raise outcome.VISIT_HOLD("A hold is not moved: let it go, and hold another slot.", "Appointment.slot")
        if set(places) - set(slots.held(former)):
            visit_times.refuse_past(time, slots.now)
        where = await slots.look.where(named[0])
        if where is None:
            raise outcome.VISIT_SLOT("The slot has no Schedule here: choose another slot.", "Appointment.slot")
        where.refuse()
        resource = visit_times.timed(former, resource, named, time)
        if slots.party != "register":
            resource = visit_places.with_patients(resource, slots.context.own_bases)
        resource = await self._attended(resource, named[0], places)
        for place in places:
            await slots.take(self.change, resource, place)
        await self._refuse_overlap(resource, time)
        if status == "pending" and slots.party != "register":
            await self._refuse_hold(resource, places, time)
            until = slots.now + scheduling.HOLD_MINUTES * visit_times.MINUTE
            return scheduling.with_held_until(resource, until)
        return resource

    async def _attended(self, resource: Resource, slot: Resource, places: tuple[str, ...]) -> Resource:
        """With those who take part by the slot's Schedule in place of those of the slot it leaves."""
        look = self.slots.look
        where = await look.where(slot)
        if where is None or self.slots.party == "register":
            return resource
        left: tuple[str, ...] = ()
        for place in set(self.slots.kept(self.change.former)) - set(places):
            before = (await look.stored(place)).resource
            there = await look.where(before) if before is not None else None
            left += there.actors if there is not None else ()
        return visit_places.with_actors(resource, where.actors, left, where.role_of, self.slots.context.own_bases)

    async def _refuse_overlap(self, resource: Resource, time: Span) -> None:
        slots, wanted = self.slots, set(self.slots.kept(resource))
        for patient in visit_places.patients(resource, slots.context.own_bases) if slots.party != "register" else ():
            others = self._others(await slots.look.around(patient, time, is_live=True), patient)
            # Holds that make room for this one are in nobody's way, but were held all the same.
            others = [each for each in others if each.get("id") not in slots.ended]
            # The person's own second request reads the first one's visit here, but the slot from before it.
            if any(not wanted.isdisjoint(slots.held(each)) for each in others):
                raise outcome.SLOT_TAKEN(TAKEN, "Appointment.slot")
            scheduling.refuse_overlap(time, others, slots.now)

    async def _refuse_hold(self, resource: Resource, places: tuple[str, ...], time: Span) -> None:
        slots = self.slots
        for patient in visit_places.patients(resource, slots.context.own_bases):
            there = await slots.look.around(patient, time) | await slots.look.holds(patient)
            others = self._others(there, patient)
            scheduling.refuse_hold(places, [(each, slots.named(each)) for each in others], slots.now)

    def _others(self, there: dict[str, Stored], patient: str) -> list[Resource]:
        """The other Appointments of a Patient, of those stored and of the plan's, that the caller may know of."""
        slots = self.slots
        found = [
            each.resource
            for id, each in there.items()
            if each.resource is not None and id != self.change.document.id and not slots.is_planned(id)
        ]
        found += [
            each
            for each in slots.visits(self.change)
            if patient in visit_places.patients(each, slots.context.own_bases)
        ]
        return [each for each in found if not slots.is_hidden(each, patient)]

    async def _labelled(self, resource: Resource, places: tuple[str, ...]) -> Resource:
        """With the labels that hide a sensitive visit, as its kind, who takes part in it and its slots say."""
        sources = [resource, *await self.slots.look.taking_part(resource)]
        for place in places:
            slot = await self.slots.resource(place)
            where = None if slot is None else await self.slots.look.where(slot)
            sources += [] if slot is None else [slot]
            sources += [] if where is None else [where.schedule, *where.resources]
        return visit_labels.with_labels(resource, visit_labels.hiding(sources))


def _patients(slots: Slots, visit: Resource) -> tuple[str, ...]:
    return visit_places.patients(visit, slots.context.own_bases)


def _reminders(slots: Slots, judged: list[tuple[Change, Resource | None]]) -> tuple[list[Notice], list[str]]:
    """The reminders to be kept, and the ids of those that are out of date."""
    kept: list[Notice] = []
    dropped: list[str] = []
    for change, resource in judged:
        wanted, former = (_notices(slots, change.document.id, each) for each in (resource, change.former))
        kept += [notice for id, notice in wanted.items() if id not in former and notice.due > slots.now]
        dropped += [id for id in former if id not in wanted]
    return kept, dropped


def _notices(slots: Slots, id: str, visit: Resource | None) -> dict[str, Notice]:
    """The reminders of one visit by their ids, those included whose time has come."""
    time = None if visit is None else span(visit)
    if visit is None or time is None or status_of(visit) != "booked":
        return {}
    found = {}
    for patient in visit_places.patients(visit, slots.context.own_bases):
        key, due = f"visit/{id}/{time.start}/{patient}", visit_times.reminder_due(time)
        found[key] = Notice(key, REMINDER, f"Patient/{patient}", due, f"Appointment/{id}", "booked")
    return found


def _stored(context: RequestContext, change: Change, resource: Resource | None) -> Document:
    """The document with what the rules made of its resource. What a patient may not take from the labels stays."""
    document = change.document
    if resource is None or not isinstance(document, Put) or resource == document.resource:
        return document
    alone = facts.with_resource(context, WritePlan((document,)), document, resource).documents[0]
    is_kept = document.keeps is not None and document.keeps.all_labels and change.former is not None
    if not isinstance(alone, Put) or not is_kept or _labels(change.former) != _labels(document.resource):
        return alone
    assert document.keeps is not None
    # The labels that the rules add must not look like a patient's change of them.
    return replace(alone, keeps=replace(document.keeps, all_labels=False, labels=frozenset(document.index.labels)))


def _labels(resource: Resource | None) -> set[str | None]:
    meta = (resource or {}).get("meta") or {}
    return {label(each) for name in ("security", "tag") for each in meta.get(name, ())}


def _with(plan: WritePlan, change: Change, document: Document) -> WritePlan:
    return replace(plan, documents=tuple(document if each is change.document else each for each in plan.documents))
