"""The Patient of a person, with what US Core asks: identifiers, names, race, ethnicity, sex, language.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-patient.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from seeds import ids
from seeds.chart import US_CORE, Chart
from seeds.clinicians import shown_name
from seeds.codes import ETHNICITIES, RACES, coding, concept
from seeds.model import Agency, BeneficiaryClass, Branch, Clock, Person, Resource

VETERAN_STATUS = "http://hl7.org/fhir/us/military-service/StructureDefinition/military-service-veteran-status"
BENEFICIARY_CLASS = "urn:fhir-server:federal:beneficiary-class-of"
BRANCH = "urn:fhir-server:federal:branch-of-service"
INTERPRETER = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"

OWN_EMAIL_AGE = 13


@dataclass(frozen=True, slots=True)
class Member:
    """One designed person and what is written into their record."""

    person: Person
    write: Callable[[Chart], None]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a Patient says beyond `Person`.

    `elements` are added as they are, `extensions` after the usual ones; `earlier_name` is a family name borne until
    `changed_days_ago`, `earlier_address` an Address left then.
    """

    elements: Mapping[str, object] = field(default_factory=dict)
    extensions: tuple[Resource, ...] = ()
    earlier_name: str = ""
    earlier_address: tuple[str, str, str, str] | None = None
    changed_days_ago: int = 900
    suffix: str = ""


PLAIN = Identity()


@dataclass(frozen=True, slots=True)
class Household:
    """What the members of a household share; `race` and `ethnicity` may be said otherwise for one of them."""

    agency: Agency
    branch: Branch | None
    facility: str
    lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    race: tuple[str, ...]
    ethnicity: str = "not-hispanic"

    def person(
        self,
        key: str,
        family: str,
        given: tuple[str, ...],
        gender: Literal["female", "male"],
        age: int,
        birthday: tuple[int, int],
        beneficiary_class: BeneficiaryClass,
        number: int,
        clinician: str,
        **other: Any,
    ) -> Person:
        """Somebody of the household; `other` are the fields of Person by name."""
        shared = {
            "agency": self.agency,
            "branch": self.branch,
            "facility": self.facility,
            "race": self.race,
            "ethnicity": self.ethnicity,
            "lines": self.lines,
            "city": self.city,
            "state": self.state,
            "postal_code": self.postal_code,
        }
        return Person(
            key=key,
            family=family,
            given=given,
            gender=gender,
            age=age,
            birthday=birthday,
            beneficiary_class=beneficiary_class,
            number=number,
            clinician=clinician,
            **{**shared, **other},
        )


def patient(chart: Chart, identity: Identity = PLAIN) -> str:
    """Write the Patient of the chart's person; its reference."""
    person, facility, clinician = chart.person, chart.facility, chart.clinician
    elements: Resource = {
        "extension": [*_extensions(person), *identity.extensions],
        "identifier": ids.patient_identifiers(person, facility),
        "active": True,
        "name": _names(chart, identity),
        "telecom": telecom(person),
        "gender": person.gender,
        "birthDate": birth_date(person, chart.clock).isoformat(),
    }
    if person.deceased_days_ago is not None:
        elements["deceasedDateTime"] = chart.clock.day(-person.deceased_days_ago).isoformat()
    elements |= {
        "address": _addresses(chart, identity),
        "maritalStatus": concept("v3-MaritalStatus", person.marital_status),
        "communication": [_communication(person)],
        "generalPractitioner": [{"reference": f"Practitioner/{clinician.key}", "display": shown_name(clinician)}],
        "managingOrganization": {"reference": f"Organization/{facility.key}", "display": facility.name},
        **identity.elements,
    }
    return chart.add("Patient", "", elements, profiles=("us-core-patient",))


def birth_date(person: Person, clock: Clock) -> date:
    """The day the person was born, from the age they have on the clock's day."""
    return clock.born(person.age, *person.birthday)


def day_before(chart: Chart, days: int) -> date:
    """The day `days` ago, or the person's birthday where that is later."""
    return max(chart.clock.day(-days), birth_date(chart.person, chart.clock))


def telecom(person: Person) -> list[Resource]:
    """A telephone number of the range kept for fiction, and an e-mail address under example.org; children have none."""
    phone = {"system": "phone", "value": f"202-555-{100 + person.number % 100:04d}", "use": "mobile"}
    if person.age < OWN_EMAIL_AGE:
        return [phone | {"use": "home"}]
    return [phone, {"system": "email", "value": f"{person.key}@example.org", "use": "home"}]


def address(person: Person) -> Resource:
    """Where the person lives."""
    return {
        "use": "home",
        "line": list(person.lines),
        "city": person.city,
        "state": person.state,
        "postalCode": person.postal_code,
        "country": "US",
    }


def name(person: Person) -> Resource:
    """The name in use, with the rank as prefix."""
    found: Resource = {"use": "official", "family": person.family, "given": list(person.given)}
    if person.rank:
        found["prefix"] = [person.rank]
    return found


def reference(person: Person) -> Resource:
    """The Reference to the person's Patient, with the name to show."""
    return {"reference": f"Patient/{person.key}", "display": f"{' '.join(person.given)} {person.family}"}


def us_core_extension(suffix: str, value: Resource) -> Resource:
    """A simple extension of US Core, such as `us-core-birthsex`."""
    return {"url": f"{US_CORE}{suffix}", **value}


def _names(chart: Chart, identity: Identity) -> list[Resource]:
    person = chart.person
    current = name(person)
    if identity.suffix:
        current["suffix"] = [identity.suffix]
    if not identity.earlier_name:
        return [current]
    changed = chart.clock.day(-identity.changed_days_ago).isoformat()
    former = {"use": "old", "family": identity.earlier_name, "given": list(person.given), "period": {"end": changed}}
    return [current | {"period": {"start": changed}}, former]


def _addresses(chart: Chart, identity: Identity) -> list[Resource]:
    current = address(chart.person)
    if identity.earlier_address is None:
        return [current]
    line, city, state, postal_code = identity.earlier_address
    moved = chart.clock.day(-identity.changed_days_ago).isoformat()
    former = {
        "use": "old",
        "line": [line],
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "country": "US",
        "period": {"end": moved},
    }
    return [current | {"period": {"start": moved}}, former]


def _communication(person: Person) -> Resource:
    return {"language": concept("language", person.language), "preferred": True}


def _extensions(person: Person) -> list[Resource]:
    races = [coding("race-ethnicity", RACES[each]) for each in person.race]
    ethnicity = coding("race-ethnicity", ETHNICITIES[person.ethnicity])
    found = [
        _categories("us-core-race", races),
        _categories("us-core-ethnicity", [ethnicity]),
        us_core_extension("us-core-birthsex", {"valueCode": "F" if person.gender == "female" else "M"}),
        us_core_extension("us-core-sex", {"valueCode": "248152002" if person.gender == "female" else "248153007"}),
        {"url": BENEFICIARY_CLASS, "valueCoding": coding("beneficiary-class", person.beneficiary_class)},
    ]
    if person.branch:
        found.append({"url": BRANCH, "valueCoding": coding("branch", person.branch)})
    if person.is_veteran:
        found.append({"url": VETERAN_STATUS, "valueBoolean": True})
    if not person.language.startswith("en"):
        found.append({"url": INTERPRETER, "valueBoolean": True})
    return found


def _categories(suffix: str, codings: list[Resource]) -> Resource:
    parts: list[Resource] = [{"url": "ombCategory", "valueCoding": each} for each in codings]
    parts.append({"url": "text", "valueString": ", ".join(each["display"] for each in codings)})
    return {"extension": parts, "url": f"{US_CORE}{suffix}"}
