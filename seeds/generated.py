"""Populations of any size for load tests: families made up by chance from the same parts as the designed people.

The same number of patients, seed and day give the same resources, byte for byte. One family is in memory at a time.
"""

from collections.abc import Iterator
from datetime import date
from random import Random

from seeds import calendar, clinicians, generated_people, generated_records
from seeds.chart import Chart, Directory
from seeds.model import Clock, Person, Resource
from seeds.population import shared

POPULATION = "generated"
"""Code of the tag on every resource."""

FIRST_NUMBER = 10_000
"""Numbers of persons below are the designed people's."""
MAX_PATIENTS = 900_000
"""As many as six digits of number make identifiers for (`seeds.ids.icn`)."""


def population(patients: int, seed: int, today: date) -> Iterator[Resource]:
    """What is nobody's record (facilities, clinicians, calendars), then the records of so many patients as of `today`.

    About 150 resources a patient. The people of two seeds have different ids, but identifiers of the same numbers.
    Raises ValueError for a number of patients below 1 or above MAX_PATIENTS.
    """
    if not 1 <= patients <= MAX_PATIENTS:
        raise ValueError(f"patients must be between 1 and {MAX_PATIENTS}")
    directory, clock = clinicians.directory(), Clock(today)
    yield from shared(directory, clock, POPULATION)
    yield from calendar.schedules(directory, clock, population=POPULATION)
    number = FIRST_NUMBER
    last = FIRST_NUMBER + patients
    while number < last:
        family = generated_people.family(Random(f"{seed} {number}"), directory, number, f"g{seed}")[: last - number]
        for person in family:
            yield from _record(person, family[0], seed, directory, clock)
        number += len(family)


def _record(person: Person, sponsor: Person, seed: int, directory: Directory, clock: Clock) -> list[Resource]:
    chart = Chart(person, directory, clock, Random(f"{seed} {person.key}"), POPULATION)
    generated_records.write(chart, sponsor)
    return chart.resources
