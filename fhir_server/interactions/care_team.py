"""Who takes part in a CareTeam, and for how long.

https://hl7.org/fhir/R4/careteam.html
"""

from dataclasses import dataclass

import msgspec

from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST, stretch
from fhir_server.search.parameter_types.reference import located


@dataclass(frozen=True, slots=True)
class Member:
    """A participant: `place` as the index writes references (`Practitioner/p7`), and the time, in ms since 1970 UTC."""

    place: str
    begins: int
    ends: int


def members(body: bytes, own_bases: tuple[str, ...]) -> tuple[Member, ...]:
    """The participants that are named by a reference, from the stored JSON of a CareTeam."""
    found: list[Member] = []
    for participant in _care_team.decode(body).participant:
        text = participant.member.reference if participant.member else None
        place = located(text, own_bases) if text else None
        if place is not None:
            found.append(Member(place, *_stretch(participant.period or _Period())))
    return tuple(found)


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


_care_team = msgspec.json.Decoder(_CareTeam)
