"""Who stands beside a patient: sponsors, parents, surrogates, each one RelatedPerson in the patient's record.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-relatedperson.html
"""

from typing import Literal

from seeds import ids
from seeds.chart import Chart
from seeds.codes import concept
from seeds.model import Person, Resource
from seeds.people import address, birth_date, day_before, name, telecom

Role = Literal["sponsor", "surrogate", "parent", "emergency-contact", "former-proxy"]


def relative(
    chart: Chart,
    key: str,
    other: Person,
    relationship: str,
    roles: tuple[Role, ...] = (),
    *,
    is_active: bool = True,
    since_days_ago: int = 1_500,
    ended_days_ago: int | None = None,
) -> str:
    """Somebody who is a person of the population themselves; `relationship` is a v3-RoleCode: what they are to the
    patient, such as `NMTH`. Their DoD ID is the identifier, so that a sponsor's whole family can be searched."""
    period = {"start": day_before(chart, since_days_ago).isoformat()}
    if ended_days_ago is not None:
        period["end"] = chart.clock.day(-ended_days_ago).isoformat()
    return chart.add(
        "RelatedPerson",
        key,
        {
            "identifier": [ids.dod_identifier(other.number)],
            "active": is_active,
            "patient": chart.patient,
            "relationship": _relationship(relationship, roles),
            "name": [name(other)],
            "telecom": telecom(other),
            "gender": other.gender,
            "birthDate": birth_date(other, chart.clock).isoformat(),
            "address": [address(other)],
            "period": period,
        },
        profiles=("us-core-relatedperson",),
    )


def outsider(
    chart: Chart,
    key: str,
    family: str,
    given: tuple[str, ...],
    relationship: str,
    phone: str,
    roles: tuple[Role, ...] = (),
    *,
    is_active: bool = True,
) -> str:
    """Somebody who has no record here, such as a divorced parent outside the service."""
    return chart.add(
        "RelatedPerson",
        key,
        {
            "active": is_active,
            "patient": chart.patient,
            "relationship": _relationship(relationship, roles),
            "name": [{"use": "official", "family": family, "given": list(given)}],
            "telecom": [{"system": "phone", "value": phone, "use": "mobile"}],
            "address": [address(chart.person)],
        },
        profiles=("us-core-relatedperson",),
    )


def account(chart: Chart, also: tuple[str, ...] = (), assurance: str = "level3") -> str:
    """The Person behind a sign-in: linked to their own Patient and to the RelatedPersons (`also`) they act as.

    `assurance` is how sure the link is (https://hl7.org/fhir/R4/valueset-identity-assuranceLevel.html).
    """
    person = chart.person
    targets = [f"Patient/{person.key}", *also]
    return chart.add(
        "Person",
        "person",
        {
            "identifier": [ids.dod_identifier(person.number)],
            "name": [name(person)],
            "telecom": telecom(person),
            "gender": person.gender,
            "birthDate": birth_date(person, chart.clock).isoformat(),
            "active": True,
            "link": [{"target": {"reference": each}, "assurance": assurance} for each in targets],
        },
    )


def _relationship(code: str, roles: tuple[Role, ...]) -> list[Resource]:
    return [concept("v3-RoleCode", code), *(concept("related-person-role", each) for each in roles)]
