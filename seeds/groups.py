"""Groups: a clinic's panel, whose records are exported together, and a unit, whose readiness is counted."""

from seeds.chart import meta
from seeds.families import MEMBERS
from seeds.model import Agency, BeneficiaryClass, Person, Resource

_SERVING = {BeneficiaryClass.ACTIVE_DUTY, BeneficiaryClass.RESERVE, BeneficiaryClass.NATIONAL_GUARD}


def resources(population: str = "demo") -> list[Resource]:
    """Each Group with its members."""
    people = [each.person for each in MEMBERS]
    return [
        _group(
            "panel-cabrillo",
            "Patients of Cabrillo Naval Medical Center",
            Agency.DOD,
            "cabrillo-naval",
            [each for each in people if each.facility == "cabrillo-naval"],
            population,
        ),
        _group(
            "panel-mission-valley",
            "Patients of Mission Valley VA Medical Center",
            Agency.VA,
            "mission-valley-va",
            [each for each in people if each.facility == "mission-valley-va"],
            population,
        ),
        _group(
            "unit-readiness",
            "Members whose readiness is counted",
            Agency.DOD,
            "agency-dod",
            [each for each in people if each.beneficiary_class in _SERVING],
            population,
        ),
    ]


def _group(key: str, name: str, agency: Agency, manager: str, people: list[Person], population: str) -> Resource:
    return {
        "resourceType": "Group",
        "id": key,
        "meta": meta(population, agency),
        "active": True,
        "type": "person",
        "actual": True,
        "name": name,
        "quantity": len(people),
        "managingEntity": {"reference": f"Organization/{manager}"},
        "member": [{"entity": {"reference": f"Patient/{each.key}"}} for each in people],
    }
