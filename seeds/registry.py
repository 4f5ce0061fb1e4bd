"""What the registry of eligibility knows: the designed people, and a few who have no record yet.

Entries have the fields of smart_auth.identity.eligibility.Enrolled as JSON has them, and `ssn`. No number was ever
issued to anybody.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from seeds import ids
from seeds.families import MEMBERS
from seeds.model import BeneficiaryClass, Clock, Person
from seeds.people import birth_date

Entry = dict[str, Any]

ENROLLED_DAYS = 1_500
"""How long ago the designed people were enrolled, or at their birth where that was later."""

BORN_OTHERWISE = {"volkov-irina": 9}
"""Days by which the registry has another birth date than the record: her registration is on hold."""

NOT_ENROLLED = frozenset({"price-walter"})
"""Known to the registry, and of no class: his registration was rejected."""

_SUFFIXES = {"washington-harold": "Sr."}

_RELATIONSHIPS: Mapping[BeneficiaryClass, str] = {
    BeneficiaryClass.DEPENDENT_SPOUSE: "spouse",
    BeneficiaryClass.DEPENDENT_CHILD: "child",
    BeneficiaryClass.DEPENDENT_PARENT: "parent",
}

_FIRST_WITHOUT_RECORD = 9_900


def enrolled(today: date) -> tuple[Entry, ...]:
    """Everybody the registry knows on a day: the designed people first."""
    clock = Clock(today)
    numbers = {member.person.key: member.person.number for member in MEMBERS}
    return (*(_designed(member.person, clock, numbers) for member in MEMBERS), *without_record(today))


def without_record(today: date) -> tuple[Entry, ...]:
    """Those of whom there is no Patient: an accented name with a suffix, two with one name and birthday, and a family
    of which only the sponsor can begin.
    """
    clock = Clock(today)
    years = clock.day(-1_000)
    andre, cruz_a, cruz_b, dana, eli = range(_FIRST_WITHOUT_RECORD, _FIRST_WITHOUT_RECORD + 5)
    return (
        _entry(andre, "Núñez-O’Hara", ("André", "José"), clock.born(58, 2, 29), "retiree", years, suffix="III"),
        _entry(cruz_a, "Cruz", ("Maria",), clock.born(47, 5, 17), "retiree", years),
        _entry(cruz_b, "Cruz", ("Maria",), clock.born(47, 5, 17), "veteran", years, icn=ids.icn(cruz_b)),
        _entry(dana, "Whitfield", ("Dana", "Lee"), clock.born(31, 10, 3), "active-duty", years),
        _entry(eli, "Whitfield", ("Eli",), clock.born(4, 1, 20), "dependent-child", years, sponsor=dana),
    )


def _designed(person: Person, clock: Clock, numbers: Mapping[str, int]) -> Entry:
    born = birth_date(person, clock)
    start = max(born, clock.day(-ENROLLED_DAYS))
    entry = _entry(
        person.number,
        person.family,
        person.given,
        born + timedelta(days=BORN_OTHERWISE.get(person.key, 0)),
        person.beneficiary_class,
        start,
        suffix=_SUFFIXES.get(person.key, ""),
        sponsor=None if person.sponsor is None else numbers[person.sponsor],
        icn=ids.icn(person.number) if person.has_icn else None,
    )
    if person.key in NOT_ENROLLED:
        entry["statuses"] = []
    if person.deceased_days_ago is not None:
        entry["statuses"][0]["end"] = clock.day(-person.deceased_days_ago).isoformat()
    return entry


def _entry(
    number: int,
    family: str,
    given: tuple[str, ...],
    born: date,
    of: str,
    start: date,
    *,
    suffix: str = "",
    sponsor: int | None = None,
    icn: str | None = None,
) -> Entry:
    beneficiary_class = BeneficiaryClass(of)
    return {
        "dod_id": ids.dod_id(number),
        "ssn": ids.ssn(number),
        "family": family,
        "given": list(given),
        "suffix": suffix,
        "birth_date": born.isoformat(),
        "statuses": [{"beneficiary_class": beneficiary_class.value, "start": start.isoformat()}],
        "sponsor_dod_id": None if sponsor is None else ids.dod_id(sponsor),
        "relationship": None if sponsor is None else _RELATIONSHIPS[beneficiary_class],
        "icn": icn,
    }
