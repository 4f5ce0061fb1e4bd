"""Military service: its phases as EpisodeOfCare, and its history as the Observations of the Military Service guide.

https://hl7.org/fhir/us/military-service/StructureDefinition-military-service-episode.html
"""

from datetime import date

from seeds.chart import Chart
from seeds.codes import concept
from seeds.facilities import AGENCIES
from seeds.model import Agency, Branch, Resource

_GUIDE = "http://hl7.org/fhir/us/military-service/StructureDefinition/"


def phase(
    chart: Chart, name: str, start: date, end: date | None = None, agency: Agency | None = None, *, key: str = ""
) -> str:
    """One phase of life in the record (`service-phase` code), under the agency that answers for it meanwhile."""
    custodian = agency or chart.person.agency
    return chart.add(
        "EpisodeOfCare",
        f"phase-{key or name}",
        {
            "status": "active" if end is None else "finished",
            "type": [concept("service-phase", name)],
            "patient": chart.patient,
            "managingOrganization": {
                "reference": f"Organization/agency-{custodian}",
                "display": AGENCIES[custodian],
            },
            "period": _period(start, end),
        },
        agency=custodian,
    )


def episode(
    chart: Chart,
    key: str,
    branch: Branch,
    start: date,
    end: date | None = None,
    *,
    discharge: str = "79A512F77CFC4E63B9969930FC8787DB",
    separation: str = "035",
    deployments: tuple[str, ...] = (),
) -> str:
    """A time of service in a branch; how it ended, where it did; the deployments in it as references."""
    components = [_component(concept("loinc", "85104-8"), concept("branch", branch))]
    if end is not None:
        components.append(
            _component(
                concept("military-service", "9B7095A70B024CD789A36E48A3936592"), concept("military-service", discharge)
            )
        )
        components.append(
            _component(
                concept("military-service", "9CEAD6537D6A4F198549F70598B8F8BF"), concept("military-service", separation)
            )
        )
    elements: Resource = {
        "status": "final",
        "category": [concept("observation-category", "social-history")],
        "code": concept("loinc", "87511-2", "Military service episode"),
        "subject": chart.patient,
        "effectivePeriod": _period(start, end),
        "component": components,
    }
    if deployments:
        elements["hasMember"] = [{"reference": each} for each in deployments]
    return chart.add("Observation", key, elements, profiles=(f"{_GUIDE}military-service-episode",), agency=Agency.DOD)


def deployment(chart: Chart, key: str, start: date, end: date, country: str = "KWT") -> str:
    """A completed deployment to a country (ISO 3166-1, three letters)."""
    return chart.add(
        "Observation",
        key,
        {
            "status": "final",
            "category": [concept("observation-category", "social-history")],
            "code": concept("military-service", "f6bb8fdc-89b0-4c0b-8d81-d3916f182c2f"),
            "subject": chart.patient,
            "effectivePeriod": _period(start, end),
            "component": [
                _component(concept("military-service", "7E33243654BB42F5BF3F3A59E0E6E6BD"), concept("country", country))
            ],
        },
        profiles=(f"{_GUIDE}deployment-history-episode",),
        agency=Agency.DOD,
    )


def _component(code: Resource, value: Resource) -> Resource:
    return {"code": code, "valueCodeableConcept": value}


def _period(start: date, end: date | None) -> Resource:
    found = {"start": start.isoformat()}
    if end is not None:
        found["end"] = end.isoformat()
    return found
