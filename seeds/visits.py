"""Visits: one Encounter each, signed at its end together with all that was written down in it.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-encounter.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from seeds.chart import Chart, Visit, instant
from seeds.codes import coding, concept
from seeds.model import Clinician, Facility, Labels, Resource

ENCOUNTER_SYSTEM = "urn:fhir-server:seeds:encounter"
"""System of visit numbers."""
HOME, EXPIRED = "01", "20"
"""Discharge dispositions of the National Uniform Billing Committee."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of visit is: its v3-ActCode class, its SNOMED CT type, why people usually come, and whether somebody
    is discharged from it."""

    class_code: str
    type_code: str
    reason: str
    has_discharge: bool = False


KINDS: Mapping[str, Kind] = {
    "office": Kind("AMB", "185345009", "Symptoms"),
    "checkup": Kind("AMB", "185349003", "Yearly examination"),
    "follow-up": Kind("AMB", "390906007", "Follow-up"),
    "well-child": Kind("AMB", "410620009", "Preventive care of a child"),
    "prenatal": Kind("AMB", "424619006", "Prenatal care"),
    "dental": Kind("AMB", "34043003", "Yearly dental examination"),
    "emergency": Kind("EMER", "50849002", "Emergency", has_discharge=True),
    "inpatient": Kind("IMP", "32485007", "Treatment in hospital", has_discharge=True),
    "telehealth": Kind("VR", "448337001", "Follow-up by video"),
    "mental-health": Kind("AMB", "10197000", "Mental health care"),
    "substance-use": Kind("AMB", "56876005", "Treatment of substance use"),
    "physical-therapy": Kind("AMB", "91251008", "Physical therapy"),
    "deployment": Kind("FLD", "185347001", "Care in the field"),
    "pre-deployment": Kind("AMB", "162673000", "Periodic health assessment"),
}
"""Kinds of visit by name."""


@contextmanager
def visit(
    chart: Chart,
    key: str,
    when: datetime,
    kind: str,
    *,
    reason: str = "",
    minutes: int = 30,
    facility: Facility | None = None,
    clinician: Clinician | None = None,
    labels: Labels = (),
) -> Iterator[Visit]:
    """A finished visit of the kind named in `KINDS`; what is added inside is signed with it.

    `reason` is a SNOMED CT code or words, else what is usual for the kind; `facility` and `clinician` are those of the
    person unless given. Raises KeyError for a kind that is not in the table.
    """
    where, who = facility or chart.facility, clinician or chart.clinician
    with chart.signed(key, when + timedelta(minutes=minutes), where, who):
        reference = chart.add(
            "Encounter",
            key,
            _encounter(chart, key, when, KINDS[kind], reason, minutes, where, who),
            profiles=("us-core-encounter",),
            labels=labels,
            agency=where.agency,
        )
        yield Visit(reference, when, when + timedelta(minutes=minutes), where, who)


def visit_key(chart: Chart, visit: Visit) -> str:
    """The key under which the visit was opened."""
    return visit.reference.removeprefix(f"Encounter/{chart.person.key}-")


def practitioner(clinician: Clinician) -> Resource:
    """The Reference to a clinician, with the name to show."""
    name = " ".join((*clinician.given, clinician.family))
    return {"reference": f"Practitioner/{clinician.key}", "display": f"{name}, {clinician.suffix}".rstrip(", ")}


def organization(facility: Facility) -> Resource:
    """The Reference to a facility's Organization."""
    return {"reference": f"Organization/{facility.key}", "display": facility.name}


def encounter(visit: Visit | None) -> Resource:
    """The element `encounter` of what was written down in a visit, nothing for what was not."""
    return {"encounter": {"reference": visit.reference}} if visit else {}


def _encounter(
    chart: Chart,
    key: str,
    when: datetime,
    kind: Kind,
    reason: str,
    minutes: int,
    facility: Facility,
    clinician: Clinician,
) -> Resource:
    period = {"start": instant(when), "end": instant(when + timedelta(minutes=minutes))}
    elements: Resource = {
        "identifier": [{"system": ENCOUNTER_SYSTEM, "value": f"{facility.station}-{chart.person.number:06}-{key}"}],
        "status": "finished",
        "class": coding("v3-ActCode", kind.class_code),
        "type": [concept("snomed", kind.type_code)],
        "subject": chart.patient,
        "participant": [
            {
                "type": [concept("v3-ParticipationType", "ATND" if kind.has_discharge else "PPRF")],
                "period": period,
                "individual": practitioner(clinician),
            }
        ],
        "period": period,
        "reasonCode": [concept("snomed", reason) if reason.isdigit() else {"text": reason or kind.reason}],
    }
    if kind.has_discharge:
        elements["hospitalization"] = {"dischargeDisposition": _disposition(chart, when + timedelta(minutes=minutes))}
    elements["location"] = [{"location": {"reference": f"Location/{facility.key}", "display": facility.name}}]
    elements["serviceProvider"] = organization(facility)
    return elements


def _disposition(chart: Chart, end: datetime) -> Resource:
    """Where somebody went at the end of a stay: home, or nowhere more who died on that day or before."""
    died = chart.person.deceased_days_ago
    has_died = died is not None and end.date() >= chart.clock.day(-died)
    return concept("discharge", EXPIRED if has_died else HOME)
