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
from fhir_server.interactions.care_team import Member, members
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


async def related_patients(server: Server, fhir_user: str | None) -> frozenset[str]:
    """The ids of the patients that `fhir_user` (`Practitioner/p7`, `PractitionerRole/r1`) has a care relation with.

    At most MAX_RELATED, as of a second ago at most where that is quick to find out. Nobody for other users. Raises
    FhirError 503 where the database is away.
    """
    if fhir_user is None or not fhir_user.startswith(("Practitioner/", "PractitionerRole/")):
        return frozenset()
    known = _known(server.database)
    kept = known.patients.get(fhir_user)
    if kept is not None and monotonic() < kept.until:
        return kept.patients
    task = known.running.get(fhir_user)
    if task is None:
        task = asyncio.create_task(_found_out(server, known, fhir_user))
        known.running[fhir_user] = task
        task.add_done_callback(lambda _: known.running.pop(fhir_user, None))
    # A caller that goes away must not take the answer from the others.
    return await asyncio.shield(task)


async def names_related(server: Server, fhir_user: str | None, patient: str) -> bool:
    """Whether there is a care relation with this patient."""
    return patient in await related_patients(server, fhir_user)


@dataclass(frozen=True, slots=True)
class _Kept:
    patients: frozenset[str]
    until: float


@dataclass(slots=True)
class _Known:
    """What this worker found out. `teams` has version and participants of CareTeams, `is_told` whether the log has."""

    patients: dict[str, _Kept] = field(default_factory=dict)
    running: dict[str, asyncio.Task[frozenset[str]]] = field(default_factory=dict)
    teams: dict[str, tuple[int, tuple[Member, ...]]] = field(default_factory=dict)
    is_told: bool = False


_KNOWN = ("care relation",)


def _known(database: Database) -> _Known:
    found = database.noted.get(_KNOWN)
    if found is None:
        found = database.noted[_KNOWN] = (float("inf"), _Known())
    known: _Known = found[1]
    return known


async def _found_out(server: Server, known: _Known, fhir_user: str) -> frozenset[str]:
    began = monotonic()
    patients = await _Search(server, known, to_milliseconds(now())).patients(fhir_user)
    took = monotonic() - began
    if len(known.patients) >= _MOST_KEPT:
        known.patients.clear()
    # From when it began: what is written while it runs may be missing.
    known.patients[fhir_user] = _Kept(patients, began + min(max(_KEPT_SECONDS, _SHARE * took), _LONGEST_SECONDS))
    return patients


@dataclass(frozen=True, slots=True)
class _Search:
    """One finding out; `moment` is now, in ms since 1970 UTC."""

    server: Server
    known: _Known
    moment: int

    async def patients(self, fhir_user: str) -> frozenset[str]:
        """All of them."""
        own, organisations = await roles(self._database, self.moment, fhir_user)
        theirs = await places(self._database, self.moment, organisations)
        in_teams, at_all = await asyncio.gather(self._in_teams(own), self._tied((*own, *theirs)))
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

    async def _in_teams(self, own: tuple[str, ...]) -> frozenset[str]:
        """The patients of the teams that have this person as a participant today."""
        tokens = tuple(f"{parameter}|{place}" for parameter in _TEAM.parameters for place in own)
        working = current(_TEAM.type, self.moment, tokens, without=_TEAM.without)
        rows = await related.owned_rows(self._database, working, MAX_RELATED)
        await self._read_teams([row for row in rows if self.known.teams.get(row.id, (0, ()))[0] != row.version])
        found: set[str] = set()
        for row in rows:
            _, participants = self.known.teams.get(row.id, (0, ()))
            if any(each.place in own and each.begins <= self.moment <= each.ends for each in participants):
                found |= set(row.owners)
        return frozenset(found)

    async def _read_teams(self, rows: list[related.OwnedRow]) -> None:
        if len(self.known.teams) + len(rows) > _MOST_TEAMS:
            self.known.teams.clear()
        for start in range(0, len(rows), _READ_AT_ONCE):
            ids = [row.id for row in rows[start : start + _READ_AT_ONCE]]
            for id, (version, body) in (await related.bodies(self._database, _TEAM.type, ids)).items():
                self.known.teams[id] = version, members(body, self.server.own_bases)

    def _tell(self) -> None:
        if not self.known.is_told:
            self.known.is_told = True
            log.warning("organisations left out of care relations", reason="too many patients", at_most=MAX_RELATED)

    @property
    def _database(self) -> Database:
        return self.server.database
