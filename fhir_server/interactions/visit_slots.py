"""The slots of the visits that one plan writes: which are taken, which become free, and which holds make room.

docs/adr/0033-visits.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fhir_server.care import scheduling, visit_places, visit_times
from fhir_server.care.scheduling import KEEPS_SLOT, status_of
from fhir_server.care.visit_times import Party, span
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Put
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Change, Stored
from fhir_server.interactions.visit_facts import VisitFacts, is_restricted
from fhir_server.policy import NOWHERE, Permission, visible
from fhir_server.search.parameter_types.token import label

TAKEN = "This slot is not free any more. Choose another one."
_WRITING: tuple[Permission, ...] = ("c", "u")
_OF_SLOT = ("status", "start", "end", "schedule")


@dataclass(slots=True)
class Slots:
    """One look at them. `decided` are the statuses that slots are to have, by place (`Slot/s1`); `ended` the holds that
    make room, by the id of their Appointment; `settled` the Appointments that were judged already, by id.
    """

    context: RequestContext
    party: Party
    now: int
    look: VisitFacts
    changes: list[Change]
    decided: dict[str, str] = field(default_factory=dict)
    ended: dict[str, Stored] = field(default_factory=dict)
    settled: dict[str, Resource] = field(default_factory=dict)

    def named(self, appointment: Resource | None, strictly: bool = False) -> tuple[str, ...]:
        """The places of its slots. Raises FhirError 422, if `strictly`, for one that is not of this server."""
        found: dict[str, None] = {}
        for position, each in enumerate((appointment or {}).get("slot", ())):
            place = visit_places.place(each, self.context.own_bases)
            if place is not None and place.startswith("Slot/"):
                found[place] = None
            elif strictly:
                text = "Name a Slot of this server by its reference, as 'Slot/[id]'."
                raise outcome.VISIT_SLOT(text, f"Appointment.slot[{position}]")
        return tuple(found)

    def kept(self, appointment: Resource | None) -> tuple[str, ...]:
        """The places of the slots that an Appointment keeps by its status."""
        return self.named(appointment) if status_of(appointment) in KEEPS_SLOT else ()

    def held(self, appointment: Resource | None) -> tuple[str, ...]:
        """The same, without those of a hold that is over."""
        if appointment is None or scheduling.is_over(appointment, self.now):
            return ()
        return self.kept(appointment)

    async def bookable(self, place: str) -> Resource:
        """The Slot as the plan leaves it. Raises FhirError 422 where the caller finds none there."""
        slot = await self.resource(place)
        if slot is None or not visit_times.is_timed(slot) or (is_restricted(slot) and self.party != "register"):
            raise outcome.VISIT_SLOT(f"There is no {place} to book.", "Appointment.slot")
        return slot

    async def resource(self, place: str) -> Resource | None:
        """The Slot as the plan leaves it; None where there is none."""
        planned = self._planned(place)
        return (await self.look.stored(place)).resource if planned is None else planned.resource

    def is_planned(self, id: str) -> bool:
        """Whether the plan writes the Appointment of this id."""
        return self._planned(f"Appointment/{id}") is not None

    def visits(self, besides: Change | None = None) -> list[Resource]:
        """The Appointments that the plan leaves, but for one."""
        return [
            self.settled.get(each.document.id, each.resource)
            for each in self.changes
            if each is not besides and each.resource is not None and each.document.type == "Appointment"
        ]

    async def take(self, change: Change, resource: Resource, place: str) -> None:
        """Note that an Appointment takes a slot, which is free, this person's already, or left by another of the plan.

        Raises FhirError 409 for every other one.
        """
        await self._make_room(change, resource, place)
        self.decided[place] = "busy-tentative" if status_of(resource) == "pending" else "busy"

    async def _make_room(self, change: Change, resource: Resource, place: str) -> None:
        planned = self._planned(place)
        slot = (await self.look.stored(place)).resource if planned is None else planned.former
        if slot is None:
            return
        naming = await self.look.naming(place)
        others = {id: each for id, each in naming.items() if id != change.document.id and not self.is_planned(id)}
        for each in others.values():
            if scheduling.is_live(each.resource or {}, self.now) and not self._is_own_hold(each.resource, resource):
                raise outcome.SLOT_TAKEN(TAKEN, "Appointment.slot")
        if any(place in self.held(each) for each in self.visits(change)):
            raise outcome.SLOT_TAKEN(TAKEN, "Appointment.slot")
        is_left = any(place in self.kept(each.former) for each in self.changes if each.document.type == "Appointment")
        # What is imported brings its own statuses: a busy slot that no visit names is that of this one.
        makes_room = is_left or bool(others) or (self.party == "register" and not naming)
        if slot.get("status") != "free" and not (makes_room and slot.get("status") in ("busy", "busy-tentative")):
            raise outcome.SLOT_TAKEN(TAKEN, "Appointment.slot")
        self.ended |= others

    def _is_own_hold(self, hold: Resource | None, resource: Resource) -> bool:
        own_bases = self.context.own_bases
        theirs = visit_places.patients(hold or {}, own_bases)
        is_own = status_of(hold) == "pending" and set(theirs) == set(visit_places.patients(resource, own_bases))
        return is_own and not any(self.is_hidden(hold or {}, each) for each in theirs)

    def is_hidden(self, appointment: Resource, patient: str) -> bool:
        """Whether its labels hide an Appointment of a Patient (an id) from the caller, who is not to learn that it is
        there: not even by what cannot be booked beside it.
        """
        reaches = [
            reach
            for letter in _WRITING
            for reach in (visible(self.context.sight, "Appointment", letter) or NOWHERE).reaches
            if reach.owners is None or patient in reach.owners
        ]
        labels = {label(each) for each in appointment.get("meta", {}).get("security", ())}
        return all(not labels.isdisjoint(reach.without_labels) for reach in reaches)

    async def leave(self, id: str, former: Resource | None, kept: Iterable[str] = ()) -> None:
        """Note the slots that an Appointment leaves, that have not begun and that no other keeps: they become free."""
        for place in set(self.kept(former)) - set(kept) - self.decided.keys():
            slot = (await self.look.stored(place)).resource
            time = span(slot or {})
            if slot is None or time is None or time.start <= self.now:
                continue
            if slot.get("status") in ("busy", "busy-tentative") and not await self._is_kept_by_others(id, place):
                self.decided[place] = "free"

    async def _is_kept_by_others(self, id: str, place: str) -> bool:
        naming = await self.look.naming(place)
        left = self.ended.keys() | {id}
        others = [each.resource or {} for other, each in naming.items() if other not in left]
        stored = [each for each in others if not self.is_planned(str(each.get("id")))]
        planned = [
            each.resource
            for each in self.changes
            if each.resource is not None and each.document.id != id and place in self.kept(each.resource)
        ]
        return any(scheduling.is_live(each, self.now) for each in (*stored, *planned))

    async def judge(self) -> None:
        """End the holds that made room, and look at the Slots that were sent.

        Raises FhirError 409 for one that does not follow its visits.
        """
        for id, each in self.ended.items():
            await self.leave(id, each.resource)
        for change in self.changes:
            if change.document.type == "Slot":
                await self._judge_sent(change, f"Slot/{change.document.id}")

    async def _judge_sent(self, change: Change, place: str) -> None:
        wanted = self.decided.pop(place, None)
        if wanted is not None:
            if (change.resource or {}).get("status") != wanted:
                text = f"This Slot becomes '{wanted}' by its visits: leave it out, or send it so."
                raise outcome.SLOT_IN_USE(text, "Slot.status")
            return
        name = next((name for name in _OF_SLOT if _differs(change, name)), None)
        if change.former is None or name is None:
            return
        for id, each in (await self.look.naming(place)).items():
            if not self.is_planned(id) and scheduling.is_live(each.resource or {}, self.now):
                text = "A visit is booked in this slot: cancel or move the visit, which frees it."
                raise outcome.SLOT_IN_USE(text, f"Slot.{name}")

    async def added(self) -> list[Put]:
        """The Slots as their visits leave them, and the holds that ended."""
        found = []
        for place, status in self.decided.items():
            stored = await self.look.stored(place)
            if stored.resource is not None:
                slot = stored.resource | {"status": status}
                found.append(facts.added(self.context, slot, place.partition("/")[2], "PUT", stored.version))
        for id, hold in self.ended.items():
            if hold.resource is not None:
                over = hold.resource | {"status": "cancelled"}
                found.append(facts.added(self.context, over, id, "PUT", hold.version))
        return found

    def _planned(self, place: str) -> Change | None:
        for each in self.changes:
            if f"{each.document.type}/{each.document.id}" == place:
                return each
        return None


def _differs(change: Change, name: str) -> bool:
    before, after = change.former or {}, change.resource or {}
    if name in ("start", "end"):
        return visit_times.moment(before.get(name)) != visit_times.moment(after.get(name))
    return bool(before.get(name) != after.get(name))
