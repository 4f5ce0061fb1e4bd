"""A patient's record as a PDF that a person can read: who, and section by section what is on record.

https://hl7.org/fhir/R4/documents.html
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.core.resource import Resource
from fhir_server.formats.chart import Chart, line_of, name_of
from fhir_server.formats.chart_sections import Section, encounters, is_in_error, kept
from fhir_server.formats.typesetting import Pages
from fhir_server.formats.wording import concept, has_code, human_name, plain

SYNTHETIC = "Synthetic test data. No real person."


def _all(*types: str) -> Any:
    return lambda chart: kept(chart, *types)


def _observed(chart: Chart, *categories: str) -> list[Resource]:
    found = kept(chart, "Observation")
    return [each for each in found if has_code(each.get("category", []), *categories)]


def _other_observations(chart: Chart) -> list[Resource]:
    named = ("laboratory", "imaging", "vital-signs")
    found = kept(chart, "Observation")
    return [each for each in found if not has_code(each.get("category", []), *named)]


def _results(chart: Chart) -> list[Resource]:
    return [*_observed(chart, "laboratory", "imaging"), *kept(chart, "DiagnosticReport")]


SECTIONS: Sequence[Section] = (
    Section("", "", "Problems", ("Condition",), _all("Condition")),
    Section("", "", "Allergies", ("AllergyIntolerance",), _all("AllergyIntolerance")),
    Section(
        "",
        "",
        "Medicines",
        ("MedicationRequest", "MedicationStatement"),
        _all("MedicationRequest", "MedicationStatement"),
    ),
    Section("", "", "Immunizations", ("Immunization",), _all("Immunization")),
    Section("", "", "Results", ("Observation", "DiagnosticReport"), _results),
    Section("", "", "Vital signs", ("Observation",), lambda chart: _observed(chart, "vital-signs")),
    Section("", "", "Other observations", ("Observation",), _other_observations),
    Section("", "", "Visits", ("Encounter",), encounters),
    Section("", "", "Procedures", ("Procedure",), _all("Procedure")),
    Section("", "", "Notes and documents", ("DocumentReference",), _all("DocumentReference")),
)
"""Of the whole record, what is over too: the dates and statuses say so."""


def record_pdf(chart: Chart, made_at: str) -> bytes:
    """The document. `made_at` is an instant as text."""
    name = name_of(chart.patient) or "a patient without a name"
    day = f"{made_at[:10]} {made_at[11:16]} UTC"
    mark = f" {SYNTHETIC}" if chart.is_synthetic else ""
    pages = Pages(f"Health record of {name}", f"Made {day}.{mark}", f"{name} - made {day}.{mark}")
    pages.heading(f"Health record of {name}", 17, 0)
    pages.paragraph(f"Made {day}. It holds what the one who asked for it may see.{mark}")
    pages.gap(6)
    for label, text in _who(chart.patient):
        pages.entry(label, text)
    for section in SECTIONS:
        found = [each for each in section.chosen(chart) if not is_in_error(each)]
        pages.heading(f"{section.title} ({len(found)})", 13, 1)
        if not found:
            pages.paragraph(_nothing(chart, section))
        for each in found:
            line = line_of(chart, each)
            status = f"Status: {line.status}" if line.status else ""
            source = f"Source: {line.source}" if line.source else ""
            pages.entry(line.when, line.what, line.detail, ". ".join(filter(None, (status, source))))
    return pages.done()


def _nothing(chart: Chart, section: Section) -> str:
    if chart.whole.issuperset(section.types):
        return "Nothing is recorded. This does not mean that there is nothing."
    return "Nothing that may be shown here. More may be recorded."


def _who(patient: Resource) -> Iterable[tuple[str, str]]:
    yield "Name", human_name(patient.get("name"))
    yield "Born", plain(patient.get("birthDate", "")) or "not recorded"
    if patient.get("gender"):
        yield "Gender", plain(patient["gender"])
    if patient.get("deceasedDateTime") or patient.get("deceasedBoolean"):
        yield "Died", plain(patient.get("deceasedDateTime", "")) or "yes"
    for each in patient.get("identifier", ()):
        if each.get("value"):
            yield concept(each.get("type")) or "Identifier", plain(each["value"])
    for each in patient.get("address", ()):
        parts = [*(each.get("line") or ()), each.get("city"), each.get("state"), each.get("postalCode")]
        text = plain(each.get("text")) or plain(", ".join(part for part in parts if part))
        if text:
            yield "Address", text
    for each in patient.get("telecom", ()):
        if each.get("value"):
            yield plain(each.get("system", "")).capitalize() or "Contact", plain(each["value"])
