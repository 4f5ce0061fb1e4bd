"""Who cares for a patient together: messages go to the team, not to one inbox.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-careteam.html
"""

from seeds.chart import Chart
from seeds.clinicians import role, shown_name
from seeds.codes import concept
from seeds.model import Resource
from seeds.people import day_before


def team(
    chart: Chart,
    clinicians: tuple[str, ...] = (),
    *,
    caregivers: tuple[tuple[str, str], ...] = (),
    key: str = "team",
    name: str = "Primary care team",
    status: str = "active",
) -> str:
    """The lead clinician, the others of `clinicians` by key, the patient, and caregivers as (reference, name)."""
    lead = chart.clinician
    others = [chart.directory.clinicians[each] for each in clinicians]
    members = [_member(concept("snomed", "453231000124104"), f"Practitioner/{lead.key}", shown_name(lead))]
    members += [_member(role(each), f"PractitionerRole/{each.key}-role", shown_name(each)) for each in others]
    members.append(_member(concept("snomed", "116154003"), chart.patient["reference"], chart.patient["display"]))
    members += [_member(concept("snomed", "133932002"), *each) for each in caregivers]
    return chart.add(
        "CareTeam",
        key,
        {
            "status": status,
            "category": [concept("loinc", "LA28865-6")],
            "name": name,
            "subject": chart.patient,
            "period": {"start": day_before(chart, 700).isoformat()},
            "participant": members,
            "managingOrganization": [
                {"reference": f"Organization/{chart.facility.key}", "display": chart.facility.name}
            ],
        },
        profiles=("us-core-careteam",),
    )


def _member(what: Resource, reference: str, shown: str) -> Resource:
    return {"role": [what], "member": {"reference": reference, "display": shown}}
