"""Whether somebody is who they say, by the registry of eligibility: numbers find a person, name and birth date fit.

Nothing here says to the person which of it was wrong: whoever calls this answers all but Proven by one text.
"""

from dataclasses import dataclass
from datetime import date

from smart_auth.identity import numbers
from smart_auth.identity.eligibility import EligibilityRegistry, Enrolled
from smart_auth.identity.names import same_name

DISCREPANCY = "deers-discrepancy"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person says of themselves. At least one number: a name alone proves nothing, and neither does a day."""

    name: str
    birth_date: date
    dod_id: str | None = None
    ssn: str | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """All that was typed is this person's, who is of one of the wanted classes today."""

    enrolled: Enrolled


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """The numbers are this person's, but either the name or the birth date is not as the registry has it."""

    enrolled: Enrolled
    reason: str = DISCREPANCY


@dataclass(frozen=True, slots=True)
class NotEligible:
    """All that was typed is this person's, who is of none of the wanted classes today."""

    enrolled: Enrolled


@dataclass(frozen=True, slots=True)
class NotRecognized:
    """Nobody is known by this; or by one number somebody else than by the other."""


NOT_RECOGNIZED = NotRecognized()

Proof = Proven | Discrepancy | NotEligible | NotRecognized


async def prove(registry: EligibilityRegistry, typed: Typed, wanted: frozenset[str], today: date) -> Proof:
    """What the registry says of what was typed. `wanted` are classes of beneficiary; empty: any, and none.

    Raises RegistryUnavailable.
    """
    found = await _found(registry, typed)
    if found is None:
        return NOT_RECOGNIZED
    is_name = same_name(typed.name, found.family, found.given, found.suffix)
    is_day = typed.birth_date == found.birth_date
    if not is_name and not is_day:
        # A number with nothing else right was guessed or mistyped: it is nobody's discrepancy.
        return NOT_RECOGNIZED
    if not (is_name and is_day):
        return Discrepancy(found)
    return Proven(found) if not wanted or wanted & found.classes(today) else NotEligible(found)


async def _found(registry: EligibilityRegistry, typed: Typed) -> Enrolled | None:
    """Whom all the numbers name that were typed. Each of them is asked for, whatever the other one gave."""
    found: list[Enrolled | None] = []
    if typed.dod_id is not None:
        dod_id = numbers.dod_id(typed.dod_id)
        found.append(None if dod_id is None else await registry.by_dod_id(dod_id))
    if typed.ssn is not None:
        ssn = numbers.ssn(typed.ssn)
        found.append(None if ssn is None else await registry.by_ssn(ssn))
    people = [each for each in found if each is not None]
    if not people or len(people) < len(found) or len({each.dod_id for each in people}) > 1:
        return None
    return people[0]
