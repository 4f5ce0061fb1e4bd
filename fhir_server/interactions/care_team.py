"""Who is in a CareTeam or a Group, and for how long.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/group.html
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST, stretch
from fhir_server.search.parameter_types.reference import located


@dataclass(frozen=True, slots=True)
class Member:
    """A member: `place` as the index writes references (`Practitioner/p7`), and the time, in ms since 1970 UTC."""

    place: str
    begins: int
    ends: int


def members(body: bytes, own_bases: tuple[str, ...]) -> tuple[Member, ...]:
    """The participants that are named by a reference, from the stored JSON of a CareTeam."""
    found = ((each.member, each.period) for each in _care_team.decode(body).participant)
    return _named(found, own_bases)


def group_members(body: bytes, own_bases: tuple[str, ...]) -> tuple[Member, ...]:
    """Those of a Group, but for inactive ones; nobody is in a group that is not in use."""
    group = _group.decode(body)
    found = ((each.entity, each.period) for each in group.member if not each.inactive)
    return _named(found, own_bases) if group.active else ()


def _named(
    found: "Iterable[tuple[_Reference | None, _Period | None]]", own_bases: tuple[str, ...]
) -> tuple[Member, ...]:
    named: list[Member] = []
    for reference, period in found:
        text = reference.reference if reference else None
        place = located(text, own_bases) if text else None
        if place is not None:
            named.append(Member(place, *_stretch(period or _Period())))
    return tuple(named)


def _stretch(period: "_Period") -> tuple[int, int]:
    start, end = stretch(period.start or ""), stretch(period.end or "")
    return (start[0] if start else FAR_PAST), (end[1] if end else FAR_FUTURE)


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Period(msgspec.Struct):
    start: str | None = None
    end: str | None = None


class _Participant(msgspec.Struct):
    member: _Reference | None = None
    period: _Period | None = None


class _CareTeam(msgspec.Struct):
    participant: list[_Participant] = []


class _GroupMember(msgspec.Struct):
    entity: _Reference | None = None
    period: _Period | None = None
    inactive: bool = False


class _Group(msgspec.Struct):
    member: list[_GroupMember] = []
    active: bool = True


_care_team = msgspec.json.Decoder(_CareTeam)
_group = msgspec.json.Decoder(_Group)
