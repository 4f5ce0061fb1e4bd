"""Clinical notes and leaflets: a DocumentReference that offers the PDF (as a Binary) and the plain text.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-documentreference.html
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1

from seeds import pdf
from seeds.chart import Chart, Visit, instant
from seeds.codes import coding, concept
from seeds.model import Agency, Labels, Resource
from seeds.visits import organization, practitioner

DOCUMENT_SYSTEM = "urn:fhir-server:seeds:document"
"""System of document numbers."""

WRITTEN_MINUTES = 40


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of note: its LOINC type and the title that readers see."""

    code: str
    title: str


KINDS: Mapping[str, Kind] = {
    "progress": Kind("11506-3", "Progress note"),
    "discharge-summary": Kind("18842-5", "Discharge summary"),
    "consultation": Kind("11488-4", "Consultation note"),
    "history-physical": Kind("34117-2", "History and physical"),
    "procedure": Kind("28570-0", "Procedure note"),
    "patient-instructions": Kind("69730-0", "Instructions for the patient"),
    "imaging": Kind("18748-4", "Imaging report"),
    "laboratory": Kind("11502-2", "Laboratory report"),
    "pathology": Kind("11526-1", "Pathology report"),
    "summary": Kind("34133-9", "Summary of care"),
}
"""Kinds of note by name."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A PDF in a Binary: its reference and the Attachment that points to it."""

    binary: str
    attachment: Resource


def note(chart: Chart, key: str, kind: str, visit: Visit, text: str, *, labels: Labels = ()) -> str:
    """A note of the visit, of a kind in `KINDS`. A line of `text` that ends in a colon is a heading."""
    chosen = KINDS[kind]
    rendition = pdf_rendition(chart, key, chosen.title, visit, _blocks(text), labels, written=_written(chosen, visit))
    return document(chart, key, chosen, visit, text, rendition, labels=labels)


def leaflet(
    chart: Chart, key: str, title: str, text: str, related: tuple[str, ...], *, when: datetime | None = None
) -> str:
    """Patient education that the care team approved, about the resources `related` (references); text alone."""
    written = when or chart.clock.at(-30, 9, 0, chart.facility.zone)
    elements = {
        **_identified(chart, key),
        "status": "current",
        "docStatus": "final",
        "type": concept("loinc", "34895-3", "Patient education"),
        "category": [concept("loinc", "34895-3", "Patient education")],
        "subject": chart.patient,
        "date": instant(written),
        "author": [practitioner(chart.clinician)],
        "custodian": organization(chart.facility),
        "description": title,
        "content": [{"attachment": _plain(title, text, written)}],
        "context": {"related": [{"reference": each} for each in related]},
    }
    return chart.add("DocumentReference", key, elements, profiles=("us-core-documentreference",))


def document(
    chart: Chart,
    key: str,
    kind: Kind,
    visit: Visit,
    text: str,
    rendition: Rendition,
    *,
    related: tuple[str, ...] = (),
    labels: Labels = (),
) -> str:
    """The DocumentReference of a rendition that is there already, with `text` beside it."""
    written = _written(kind, visit)
    elements: Resource = {
        **_identified(chart, key),
        "status": "current",
        "docStatus": "final",
        "type": concept("loinc", kind.code),
        "category": [concept("us-core-documentreference-category", "clinical-note")],
        "subject": chart.patient,
        "date": instant(written),
        "author": [practitioner(visit.clinician)],
        "authenticator": practitioner(visit.clinician),
        "custodian": organization(visit.facility),
        "description": kind.title,
        "content": [
            {"attachment": rendition.attachment, "format": _format()},
            {"attachment": _plain(kind.title, text, written), "format": _format()},
        ],
        "context": {
            "encounter": [{"reference": visit.reference}],
            "period": {"start": instant(visit.start), "end": instant(written)},
            **({"related": [{"reference": each} for each in related]} if related else {}),
        },
    }
    return chart.add(
        "DocumentReference",
        key,
        elements,
        profiles=("us-core-documentreference",),
        labels=labels,
        agency=visit.facility.agency,
    )


def pdf_rendition(
    chart: Chart,
    key: str,
    title: str,
    visit: Visit,
    blocks: Sequence[tuple[str, str]],
    labels: Labels = (),
    *,
    written: datetime | None = None,
) -> Rendition:
    """A PDF with whose note it is at its head, kept as a Binary of the person's record."""
    created = written or visit.start + timedelta(minutes=WRITTEN_MINUTES)
    content = pdf.document(title, [("", _head(chart, visit)), *blocks])
    binary = binary_of(chart, f"{key}-pdf", content, "application/pdf", labels=labels, agency=visit.facility.agency)
    attachment = {
        "contentType": "application/pdf",
        "language": "en-US",
        "url": binary,
        "size": len(content),
        "hash": b64encode(sha1(content, usedforsecurity=False).digest()).decode(),
        "title": title,
        "creation": instant(created),
    }
    return Rendition(binary, attachment)


def binary_of(
    chart: Chart, key: str, content: bytes, content_type: str, *, labels: Labels = (), agency: Agency | None = None
) -> str:
    """The Binary of some content of the person's record."""
    elements = {
        "contentType": content_type,
        "securityContext": {"reference": chart.patient["reference"]},
        "data": b64encode(content).decode(),
    }
    return chart.add("Binary", key, elements, labels=labels, agency=agency)


def _written(kind: Kind, visit: Visit) -> datetime:
    """Who goes home is told what was done when they go; other notes are written soon after the visit began."""
    return visit.end if kind is KINDS["discharge-summary"] else visit.start + timedelta(minutes=WRITTEN_MINUTES)


def _identified(chart: Chart, key: str) -> Resource:
    return {"identifier": [{"system": DOCUMENT_SYSTEM, "value": f"{chart.person.number:06}-{key}"}]}


def _format() -> Resource:
    return coding("ihe-format", "urn:ihe:iti:xds:2017:mimeTypeSufficient")


def _plain(title: str, text: str, written: datetime) -> Resource:
    content = text.encode()
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": "en-US",
        "data": b64encode(content).decode(),
        "size": len(content),
        "title": title,
        "creation": instant(written),
    }


def _head(chart: Chart, visit: Visit) -> str:
    born = chart.clock.born(chart.person.age, *chart.person.birthday)
    return (
        f"Patient: {chart.patient['display']}, born {born.isoformat()}\n"
        f"Visit: {visit.start:%Y-%m-%d %H:%M}, {visit.facility.name}\n"
        f"Clinician: {practitioner(visit.clinician)['display']}"
    )


def _blocks(text: str) -> list[tuple[str, str]]:
    """Headings with what stands under them; text before the first heading has none."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.strip().split("\n"):
        if line.endswith(":"):
            blocks.append((line.removesuffix(":"), []))
        else:
            blocks[-1][1].append(line)
    return [(heading, "\n".join(lines)) for heading, lines in blocks if heading or lines]
