"""A Continuity of Care Document: C-CDA R2.1 with the US Realm header, as XML.

https://hl7.org/cda/us/ccda/2.1/StructureDefinition-ContinuityofCareDocumentCCD.html
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring

from fhir_server.core.resource import Resource
from fhir_server.formats import cda_entries as draw
from fhir_server.formats import chart_sections as sections
from fhir_server.formats.cda import (
    LOINC,
    V3,
    coded,
    moment,
    named,
    narrative,
    stretch,
    template,
    timestamp,
    under,
)
from fhir_server.formats.cda_entries import Draw, Drawing
from fhir_server.formats.chart import Chart, name_of
from fhir_server.formats.chart_sections import Section
from fhir_server.formats.patient_summary import Made, confidentiality, empty_reason
from fhir_server.formats.wording import plain

_SECTIONS: tuple[tuple[Section, str, str, Draw], ...] = (
    (sections.ALLERGIES, "2.6.1", "2015-08-01", draw.allergy),
    (sections.MEDICATIONS, "2.1.1", "2014-06-09", draw.medicine),
    (sections.PROBLEMS, "2.5.1", "2015-08-01", draw.problem),
    (sections.RESULTS, "2.3.1", "2015-08-01", draw.result),
    (sections.IMMUNIZATIONS, "2.2.1", "2015-08-01", draw.immunization),
    (sections.VITALS, "2.4.1", "2015-08-01", draw.vital),
    (sections.PROCEDURES, "2.7.1", "2014-06-09", draw.procedure),
    (sections.SOCIAL, "2.17", "2015-08-01", draw.social),
    (sections.ENCOUNTERS, "2.22.1", "2015-08-01", draw.encounter),
)
"""Section, its template and that one's version, and how an entry is drawn."""

TYPES = sections.types_of(each for each, *_ in _SECTIONS)
"""The types a CCD is drawn from."""

_GENDERS = {"male": "M", "female": "F", "other": "UN"}
_USES = {"home": "HP", "work": "WP", "mobile": "MC"}


def ccd(chart: Chart, made: Made) -> bytes:
    """The document, as UTF-8 with its XML declaration."""
    root = Element(f"{{{V3}}}ClinicalDocument")
    under(root, "realmCode", code="US")
    under(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    template(root, "1.1")
    template(root, "1.2")
    under(root, "id", root=made.id)
    under(root, "code", code="34133-9", codeSystem=LOINC, displayName="Summarization of Episode Note")
    mark = " (synthetic test data, no real person)" if chart.is_synthetic else ""
    under(root, "title", f"Continuity of care of {name_of(chart.patient)}{mark}")
    moment(root, "effectiveTime", made.at)
    shown = [each for section, *_ in _SECTIONS for each in section.entries(chart)]
    label = confidentiality([chart.patient, *shown])
    under(root, "confidentialityCode", code=label, codeSystem="2.16.840.1.113883.5.25")
    under(root, "languageCode", code="en-US")
    _patient(root, chart.patient, made)
    _author(root, made)
    _custodian(root, made)
    service = under(under(root, "documentationOf"), "serviceEvent", classCode="PCPR")
    stretch(service, chart.patient.get("birthDate"), made.at)
    body = under(under(root, "component"), "structuredBody")
    for number, (section, template_root, version, drawn) in enumerate(_SECTIONS, start=1):
        _section(body, chart, made, section, (template_root, version), drawn, f"s{number}-")
    text: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _section(
    body: Element, chart: Chart, made: Made, of: Section, named_by: tuple[str, str], drawn: Draw, prefix: str
) -> None:
    section = under(under(body, "component"), "section")
    template(section, *named_by)
    under(section, "code", code=of.code, codeSystem=LOINC, displayName=of.display)
    under(section, "title", of.title)
    entries = of.entries(chart)
    if not entries:
        reason, words = empty_reason(chart, of)
        section.set("nullFlavor", "MSK" if reason == "withheld" else "NI")
        under(section, "text", words)
        return
    narrative(section, chart, entries, prefix)
    for number, each in enumerate(entries, start=1):
        drawn(Drawing(chart, made.base, f"{prefix}{number}"), under(section, "entry", typeCode="DRIV"), each)


def _patient(root: Element, patient: Resource, made: Made) -> None:
    role = under(under(root, "recordTarget"), "patientRole")
    under(role, "id", root="2.16.840.1.113883.19.5", extension=patient["id"], assigningAuthorityName=made.base)
    _addresses(role, patient)
    _telecoms(role, patient)
    person = under(role, "patient")
    named(person, patient.get("name") or ())
    gender = _GENDERS.get(patient.get("gender", ""))
    known = {"code": gender, "codeSystem": "2.16.840.1.113883.5.1"} if gender else {"nullFlavor": "UNK"}
    under(person, "administrativeGenderCode", **known)
    moment(person, "birthTime", patient.get("birthDate"))
    if patient.get("maritalStatus"):
        coded(person, "maritalStatusCode", patient["maritalStatus"])
    extensions = {each.get("url"): each for each in patient.get("extension", ())}
    for name, element in (("us-core-race", "raceCode"), ("us-core-ethnicity", "ethnicGroupCode")):
        _category(person, element, extensions.get(f"http://hl7.org/fhir/us/core/StructureDefinition/{name}"))


def _category(person: Element, element: str, extension: Mapping[str, object] | None) -> None:
    inner = (extension or {}).get("extension", ())
    found = [each for each in inner if each.get("url") == "ombCategory"] if isinstance(inner, list) else []
    coding = found[0].get("valueCoding", {}) if found else {}
    if coding.get("code"):
        display = {"displayName": coding["display"]} if coding.get("display") else {}
        under(person, element, code=coding["code"], codeSystem="2.16.840.1.113883.6.238", **display)
    else:
        under(person, element, nullFlavor="UNK")


def _addresses(parent: Element, resource: Resource) -> None:
    for each in resource.get("address", ()):
        made = under(parent, "addr", **({"use": _USES[each["use"]]} if each.get("use") in ("home", "work") else {}))
        for line in each.get("line") or ():
            if line:
                under(made, "streetAddressLine", line)
        for name in ("city", "state", "postalCode", "country"):
            if each.get(name):
                under(made, name, each[name])
        if len(made) == 0:
            made.text = plain(each.get("text")) or None
    if not resource.get("address"):
        under(parent, "addr", nullFlavor="UNK")


def _telecoms(parent: Element, resource: Resource) -> None:
    schemes = {"phone": "tel:", "email": "mailto:", "fax": "fax:"}
    found = [each for each in resource.get("telecom", ()) if each.get("value")]
    for each in found:
        use = {"use": _USES[each["use"]]} if each.get("use") in _USES else {}
        under(parent, "telecom", value=schemes.get(each.get("system", ""), "") + plain(each["value"]), **use)
    if not found:
        under(parent, "telecom", nullFlavor="UNK")


def _author(root: Element, made: Made) -> None:
    author = under(root, "author")
    under(author, "time", value=timestamp(made.at))
    assigned = under(author, "assignedAuthor")
    under(assigned, "id", nullFlavor="NA")
    under(assigned, "addr", nullFlavor="NA")
    under(assigned, "telecom", value=made.base)
    device = under(assigned, "assignedAuthoringDevice")
    under(device, "manufacturerModelName", "Shared health record")
    under(device, "softwareName", "Shared health record")


def _custodian(root: Element, made: Made) -> None:
    custodian = under(under(root, "custodian"), "assignedCustodian")
    organization = under(custodian, "representedCustodianOrganization")
    under(organization, "id", nullFlavor="NI")
    under(organization, "name", "Shared health record")
    under(organization, "telecom", value=made.base)
    under(organization, "addr", nullFlavor="UNK")
