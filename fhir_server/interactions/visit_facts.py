"""What the rules of visits look at: slots and who names them, a person's other visits, and where a Schedule is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from fhir_server.care import visit_places
from fhir_server.care.scheduling import LONGEST_VISIT_HOURS, NOT_LIVE, TRANSITIONS
from fhir_server.care.visit_times import MINUTE, Span
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Stored
from fhir_server.policy import RESTRICTED
from fhir_server.search.parameter_types.token import label
from fhir_server.store import related
from fhir_server.store.related import Naming

MOST_PARTS = 5
"""Steps from an Organization up to those it is part of."""
_MOST_NAMING = 1_000
_MOST_VISITS = 1_000
_NO_HOLD = tuple(f"status|{each}|" for each in sorted(TRANSITIONS.keys() - {"pending"}))
_PAST = tuple(f"status|{each}|" for each in NOT_LIVE)


@dataclass(frozen=True, slots=True)
class Where:
    """A Schedule and its place: the resources of its actors, their places, the Practitioner of a role that it names."""

    schedule: Resource
    actors: tuple[str, ...]
    resources: tuple[Resource, ...]
    role_of: str | None
    is_federal: bool
    is_live: bool

    @property
    def is_bookable(self) -> bool:
        """Whether anything is booked by it."""
        return visit_places.is_in_use(self.schedule) and self.is_federal and self.is_live

    def refuse(self) -> None:
        """Raise FhirError 422 where nothing is booked by this Schedule."""
        if not visit_places.is_in_use(self.schedule):
            raise outcome.VISIT_SLOT(
                "The Schedule of this slot is not active: choose another slot.", "Appointment.slot"
            )
        if not self.is_federal:
            text = "Visits are booked here at facilities of the military and federal health system alone."
            raise outcome.VISIT_FACILITY(text, "Appointment.slot")
        if not self.is_live:
            raise outcome.VISIT_FACILITY("This facility does not keep its records here yet.", "Appointment.slot")


@dataclass(slots=True)
class VisitFacts:
    """Reads each thing once for one look at a plan; `moment` is now."""

    context: RequestContext
    moment: datetime
    _known: dict[str, Stored] = field(default_factory=dict)
    _where: dict[str, Where | None] = field(default_factory=dict)

    def know(self, plan: WritePlan) -> None:
        """Take Schedules, facilities and what else a plan writes as it leaves them."""
        for each in plan.documents:
            if isinstance(each, Put) and each.type not in ("Appointment", "Slot"):
                self._known[f"{each.type}/{each.id}"] = Stored(each.resource, 0)

    async def stored(self, place: str) -> Stored:
        """What is stored at `Type/id`."""
        if place not in self._known:
            type, _, id = place.partition("/")
            self._known[place] = await facts.stored(self.context, type, id)
        return self._known[place]

    async def naming(self, slot: str) -> dict[str, Stored]:
        """The Appointments by id that name a slot (`Slot/s1`) and are pending, booked or under way."""
        return await self._appointments(Naming("Appointment", (f"slot|{slot}",), without=_PAST), _MOST_NAMING)

    async def around(self, patient: str, time: Span, is_live: bool = False) -> dict[str, Stored]:
        """The Appointments of a Patient (an id) that may meet this time, whatever their status, or if `is_live` those
        that take the patient's time.
        """
        begins = time.start - LONGEST_VISIT_HOURS * 60 * MINUTE
        tokens = (f"patient|Patient/{patient}",)
        # Of requests and cancelled ones there may be any number: they must not crowd out what counts.
        without = _PAST if is_live else ()
        naming = Naming("Appointment", tokens, without=without, dates=("date",), begins=begins, ends=time.end)
        return await self._appointments(naming, _MOST_VISITS)

    async def holds(self, patient: str) -> dict[str, Stored]:
        """The pending Appointments of a Patient (an id)."""
        naming = Naming("Appointment", (f"patient|Patient/{patient}",), without=_NO_HOLD)
        return await self._appointments(naming, _MOST_VISITS)

    async def taking_part(self, appointment: Resource) -> list[Resource]:
        """The Locations, HealthcareServices and PractitionerRoles that take part in an Appointment."""
        actors = (
            visit_places.place(each.get("actor"), self.context.own_bases) for each in appointment.get("participant", ())
        )
        places = dict.fromkeys(each for each in actors if each is not None and visit_places.is_facility(each))
        by_type: dict[str, list[str]] = {}
        for place in places.keys() - self._known.keys():
            type, _, id = place.partition("/")
            by_type.setdefault(type, []).append(id)
        for type, ids in by_type.items():
            found = await facts.stored_many(self.context, type, ids)
            self._known |= {f"{type}/{id}": each for id, each in found.items()}
        there = (self._known[place].resource for place in places)
        return [each for each in there if each is not None]

    async def _appointments(self, naming: Naming, limit: int) -> dict[str, Stored]:
        rows = await related.owned_rows(self.context.server.database, naming, limit)
        found = await facts.stored_many(self.context, "Appointment", [row.id for row in rows])
        return {id: each for id, each in found.items() if each.resource is not None}

    async def where(self, slot: Resource) -> Where | None:
        """The Schedule of a slot and its place; None where there is none."""
        own_bases = self.context.own_bases
        place = visit_places.place(slot.get("schedule"), own_bases)
        if place is None or not place.startswith("Schedule/"):
            return None
        if place not in self._where:
            self._where[place] = await self._located(place)
        return self._where[place]

    async def _located(self, place: str) -> Where | None:
        schedule = (await self.stored(place)).resource
        if schedule is None or is_restricted(schedule):
            return None
        own_bases = self.context.own_bases
        actors = visit_places.actors(schedule, own_bases)
        found = [(await self.stored(each)).resource for each in actors if visit_places.is_facility(each)]
        resources = [each for each in found if each is not None]
        roles = (each for each in resources if each["resourceType"] == "PractitionerRole")
        role_of = next((visit_places.place(each.get("practitioner"), own_bases) for each in roles), None)
        chains = [await self._organizations(each) for each in resources]
        is_federal = bool(chains) and len(resources) == len(found) and all(map(visit_places.is_in_use, resources))
        is_federal = is_federal and all(map(visit_places.is_federal, chains))
        together = [*resources, *(each for chain in chains for each in chain)]
        is_live = all(visit_places.is_live(each, self.moment) is not False for each in together)
        return Where(schedule, actors, tuple(resources), role_of, is_federal, is_live)

    async def _organizations(self, actor: Resource) -> list[Resource]:
        """The Organization that an actor is of, and those that it is part of."""
        own_bases = self.context.own_bases
        place = visit_places.organization_of(actor, own_bases)
        found: list[Resource] = []
        while place is not None and place.startswith("Organization/") and len(found) < MOST_PARTS:
            organization = (await self.stored(place)).resource
            if organization is None:
                break
            found.append(organization)
            place = visit_places.place(organization.get("partOf"), own_bases)
        return found


def is_restricted(resource: Resource) -> bool:
    """Whether a Slot or Schedule is hidden from all who have no reason: to them it is as if it were not there."""
    security: Iterable[Resource] = resource.get("meta", {}).get("security", ())
    return any(label(each) in RESTRICTED for each in security)
