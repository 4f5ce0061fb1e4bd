"""The designed people, by their stories: each module lists its people as `PEOPLE`, sponsors first."""

from seeds.families import (
    air_and_space,
    army,
    coast_guard,
    foster,
    guard_and_reserve,
    hughes,
    kowalski,
    nakamura,
    noaa,
    protected,
    registering,
    rivera,
    rivera_children,
    sea,
    sullivan,
    veterans,
    walker,
    washington,
)
from seeds.people import Member

MEMBERS: tuple[Member, ...] = (
    *rivera.PEOPLE,
    *rivera_children.PEOPLE,
    *walker.PEOPLE,
    *protected.PEOPLE,
    *nakamura.PEOPLE,
    *washington.PEOPLE,
    *coast_guard.PEOPLE,
    *noaa.PEOPLE,
    *kowalski.PEOPLE,
    *army.PEOPLE,
    *sea.PEOPLE,
    *air_and_space.PEOPLE,
    *guard_and_reserve.PEOPLE,
    *veterans.PEOPLE,
    *sullivan.PEOPLE,
    *foster.PEOPLE,
    *hughes.PEOPLE,
    *registering.PEOPLE,
)
