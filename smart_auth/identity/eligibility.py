"""Who is enrolled: what the registry of eligibility (DEERS, in the world) says of a person.

domain.md 2.3, 3.1 and 3.4 have the words.
"""

from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A class of beneficiary (`active-duty`, a code of CodeSystem beneficiary-class) and its days, both inclusive."""

    beneficiary_class: str
    start: date
    end: date | None = None

    def holds(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.start <= day and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person as the registry knows them. `dod_id` has ten digits; `sponsor_dod_id` and `relationship` (`spouse`,
    `child`, ...) are those of a dependent. `icn` is the VA's number, where there is one.
    """

    dod_id: str
    family: str
    given: tuple[str, ...]
    birth_date: date
    suffix: str = ""
    statuses: tuple[ServiceStatus, ...] = ()
    sponsor_dod_id: str | None = None
    relationship: str | None = None
    icn: str | None = None

    def classes(self, day: date) -> frozenset[str]:
        """The classes of beneficiary in force on a day."""
        return frozenset(each.beneficiary_class for each in self.statuses if each.holds(day))


class RegistryUnavailable(Exception):
    """The registry did not answer, or not in a way that can be relied upon: nothing is known either way."""


class EligibilityRegistry(Protocol):
    """What stands for DEERS. Every method raises RegistryUnavailable."""

    async def by_dod_id(self, dod_id: str) -> Enrolled | None:
        """Who has this DoD ID (ten digits)."""
        ...

    async def by_ssn(self, ssn: str) -> Enrolled | None:
        """Who has this Social Security number (nine digits)."""
        ...

    async def dependents_of(self, dod_id: str) -> tuple[Enrolled, ...]:
        """Whose sponsor this person is, by their DoD IDs in order."""
        ...
