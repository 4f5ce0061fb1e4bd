"""Imaging studies and other reports that come as a document: the order, the study, the report and its PDF.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-diagnosticreport-note.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from seeds.chart import Chart, Visit, instant
from seeds.codes import coding, concept, quantity
from seeds.model import Labels, Resource
from seeds.notes import KINDS, Rendition, binary_of, document, pdf_rendition
from seeds.observations import add_observation, category
from seeds.plans import service_request
from seeds.png import striped_png
from seeds.visits import encounter, organization, practitioner

STARTED_MINUTES = 30
REPORTED_MINUTES = 120

IMAGE_PIXELS = 48

UID_ROOT = "urn:oid:2.25."
"""Root of DICOM identifiers that are made from a number of 128 bits (DICOM PS3.5, B.2)."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study: LOINC code of order and report, DICOM modality and SOP class, SNOMED CT body part, pictures taken."""

    code: str
    modality: str
    sop_class: str
    body_site: str
    views: tuple[str, ...]


STUDIES: Mapping[str, Study] = {
    "chest-xray": Study("36643-5", "DX", "1.2.840.10008.5.1.4.1.1.1.1", "51185008", ("PA", "Lateral")),
    "ankle-xray": Study("24541-5", "DX", "1.2.840.10008.5.1.4.1.1.1.1", "70258002", ("AP", "Mortise", "Lateral")),
    "knee-mri": Study("24802-1", "MR", "1.2.840.10008.5.1.4.1.1.4", "72696002", ("Sagittal", "Coronal", "Axial")),
    "head-ct": Study("24725-4", "CT", "1.2.840.10008.5.1.4.1.1.2", "69536005", ("Axial without contrast",)),
    "mammogram": Study("24606-6", "MG", "1.2.840.10008.5.1.4.1.1.1.2", "76752008", ("CC", "MLO")),
}
"""Imaging studies by name."""


def study(
    chart: Chart, key: str, name: str, visit: Visit, *, findings: str, impression: str, labels: Labels = ()
) -> str:
    """A study of `STUDIES` with its report; the reference of the DiagnosticReport."""
    chosen = STUDIES[name]
    order = service_request(
        chart, f"{key}-order", chosen.code, visit, system="loinc", category="363679005", labels=labels
    )
    images = _imaging_study(chart, key, chosen, visit, order, labels)
    key_image = _key_image(chart, key, chosen, visit, labels)
    return _report(
        chart,
        key,
        "LP29684-5",
        chosen.code,
        "imaging",
        visit,
        findings,
        impression,
        {
            "basedOn": [{"reference": order}],
            "imagingStudy": [{"reference": images}],
            "media": [{"link": {"reference": key_image}}],
        },
        labels,
    )


def echocardiogram(
    chart: Chart, key: str, visit: Visit, ejection_fraction: int, *, findings: str, impression: str, labels: Labels = ()
) -> str:
    """A cardiology report with the ejection fraction, in percent, as a result of its own."""
    result = add_observation(
        chart,
        f"{key}-ejection-fraction",
        visit,
        concept("loinc", "10230-1"),
        (category("imaging"),),
        {"valueQuantity": quantity(ejection_fraction, "%")},
        profile="us-core-observation-clinical-result",
        labels=labels,
        minutes=STARTED_MINUTES,
    )
    more = {"result": [{"reference": result}]}
    return _report(chart, key, "LP29708-2", "34552-0", "procedure", visit, findings, impression, more, labels)


def pathology(
    chart: Chart, key: str, visit: Visit, *, specimen: str, findings: str, impression: str, labels: Labels = ()
) -> str:
    """A pathology report on a tissue `specimen`, said in words."""
    tissue = chart.add(
        "Specimen",
        f"{key}-specimen",
        {
            "status": "available",
            "type": concept("snomed", "119376003", specimen),
            "subject": chart.patient,
            "collection": {"collectedDateTime": instant(visit.start + timedelta(minutes=STARTED_MINUTES))},
        },
        profiles=("us-core-specimen",),
        labels=labels,
        agency=visit.facility.agency,
    )
    more = {"specimen": [{"reference": tissue}]}
    return _report(chart, key, "LP7839-6", "11526-1", "pathology", visit, findings, impression, more, labels)


def _report(
    chart: Chart,
    key: str,
    report_category: str,
    code: str,
    kind: str,
    visit: Visit,
    findings: str,
    impression: str,
    more: Resource,
    labels: Labels,
) -> str:
    """The DiagnosticReport, and the note of the same PDF: US Core wants each report's document found as a note too."""
    title = concept("loinc", code)["text"]
    blocks = [("Findings", findings), ("Impression", impression)]
    rendition = pdf_rendition(chart, key, title, visit, blocks, labels)
    reference = chart.add(
        "DiagnosticReport",
        f"{key}-report",
        _report_elements(chart, report_category, code, visit, impression, rendition, more),
        profiles=("us-core-diagnosticreport-note",),
        labels=labels,
        agency=visit.facility.agency,
    )
    text = f"Findings:\n{findings}\nImpression:\n{impression}"
    document(chart, key, KINDS[kind], visit, text, rendition, related=(reference,), labels=labels)
    return reference


def _report_elements(
    chart: Chart,
    report_category: str,
    code: str,
    visit: Visit,
    impression: str,
    rendition: Rendition,
    more: Resource,
) -> Resource:
    return {
        **{name: value for name, value in more.items() if name == "basedOn"},
        "status": "final",
        "category": [concept("loinc", report_category)],
        "code": concept("loinc", code),
        "subject": chart.patient,
        **encounter(visit),
        "effectiveDateTime": instant(visit.start + timedelta(minutes=STARTED_MINUTES)),
        "issued": instant(visit.start + timedelta(minutes=REPORTED_MINUTES)),
        "performer": [organization(visit.facility)],
        "resultsInterpreter": [practitioner(visit.clinician)],
        **{name: value for name, value in more.items() if name != "basedOn"},
        "conclusion": impression,
        "presentedForm": [rendition.attachment],
    }


def _imaging_study(chart: Chart, key: str, study: Study, visit: Visit, order: str, labels: Labels) -> str:
    started = instant(visit.start + timedelta(minutes=STARTED_MINUTES))
    name = f"{chart.person.key}-{key}"
    instances = [
        {
            "uid": _uid(f"{name} instance {number}").removeprefix("urn:oid:"),
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{study.sop_class}"},
            "number": number,
            "title": view,
        }
        for number, view in enumerate(study.views, start=1)
    ]
    series = {
        "uid": _uid(f"{name} series").removeprefix("urn:oid:"),
        "number": 1,
        "modality": coding("dicom", study.modality),
        "numberOfInstances": len(instances),
        "bodySite": coding("snomed", study.body_site),
        "started": started,
        "instance": instances,
    }
    elements = {
        "identifier": [{"system": "urn:dicom:uid", "value": _uid(f"{name} study")}],
        "status": "available",
        "modality": [coding("dicom", study.modality)],
        "subject": chart.patient,
        **encounter(visit),
        "started": started,
        "basedOn": [{"reference": order}],
        "interpreter": [practitioner(visit.clinician)],
        "numberOfSeries": 1,
        "numberOfInstances": len(instances),
        "procedureCode": [concept("loinc", study.code)],
        "location": {"reference": f"Location/{visit.facility.key}", "display": visit.facility.name},
        "description": concept("loinc", study.code)["text"],
        "series": [series],
    }
    return chart.add("ImagingStudy", f"{key}-images", elements, labels=labels, agency=visit.facility.agency)


def _key_image(chart: Chart, key: str, study: Study, visit: Visit, labels: Labels) -> str:
    """The Media of one picture of the study: grey stripes, for nobody was ever in front of the machine."""
    title = f"{concept('loinc', study.code)['text']}, {study.views[0]}"
    picture = striped_png(IMAGE_PIXELS)
    binary = binary_of(chart, f"{key}-png", picture, "image/png", labels=labels, agency=visit.facility.agency)
    taken = instant(visit.start + timedelta(minutes=STARTED_MINUTES))
    elements = {
        "status": "completed",
        "type": concept("media-type", "image"),
        "subject": chart.patient,
        **encounter(visit),
        "createdDateTime": taken,
        "issued": taken,
        "operator": practitioner(visit.clinician),
        "bodySite": concept("snomed", study.body_site),
        "height": IMAGE_PIXELS,
        "width": IMAGE_PIXELS,
        "content": {"contentType": "image/png", "url": binary, "size": len(picture), "title": title},
    }
    return chart.add("Media", f"{key}-key-image", elements, labels=labels, agency=visit.facility.agency)


def _uid(name: str) -> str:
    return f"{UID_ROOT}{int.from_bytes(sha256(name.encode()).digest()[:16])}"
