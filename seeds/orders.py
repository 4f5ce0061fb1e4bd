"""What orders of medicines have in common: the medicine, how it is taken, how much of it may be dispensed.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/dosage.html
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from seeds.chart import Chart, Visit, instant, meta
from seeds.codes import concept, quantity
from seeds.drugs import DRUGS, FORMS, ROUTES, Drug
from seeds.model import Agency, Clinician, Facility, Labels, Resource

VALID_DAYS = 365
"""A prescription can be filled for a year."""
PRESCRIPTION_NUMBER = "urn:fhir-server:federal:prescription-number"
"""System of the number that stands on the label of the bottle."""


@dataclass(frozen=True, slots=True)
class Order:
    """A prescription being written: what, by whom, where and when."""

    key: str
    drug_name: str
    drug: Drug
    written: datetime
    facility: Facility
    clinician: Clinician
    visit: Visit | None
    labels: Labels

    @property
    def agency(self) -> Agency:
        """Whose record it is part of."""
        return self.facility.agency


def request_elements(chart: Chart, order: Order, written: datetime, status: str, repeats: int) -> Resource:
    """The elements of an order of the medicine, `written` at that time, that may be filled 1 + `repeats` times."""
    drug = order.drug
    ends = max(written.date() + timedelta(VALID_DAYS), chart.clock.day(30))
    elements: Resource = {
        "identifier": [{"system": PRESCRIPTION_NUMBER, "value": _number(chart)}],
        "status": status,
        "intent": "order",
        "category": [concept("medicationrequest-category", "outpatient")],
        "reportedBoolean": False,
        **medication_elements(order.drug_name),
        "subject": chart.patient,
        "authoredOn": instant(written),
        "requester": {"reference": f"Practitioner/{order.clinician.key}"},
        **reason(chart, drug),
        "dosageInstruction": [dosage(drug)],
        "dispenseRequest": {
            "validityPeriod": {"start": written.date().isoformat(), "end": ends.isoformat()},
            "numberOfRepeatsAllowed": repeats,
            "quantity": amount(drug, drug.quantity),
            "expectedSupplyDuration": quantity(drug.days, "d"),
            "performer": {"reference": f"Organization/{order.facility.key}", "display": order.facility.name},
        },
        "substitution": {"allowedBoolean": True},
    }
    if order.visit is not None:
        elements["encounter"] = {"reference": order.visit.reference}
    return elements


def add_request(chart: Chart, order: Order, key: str, elements: Resource) -> str:
    """Write the order down as a US Core MedicationRequest."""
    profiles = ("us-core-medicationrequest",)
    return chart.add("MedicationRequest", key, elements, profiles=profiles, labels=order.labels, agency=order.agency)


def medication_elements(name: str) -> Resource:
    """`medication[x]`: a reference into the formulary where the medicine is listed there, else its code."""
    drug = DRUGS[name]
    if drug.is_listed:
        return {"medicationReference": {"reference": f"Medication/med-{name}", "display": drug.name}}
    return {"medicationCodeableConcept": concept("rxnorm", drug.code)}


def formulary(population: str = "demo") -> list[Resource]:
    """The Medications that prescriptions refer to: shared, so to be loaded before any record."""
    return [_medication(name, drug, population) for name, drug in DRUGS.items() if drug.is_listed]


def _medication(name: str, drug: Drug, population: str) -> Resource:
    found: Resource = {
        "resourceType": "Medication",
        "id": f"med-{name}",
        "meta": meta(population, Agency.DOD, ("us-core-medication",)),
        "code": concept("rxnorm", drug.code),
        "status": "active",
    }
    if drug.form in FORMS:
        found["form"] = concept("snomed", FORMS[drug.form])
    return found


def dosage(drug: Drug) -> Resource:
    """How the medicine is taken, in words and as data."""
    repeat: Resource = {"frequency": drug.times, "period": drug.period, "periodUnit": drug.period_unit}
    taken: Resource = {"sequence": 1, "text": drug.sig, "timing": {"repeat": repeat}}
    if drug.as_needed:
        taken["asNeededBoolean"] = True
    taken["route"] = concept("snomed", ROUTES[drug.route])
    taken["doseAndRate"] = [{"doseQuantity": amount(drug, drug.dose)}]
    return taken


def amount(drug: Drug, value: Decimal | int) -> Resource:
    """So much of the medicine, in its unit as people say it."""
    return quantity(value, drug.unit) | {"unit": drug.shown}


def reason(chart: Chart, drug: Drug) -> Resource:
    """The condition it is for, where the record has it; else why such a medicine is given."""
    for each in chart.resources:
        codings = each["code"]["coding"] if each["resourceType"] == "Condition" else ()
        if any(coding["code"] == drug.reason_code for coding in codings):
            return {"reasonReference": [{"reference": f"Condition/{each['id']}"}]}
    return {"reasonCode": [concept("snomed", drug.reason_code)]}


def _number(chart: Chart) -> str:
    count = sum(each["resourceType"] == "MedicationRequest" for each in chart.resources)
    return f"RX{chart.person.number:07d}-{count + 1:02d}"
