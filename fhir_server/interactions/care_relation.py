"""Which patients a practitioner has a care relation with, found out from the records themselves.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/practitionerrole.html

There is one with the patients

- in whose care team the practitioner is, today;
- who have an encounter, an appointment or an order with the practitioner or at an organisation where the practitioner
  works, dated within `care_relation_days` before or after now;
- whose general practitioner the practitioner is, and those on the panel of such an organisation: it is their
  managing organisation or general practitioner.

A practitioner works at the organisations of their PractitionerRoles that are active and current. What names a colleague
without saying where (an order's requester) counts for an organisation if the colleague works nowhere else.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

import structlog

from fhir_server.core.instant import now
from fhir_server.interactions.care_places import current, places, roles
from fhir_server.interactions.care_team import Member, group_members, members
from fhir_server.interactions.context import Server
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.store import related
from fhir_server.store.mongo import Database
from fhir_server.store.related import Naming

log = structlog.get_logger()

MAX_RELATED = 10_000
"""Patients. With more the organisations' are left out, as a query cannot be led by so many."""

_KEPT_SECONDS = 1.0
_SHARE = 10
"""What took long is kept for that many times as long, so that it takes a tenth of the time, but for no longer than
a minute.
"""
_LONGEST_SECONDS = 60.0
_MOST_KEPT = 2_000
_MOST_TEAMS = 20_000
_READ_AT_ONCE = 1_000
_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Tie:
    """A type whose rows tie a patient to those named by `parameters`, unless they have a token of `without`.

    `dates` are the parameters that say when; without them the tie is for now.
    """

    type: str
    parameters: tuple[str, ...]
    dates: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


_NEVER_WAS = ("status|cancelled|", "status|entered-in-error|")
_NO_ORDER = ("status|draft|", *_NEVER_WAS, "intent|proposal|", "intent|plan|", "intent|option|")

TIES = (
    Tie("Patient", ("general-practitioner", "organization")),
    Tie("Encounter", ("participant", "service-provider", "location"), ("date",), _NEVER_WAS),
    Tie("Appointment", ("actor",), ("date",), _NEVER_WAS),
    Tie("ServiceRequest", ("requester", "performer"), ("authored", "occurrence"), _NO_ORDER),
    Tie(
        "MedicationRequest",
        ("requester", "intended-performer", "intended-dispenser"),
        ("authoredon",),
        _NO_ORDER,
    ),
    Tie("DeviceRequest", ("requester", "performer"), ("authored-on", "event-date"), _NO_ORDER),
    Tie("NutritionOrder", ("provider",), ("datetime",), _NO_ORDER),
    Tie("VisionPrescription", ("prescriber",), ("datewritten",), _NO_ORDER),
)
"""Everything but the care team, whose participants come and go one by one."""

_TEAM = Tie(
    "CareTeam",
    ("participant",),
    ("date",),
    ("status|proposed|", "status|suspended|", "status|inactive|", "status|entered-in-error|"),
)
_GROUP = Tie("Group", ("member",))


@dataclass(frozen=True, slots=True)
class CareRelations:
    """The ids of the `patients` somebody cares for, and the `places` by which messages reach that one: their own
    (`Practitioner/p7`), those of their roles and of the services, organisations, care teams and groups they belong to.
    """

    patients: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()


NOBODY = CareRelations()


async def care_relations(server: Server, fhir_user: str | None) -> CareRelations:
    """Those of `fhir_user` (`Practitioner/p7`, `PractitionerRole/r1`): at most MAX_RELATED patients, as of a second ago
    at most where that is quick to find out. NOBODY for other users. Raises FhirError 503 where the database is away.
    """
    if fhir_user is None or not fhir_user.startswith(("Practitioner/", "PractitionerRole/")):
        return NOBODY
    known = _known(server.database)
    kept = known.relations.get(fhir_user)
    if kept is not None and monotonic() < kept.until:
        return kept.relations
    task = known.running.get(fhir_user)
    if task is None:
        task = asyncio.create_task(_found_out(server, known, fhir_user))
        known.running[fhir_user] = task
        task.add_done_callback(lambda _: known.running.pop(fhir_user, None))
    # A caller that goes away must not take the answer from the others.
    return await asyncio.shield(task)


async def related_patients(server: Server, fhir_user: str | None) -> frozenset[str]:
    """The patients of them alone."""
    return (await care_relations(server, fhir_user)).patients


async def names_related(server: Server, fhir_user: str | None, patient: str) -> bool:
    """Whether there is a care relation with this patient."""
    return patient in await related_patients(server, fhir_user)


@dataclass(frozen=True, slots=True)
class _Kept:
    relations: CareRelations
    until: float


@dataclass(slots=True)
class _Known:
    """What this worker found out. `teams` has version and members of CareTeams and Groups by place; `is_told` is
    whether the log was.
    """

    relations: dict[str, _Kept] = field(default_factory=dict)
    running: dict[str, asyncio.Task[CareRelations]] = field(default_factory=dict)
    teams: dict[str, tuple[int, tuple[Member, ...]]] = field(default_factory=dict)
    is_told: bool = False


_KNOWN = ("care relation",)


def _known(database: Database) -> _Known:
    found = database.noted.get(_KNOWN)
    if found is None:
        found = database.noted[_KNOWN] = (float("inf"), _Known())
    known: _Known = found[1]
    return known


async def _found_out(server: Server, known: _Known, fhir_user: str) -> CareRelations:
    began = monotonic()
    found = await _Search(server, known, to_milliseconds(now())).relations(fhir_user)
    took = monotonic() - began
    if len(known.relations) >= _MOST_KEPT:
        known.relations.clear()
    # From when it began: what is written while it runs may be missing.
    known.relations[fhir_user] = _Kept(found, began + min(max(_KEPT_SECONDS, _SHARE * took), _LONGEST_SECONDS))
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    """One finding out; `moment` is now, in ms since 1970 UTC."""

    server: Server
    known: _Known
    moment: int

    async def relations(self, fhir_user: str) -> CareRelations:
        """All of them."""
        found = await roles(self._database, self.moment, fhir_user)
        own = found.own
        theirs = await places(self._database, self.moment, found.organisations)
        teams, groups, at_all = await asyncio.gather(
            self._memberships(_TEAM, own), self._memberships(_GROUP, own), self._tied((*own, *theirs))
        )
        patients = await self._patients(own, frozenset(owner for team in teams for owner in team.owners), at_all)
        joined = (*(f"CareTeam/{team.id}" for team in teams), *(f"Group/{group.id}" for group in groups))
        return CareRelations(patients, (*own, *found.organisations, *found.services, *joined))

    async def _patients(
        self, own: tuple[str, ...], in_teams: frozenset[str], at_all: frozenset[str] | None
    ) -> frozenset[str]:
        if at_all is not None and len(in_teams | at_all) <= MAX_RELATED:
            return in_teams | at_all
        self._tell()
        of_their_own = await self._tied(own)
        return frozenset(sorted(in_teams | (of_their_own or frozenset()))[:MAX_RELATED])

    async def _tied(self, places: tuple[str, ...]) -> frozenset[str] | None:
        """The patients tied to any of the places; None where they are too many."""
        found = await asyncio.gather(*(self._tied_by(tie, places) for tie in TIES))
        together: set[str] = set()
        for patients in found:
            if patients is None:
                return None
            together |= patients
        return frozenset(together) if len(together) <= MAX_RELATED else None

    async def _tied_by(self, tie: Tie, places: tuple[str, ...]) -> frozenset[str] | None:
        tokens = tuple(f"{parameter}|{place}" for parameter in tie.parameters for place in places)
        reach = self.server.care_relation_days * _DAY
        naming = Naming(
            tie.type,
            tokens,
            without=tie.without,
            dates=tie.dates,
            begins=self.moment - reach,
            ends=self.moment + reach,
        )
        return await related.owners(self._database, naming, MAX_RELATED)

    async def _memberships(self, tie: Tie, own: tuple[str, ...]) -> list[related.OwnedRow]:
        """The teams or groups that have this person as a member today."""
        tokens = tuple(f"{parameter}|{place}" for parameter in tie.parameters for place in own)
        working = current(tie.type, self.moment, tokens, without=tie.without)
        rows = await related.owned_rows(self._database, working, MAX_RELATED)
        teams = self.known.teams
        await self._read_members(
            tie.type, [row for row in rows if teams.get(f"{tie.type}/{row.id}", (0, ()))[0] != row.version]
        )
        return [row for row in rows if self._holds(teams.get(f"{tie.type}/{row.id}", (0, ()))[1], own)]

    def _holds(self, among: tuple[Member, ...], own: tuple[str, ...]) -> bool:
        return any(each.place in own and each.begins <= self.moment <= each.ends for each in among)

    async def _read_members(self, type: str, rows: list[related.OwnedRow]) -> None:
        if len(self.known.teams) + len(rows) > _MOST_TEAMS:
            self.known.teams.clear()
        read = members if type == _TEAM.type else group_members
        for start in range(0, len(rows), _READ_AT_ONCE):
            ids = [row.id for row in rows[start : start + _READ_AT_ONCE]]
            for id, (version, body) in (await related.bodies(self._database, type, ids)).items():
                self.known.teams[f"{type}/{id}"] = version, read(body, self.server.own_bases)

    def _tell(self) -> None:
        if not self.known.is_told:
            self.known.is_told = True
            log.warning("organisations left out of care relations", reason="too many patients", at_most=MAX_RELATED)

    @property
    def _database(self) -> Database:
        return self.server.database
