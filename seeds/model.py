"""Who and what the demo population is made of: agencies, facilities, clinicians, persons, and the day it is seen from.

Everything here is invented. Every identifier is of a kind that is never issued (Social Security numbers begin with 9),
and every resource is labelled as test data.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo

Resource = dict[str, Any]
INFANT_DAYS_MIN, INFANT_DAYS_SPAN = 20, 314
"""Ages of babies in days: at least the one, and up to so many more."""

Labels = tuple[str, ...]
"""Security labels of a resource, as names of `seeds.codes.LABELS`."""


class Agency(StrEnum):
    """Who answers for a record."""

    DOD = "dod"
    VA = "va"
    USCG = "uscg"
    NOAA = "noaa"


class Branch(StrEnum):
    """The service a member belongs or belonged to."""

    ARMY = "army"
    NAVY = "navy"
    AIR_FORCE = "air-force"
    MARINES = "marines"
    SPACE_FORCE = "space-force"
    COAST_GUARD = "coast-guard"
    NOAA = "noaa"
    PUBLIC_HEALTH = "public-health"


class BeneficiaryClass(StrEnum):
    """Why somebody is in the record; codes of the CodeSystem in profiles/federal."""

    ACTIVE_DUTY = "active-duty"
    RESERVE = "reserve"
    NATIONAL_GUARD = "national-guard"
    RETIREE = "retiree"
    DEPENDENT_SPOUSE = "dependent-spouse"
    DEPENDENT_CHILD = "dependent-child"
    DEPENDENT_PARENT = "dependent-parent"
    VETERAN = "veteran"


@dataclass(frozen=True, slots=True)
class Clock:
    """The day the population is seen from. Ages, histories and calendars count from it, ids do not."""

    today: date

    def day(self, offset: int) -> date:
        """The day `offset` days from today; negative is past."""
        return self.today + timedelta(days=offset)

    def at(self, offset: int, hour: int, minute: int, zone: str) -> datetime:
        """A time of the wall clock in `zone`, `offset` days from today."""
        day = self.day(offset)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))

    def born(self, age: int, month: int, day: int) -> date:
        """The birth date of somebody who is `age` years old today.

        An infant (age 0) has had no birthday: month and day only tell how old it is, from three weeks (1, 1) to eleven
        months (12, 31), so that a baby stays a baby of that age on whatever day it is seen.
        """
        if age == 0:
            return self.day(-INFANT_DAYS_MIN - (31 * month + day) * INFANT_DAYS_SPAN // 403)
        had_birthday = (self.today.month, self.today.day) >= (month, day)
        return date(self.today.year - age - (not had_birthday), month, day)


@dataclass(frozen=True, slots=True)
class Facility:
    """A place of care: one Organization and one Location under the id `key`.

    `station` is its DMIS ID (DoD) or station number (VA). `live_in_days` is when it goes live, counted from today:
    negative where it did, positive where it has not yet.
    """

    key: str
    name: str
    agency: Agency
    station: str
    zone: str
    lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    phone: str
    latitude: float
    longitude: float
    live_in_days: int = -900


@dataclass(frozen=True, slots=True)
class Clinician:
    """One Practitioner under the id `key`, with one PractitionerRole `key`-role at `facility`.

    `specialty` is a name of `seeds.codes.SPECIALTIES`; `npi` is synthetic, with a correct check digit.
    """

    key: str
    family: str
    given: tuple[str, ...]
    prefix: str
    suffix: str
    gender: Literal["female", "male"]
    npi: str
    specialty: str
    facility: str


@dataclass(frozen=True, slots=True)
class Person:
    """One beneficiary: the Patient under the id `key`.

    `facility` and `clinician` are keys of where they are enrolled and who leads their care. `race` and `ethnicity` are
    names of `seeds.codes`. `number` makes their identifiers: unique, below 10,000 for the designed people. `sponsor` is
    the key of whom a dependent depends on, `relationship` a name of `seeds.codes.RELATIONSHIPS`.
    """

    key: str
    family: str
    given: tuple[str, ...]
    gender: Literal["female", "male"]
    age: int
    birthday: tuple[int, int]
    beneficiary_class: BeneficiaryClass
    agency: Agency
    branch: Branch | None
    number: int
    facility: str
    clinician: str
    race: tuple[str, ...]
    ethnicity: str
    lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    language: str = "en-US"
    rank: str = ""
    marital_status: str = "U"
    sponsor: str | None = None
    relationship: str = ""
    is_veteran: bool = False
    deceased_days_ago: int | None = None
    has_icn: bool = False
