"""Whom a person acts for in the family, as the records say it now: the ports that the pages and grants stand on.

https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/consent.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smart_auth.records import Account


class NoSuchRelation(Exception):
    """There is no such relation, or it is not this person's to end or to give."""


@dataclass(frozen=True, slots=True)
class Relative:
    """Somebody who stands beside a patient in that patient's record.

    `id` is the RelatedPerson's; `relationship` is what they are to the patient, in words (`mother`). `is_active` says
    that the relationship is in force, `acts` that they act for the patient now; `can_be_revoked`, that it is the
    patient's to end that; `can_be_let`, that the patient is of age and may let them act.
    """

    id: str
    name: str
    relationship: str
    is_active: bool
    can_be_revoked: bool
    acts: bool = False
    can_be_let: bool = False


@dataclass(frozen=True, slots=True)
class Represented:
    """A patient whom a person acts for now.

    `related` is the id of the RelatedPerson they are in that record, `relationship` what the patient is to them in
    words (`your child`); `is_limited` says that part of the record is the patient's alone.
    """

    patient: str
    related: str
    relationship: str
    is_limited: bool


class Proxies(Protocol):
    """What stands about families in the records. Every method lets through what says that they cannot be read now."""

    async def acts_for(self, patients: Sequence[str]) -> tuple[str, ...]:
        """The ids of the patients whom the person with these records of their own acts for now, in a fixed order."""
        ...

    async def represented(self, patients: Sequence[str]) -> list[Represented]:
        """The same, with what they are to that person."""
        ...

    async def relatives_of(self, patient: str) -> list[Relative]:
        """Everybody who stands beside this patient, whether or not they act for them."""
        ...

    async def revoke(self, account: Account, patient: str, related: str) -> None:
        """End what lets the RelatedPerson `related` act for the patient: by the patient, or by that person themselves.

        Raises NoSuchRelation where it is neither, or where nothing is in force.
        """
        ...

    async def let(self, account: Account, patient: str, related: str) -> None:
        """Let the RelatedPerson `related` see the record, by the patient's own word; once more changes nothing.

        Raises NoSuchRelation where the record is not this person's, they are not of age, or the relationship is not in
        force.
        """
        ...

    async def contest(self, account: Account, patient: str, related: str) -> None:
        """Say that the RelatedPerson `related` is none of this patient: ends at once, and staff look at it.

        Raises NoSuchRelation where neither record is this person's.
        """
        ...
