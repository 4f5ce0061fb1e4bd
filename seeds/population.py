"""The demo population: everything the stories need, in an order in which references point backwards as far as possible.

Same day, same bytes: nothing here reads a clock, a random source or the environment.
"""

from datetime import date
from random import Random

from seeds import calendar, clinicians, definitions, facilities, groups, orders
from seeds.chart import Chart, Directory
from seeds.families import MEMBERS
from seeds.model import Clock, Resource
from seeds.people import Member


def demo(today: date) -> list[Resource]:
    """All resources of the demo population as seen on the day `today`; their ids do not depend on it."""
    clock = Clock(today)
    directory = clinicians.directory()
    records = [resource for member in MEMBERS for resource in record(member, directory, clock)]
    appointments = [each for each in records if each["resourceType"] == "Appointment"]
    # Before the records are listed: two appointments that took one slot are set apart here.
    slots = calendar.schedules(directory, clock, appointments)
    return [*shared(directory, clock), *slots, *records, *groups.resources()]


def shared(directory: Directory, clock: Clock, population: str = "demo") -> list[Resource]:
    """What is nobody's record: definitions, facilities, clinicians, and the medicines of the formulary."""
    return [
        *definitions.resources(population),
        *facilities.resources(clock, population),
        *clinicians.resources(population),
        *orders.formulary(population),
    ]


def record(member: Member, directory: Directory, clock: Clock) -> list[Resource]:
    """The record of one designed person, alike whoever else is in the population."""
    chart = Chart(member.person, directory, clock, Random(member.person.key))
    # What no visit signs, such as the Patient itself, is signed as a whole.
    with chart.signed("record", clock.at(-1, 20, 0, chart.facility.zone), chart.facility, chart.clinician):
        member.write(chart)
    return chart.resources
