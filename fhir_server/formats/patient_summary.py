"""An International Patient Summary: a document Bundle that needs nothing from outside.

https://hl7.org/fhir/uv/ips/StructureDefinition-Bundle-uv-ips.html, https://hl7.org/fhir/R4/documents.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fhir_server.core.resource import Resource
from fhir_server.formats.chart import COLUMNS, Chart, line_of, name_of
from fhir_server.formats.chart_sections import IPS, Section

PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"
COMPOSITION_PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"

_LOINC = "http://loinc.org"
_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


@dataclass(frozen=True, slots=True)
class Made:
    """By whom, when and under which name a document is made.

    `base` is the FHIR base of the server that makes it, `id` a UUID, `at` an instant as text.
    """

    base: str
    id: str
    at: str


def patient_summary(chart: Chart, made: Made) -> Resource:
    """The document: its Composition first, then the patient, and all that they refer to."""
    entries = {section.code: section.entries(chart) for section in IPS}
    author: Resource = {
        "resourceType": "Device",
        "id": made.id,
        "deviceName": [{"name": "Shared health record", "type": "user-friendly-name"}],
    }
    members = _Members(chart, made)
    members.add(chart.patient)
    members.add(author)
    for found in entries.values():
        for each in found:
            members.add(each)
    members.add_referred()
    sections = [_section(chart, section, entries[section.code], members) for section in IPS]
    composition: Resource = {
        "resourceType": "Composition",
        "id": made.id,
        "meta": {"profile": [COMPOSITION_PROFILE]},
        "text": {"status": "generated", "div": _head(chart, made)},
        "status": "final",
        "type": {"coding": [{"system": _LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": members.full_url(chart.patient)},
        "date": made.at,
        "author": [{"reference": members.full_url(author)}],
        "title": f"Patient summary of {name_of(chart.patient)}",
        "confidentiality": confidentiality(members.resources.values()),
        "section": [each for each in sections if each is not None],
    }
    drawn = [{"fullUrl": f"urn:uuid:{made.id}", "resource": composition}]
    drawn += [{"fullUrl": url, "resource": each} for url, each in members.drawn()]
    return {
        "resourceType": "Bundle",
        "id": made.id,
        "meta": {"profile": [PROFILE], "lastUpdated": made.at},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{made.id}"},
        "type": "document",
        "timestamp": made.at,
        "entry": drawn,
    }


class _Members:
    """The resources of the document but for its Composition, by place."""

    def __init__(self, chart: Chart, made: Made) -> None:
        self.chart = chart
        self.made = made
        self.resources: dict[str, Resource] = {}

    def add(self, resource: Resource) -> None:
        self.resources.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)

    def add_referred(self) -> None:
        """Add what those that are in refer to, and what that refers to, as far as it is beside the record."""
        latest = list(self.resources.values())
        while latest:
            named = {local for each in latest for local in self.named(each)}
            latest = []
            for place in sorted(named - self.resources.keys()):
                found = self.chart.referred.get(place)
                if found is not None:
                    self.resources[place] = found
                    latest.append(found)

    def named(self, resource: Resource) -> Iterable[str]:
        """The places of this server that a resource refers to."""
        stack: list[Any] = [resource]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                text = value.get("reference")
                local = self.chart.local(text) if isinstance(text, str) else None
                if local is not None:
                    yield local
                stack.extend(value.values())
            elif isinstance(value, list):
                stack.extend(value)

    def full_url(self, resource: Resource) -> str:
        return self.url_at(f"{resource['resourceType']}/{resource['id']}")

    def url_at(self, place: str) -> str:
        # The same resource has the same name in every summary of this server.
        return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{self.made.base}/{place}')}"

    def drawn(self) -> Iterable[tuple[str, Resource]]:
        for place, each in self.resources.items():
            yield self.url_at(place), self.closed(each)

    def closed(self, value: Any) -> Any:
        """A copy in which each reference leads into the document, or is words alone."""
        if isinstance(value, list):
            return [self.closed(each) for each in value]
        if not isinstance(value, dict):
            return value
        copy = {name: self.closed(each) for name, each in value.items()}
        text = value.get("reference")
        if isinstance(text, str) and not text.startswith("#"):
            local = self.chart.local(text)
            if local is not None and local in self.resources:
                copy["reference"] = self.url_at(local)
            else:
                del copy["reference"]
                copy.setdefault("display", "Not part of this summary")
        return copy


def _section(chart: Chart, section: Section, entries: list[Resource], members: _Members) -> Resource | None:
    if not entries and not section.required:
        return None
    drawn: Resource = {
        "title": section.title,
        "code": {"coding": [{"system": _LOINC, "code": section.code, "display": section.display}]},
    }
    if entries:
        drawn["text"] = {"status": "generated", "div": table(chart, entries)}
        drawn["entry"] = [{"reference": members.full_url(each)} for each in entries]
        return drawn
    code, words = empty_reason(chart, section)
    drawn["text"] = {"status": "generated", "div": f"<div {_XHTML}><p>{escape(words)}</p></div>"}
    drawn["emptyReason"] = {"coding": [{"system": _EMPTY, "code": code}], "text": words}
    return drawn


def empty_reason(chart: Chart, section: Section) -> tuple[str, str]:
    """Why a section is empty, as a code of R4's list-empty-reason, and in words.

    That nobody wrote anything down does not say that there is nothing, so it is never "nil known".
    """
    if chart.whole.issuperset(section.types):
        return "unavailable", f"{section.title}: nothing is recorded. This does not mean that there is nothing."
    return "withheld", f"{section.title}: nothing that may be shown here. More may be recorded."


def table(chart: Chart, entries: Iterable[Resource]) -> str:
    """The entries as an XHTML table, everything from the record escaped."""
    heads = "".join(f"<th>{each}</th>" for each in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line_of(chart, each).cells) + "</tr>"
        for each in entries
    )
    return f"<div {_XHTML}><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _head(chart: Chart, made: Made) -> str:
    words = f"Summary of {name_of(chart.patient)}, born {chart.patient.get('birthDate', 'unknown')}, made {made.at}."
    mark = "<p>Synthetic test data. No real person.</p>" if chart.is_synthetic else ""
    return f"<div {_XHTML}><p>{escape(words)}</p>{mark}</div>"


def confidentiality(resources: Iterable[Mapping[str, Any]]) -> str:
    """The highest label of confidentiality that any of the resources has: `V`, `R`, or `N` where there is none."""
    codes = {
        label.get("code")
        for each in resources
        for label in each.get("meta", {}).get("security", ())
        if label.get("system") == _CONFIDENTIALITY
    }
    return next((code for code in ("V", "R") if code in codes), "N")
