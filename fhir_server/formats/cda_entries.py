"""The coded entries of a Continuity of Care Document, by the sections they stand in.

https://www.hl7.org/ccdasearch/ (C-CDA R2.1)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from fhir_server.core.resource import Resource
from fhir_server.formats.cda import (
    ACT_CODES,
    LOINC,
    SNOMED,
    TYPE,
    coded,
    identified,
    measured,
    moment,
    refers,
    stretch,
    template,
    under,
)
from fhir_server.formats.chart import Chart, observed
from fhir_server.formats.wording import has_code, value_of


@dataclass(frozen=True, slots=True)
class Drawing:
    """What an entry is drawn with: the record, the base that ids are made of, and where its words stand."""

    chart: Chart
    base: str
    place: str


Draw = Callable[[Drawing, Element, Resource], None]


def _begun(resource: Resource, *names: str) -> tuple[Any, Any]:
    """When it began and ended, by the first of these elements that says so."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, dict):
            return value.get("start"), value.get("end")
        if value:
            return value, None
    return None, None


def _concern(drawing: Drawing, entry: Element, resource: Resource, root: str, is_over: bool) -> Element:
    act = under(entry, "act", classCode="ACT", moodCode="EVN")
    template(act, root)
    identified(act, drawing.base, resource)
    under(act, "code", code="CONC", codeSystem="2.16.840.1.113883.5.6")
    under(act, "statusCode", code="completed" if is_over else "active")
    began, ended = _begun(resource, "recordedDate", "onsetDateTime")
    stretch(act, began, ended)
    return under(act, "entryRelationship", typeCode="SUBJ")


def allergy(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Allergy Concern Act with its Allergy - Intolerance Observation."""
    inside = _concern(drawing, entry, resource, "4.30", False)
    observation = under(inside, "observation", classCode="OBS", moodCode="EVN")
    template(observation, "4.7", "2014-06-09")
    identified(observation, drawing.base + "/observed", resource)
    under(observation, "code", code="ASSERTION", codeSystem=ACT_CODES)
    refers(observation, drawing.place)
    under(observation, "statusCode", code="completed")
    stretch(observation, *_begun(resource, "onsetDateTime", "onsetPeriod"))
    kinds = {"medication": ("416098002", "Allergy to drug"), "food": ("414285001", "Allergy to food")}
    code, display = kinds.get((resource.get("category") or [""])[0], ("419199007", "Allergy to substance"))
    under(observation, "value", code=code, codeSystem=SNOMED, displayName=display).set(TYPE, "CD")
    role = under(under(observation, "participant", typeCode="CSM"), "participantRole", classCode="MANU")
    coded(under(role, "playingEntity", classCode="MMAT"), "code", resource.get("code"))


def problem(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Problem Concern Act with its Problem Observation."""
    inside = _concern(drawing, entry, resource, "4.3", has_code(resource.get("clinicalStatus", {}), "resolved"))
    observation = under(inside, "observation", classCode="OBS", moodCode="EVN")
    template(observation, "4.4")
    identified(observation, drawing.base + "/observed", resource)
    code = under(observation, "code", code="55607006", codeSystem=SNOMED, displayName="Problem")
    under(code, "translation", code="75326-9", codeSystem=LOINC, displayName="Problem")
    refers(observation, drawing.place)
    under(observation, "statusCode", code="completed")
    began, _ = _begun(resource, "onsetDateTime", "onsetPeriod", "recordedDate")
    stretch(observation, began, resource.get("abatementDateTime"))
    coded(observation, "value", resource.get("code"), "CD")


def medicine(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Medication Activity."""
    mood = "INT" if resource["resourceType"] == "MedicationRequest" else "EVN"
    made = under(entry, "substanceAdministration", classCode="SBADM", moodCode=mood)
    template(made, "4.16", "2014-06-09")
    identified(made, drawing.base, resource)
    refers(made, drawing.place)
    under(made, "statusCode", code="active" if resource.get("status") in ("active", "intended") else "suspended")
    stretch(made, *_begun(resource, "effectivePeriod", "effectiveDateTime", "authoredOn"), type="IVL_TS")
    under(made, "doseQuantity", nullFlavor="UNK")
    target = drawing.chart.target(resource.get("medicationReference"), resource) or {}
    _product(made, "4.23", resource.get("medicationCodeableConcept") or target.get("code"))


def immunization(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Immunization Activity."""
    made = under(entry, "substanceAdministration", classCode="SBADM", moodCode="EVN", negationInd="false")
    template(made, "4.52")
    identified(made, drawing.base, resource)
    refers(made, drawing.place)
    under(made, "statusCode", code="completed")
    moment(made, "effectiveTime", resource.get("occurrenceDateTime"))
    material = _product(made, "4.54", resource.get("vaccineCode"))
    if resource.get("lotNumber"):
        under(material, "lotNumberText", resource["lotNumber"])


def _product(parent: Element, root: str, code: Any) -> Element:
    product = under(under(parent, "consumable"), "manufacturedProduct", classCode="MANU")
    template(product, root, "2014-06-09")
    material = under(product, "manufacturedMaterial")
    coded(material, "code", code)
    return material


def _observation(drawing: Drawing, parent: Element, resource: Resource, root: str, version: str) -> None:
    observation = under(parent, "observation", classCode="OBS", moodCode="EVN")
    template(observation, root, version)
    identified(observation, drawing.base, resource)
    coded(observation, "code", resource.get("code"))
    refers(observation, drawing.place)
    under(observation, "statusCode", code="completed")
    moment(observation, "effectiveTime", _begun(resource, "effectiveDateTime", "effectivePeriod", "issued")[0])
    if measured(observation, resource.get("valueQuantity")):
        return
    if "valueCodeableConcept" in resource:
        coded(observation, "value", resource["valueCodeableConcept"], "CD")
    elif observed(resource) or value_of(resource):
        under(observation, "value", observed(resource)).set(TYPE, "ST")
    else:
        under(observation, "value", nullFlavor="UNK").set(TYPE, "ST")


def _organizer(drawing: Drawing, entry: Element, resource: Resource, root: str, kind: str) -> Element:
    organizer = under(entry, "organizer", classCode=kind, moodCode="EVN")
    template(organizer, root)
    identified(organizer, drawing.base + "/organized", resource)
    return organizer


def result(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Result Organizer with its Result Observation; of a report the organizer tells when, and the text the rest."""
    organizer = _organizer(drawing, entry, resource, "4.1", "BATTERY")
    coded(organizer, "code", resource.get("code"))
    under(organizer, "statusCode", code="completed")
    began, ended = _begun(resource, "effectiveDateTime", "effectivePeriod", "issued")
    stretch(organizer, began, ended or began)
    _observation(drawing, under(organizer, "component"), resource, "4.2", "2015-08-01")


def vital(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Vital Signs Organizer with its Vital Sign Observation, one for each component of a panel."""
    organizer = _organizer(drawing, entry, resource, "4.26", "CLUSTER")
    code = under(organizer, "code", code="46680005", codeSystem=SNOMED, displayName="Vital signs")
    under(code, "translation", code="74728-7", codeSystem=LOINC, displayName="Vital signs")
    under(organizer, "statusCode", code="completed")
    began, ended = _begun(resource, "effectiveDateTime", "effectivePeriod")
    stretch(organizer, began, ended or began)
    for each in resource.get("component") or (resource,):
        whole = resource | {"component": []} | {name: value for name, value in each.items() if name != "id"}
        _observation(drawing, under(organizer, "component"), whole, "4.27", "2014-06-09")


def procedure(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Procedure Activity Procedure."""
    made = under(entry, "procedure", classCode="PROC", moodCode="EVN")
    template(made, "4.14", "2014-06-09")
    identified(made, drawing.base, resource)
    coded(made, "code", resource.get("code"))
    refers(made, drawing.place)
    under(made, "statusCode", code="completed" if resource.get("status") == "completed" else "active")
    stretch(made, *_begun(resource, "performedDateTime", "performedPeriod"))


def social(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Social History Observation."""
    _observation(drawing, entry, resource, "4.38", "2015-08-01")


def encounter(drawing: Drawing, entry: Element, resource: Resource) -> None:
    """Encounter Activity."""
    made = under(entry, "encounter", classCode="ENC", moodCode="EVN")
    template(made, "4.49")
    identified(made, drawing.base, resource)
    types = resource.get("type") or [{"coding": [resource.get("class", {})]}]
    coded(made, "code", types[0])
    refers(made, drawing.place)
    stretch(made, *_begun(resource, "period"))
