"""Somebody to write a record for: one clinic, one clinician, one person of any age."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from random import Random
from typing import Any, Literal
from zoneinfo import ZoneInfo

from seeds import visits
from seeds.chart import Chart, Directory, Visit
from seeds.model import Agency, BeneficiaryClass, Branch, Clinician, Clock, Facility, Person

TODAY = date(2026, 11, 22)
WHEN = datetime(2026, 10, 1, 9, 0, tzinfo=ZoneInfo("America/New_York"))

CLINIC = Facility(
    key="test-clinic",
    name="Test Clinic",
    agency=Agency.VA,
    station="999",
    zone="America/New_York",
    lines=("1 Road",),
    city="Norfolk",
    state="VA",
    postal_code="23505",
    phone="555-0100",
    latitude=36.9,
    longitude=-76.3,
)
DOCTOR = Clinician(
    key="doe-jane",
    family="Doe",
    given=("Jane",),
    prefix="Dr",
    suffix="MD",
    gender="female",
    npi="1234567893",
    specialty="family-medicine",
    facility="test-clinic",
)


def chart(
    age: int = 40,
    gender: Literal["female", "male"] = "female",
    today: date = TODAY,
    birthday: tuple[int, int] = (5, 5),
) -> Chart:
    """The empty chart of a person of that age."""
    person = Person(
        key="test-person",
        family="Person",
        given=("Test",),
        gender=gender,
        age=age,
        birthday=birthday,
        beneficiary_class=BeneficiaryClass.VETERAN,
        agency=Agency.DOD,
        branch=Branch.NAVY,
        number=7,
        facility="test-clinic",
        clinician="doe-jane",
        race=("white",),
        ethnicity="not-hispanic",
        lines=("2 Street",),
        city="Norfolk",
        state="VA",
        postal_code="23505",
    )
    directory = Directory({CLINIC.key: CLINIC}, {DOCTOR.key: DOCTOR})
    return Chart(person, directory, Clock(today), Random(person.key))


@contextmanager
def visit(record: Chart, key: str = "visit", kind: str = "office") -> Iterator[Visit]:
    """A visit to the clinic on the first of October."""
    with visits.visit(record, key, WHEN, kind) as opened:
        yield opened


def of_type(record: Chart, type_name: str) -> list[dict[str, Any]]:
    """The resources of a type in the order in which they were written down."""
    return [each for each in record.resources if each["resourceType"] == type_name]


def found(record: Chart, reference: str) -> dict[str, Any]:
    """The resource that a reference such as `Observation/test-person-x` names."""
    return next(each for each in record.resources if f"{each['resourceType']}/{each['id']}" == reference)
