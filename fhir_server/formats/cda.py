"""The parts that every C-CDA document is made of: ids, codes, moments, quantities, tables of words.

https://www.hl7.org/ccdasearch/ (C-CDA R2.1), https://hl7.org/fhir/R4/terminologies-systems.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, register_namespace

from fhir_server.core.resource import Resource
from fhir_server.formats.chart import COLUMNS, Chart, line_of
from fhir_server.formats.wording import codings, concept, plain

V3 = "urn:hl7-org:v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = f"{{{XSI}}}type"

register_namespace("", V3)
register_namespace("xsi", XSI)

SNOMED, LOINC, ACT_CODES = "2.16.840.1.113883.6.96", "2.16.840.1.113883.6.1", "2.16.840.1.113883.5.4"
TEMPLATES = "2.16.840.1.113883.10.20.22"

OIDS: Mapping[str, str] = {
    "http://snomed.info/sct": SNOMED,
    "http://loinc.org": LOINC,
    "http://www.nlm.nih.gov/research/umls/rxnorm": "2.16.840.1.113883.6.88",
    "http://hl7.org/fhir/sid/cvx": "2.16.840.1.113883.12.292",
    "http://hl7.org/fhir/sid/icd-10-cm": "2.16.840.1.113883.6.90",
    "http://hl7.org/fhir/sid/icd-9-cm": "2.16.840.1.113883.6.103",
    "http://hl7.org/fhir/sid/ndc": "2.16.840.1.113883.6.69",
    "http://www.ama-assn.org/go/cpt": "2.16.840.1.113883.6.12",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": ACT_CODES,
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation": "2.16.840.1.113883.5.83",
}
"""The code systems of FHIR that CDA has a number for."""

_MOMENT = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?").fullmatch
_IS_OID = re.compile(r"urn:oid:([0-2](?:\.(?:0|[1-9]\d*))+)").fullmatch
_IS_CODE = re.compile(r"\S+").fullmatch


def under(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """A new element of CDA. No text or attribute holds what XML cannot: `plain` takes it away."""
    made = SubElement(parent, f"{{{V3}}}{name}", {key: plain(value) for key, value in attributes.items()})
    if text is not None:
        made.text = plain(text)
    return made


def template(parent: Element, root: str, extension: str | None = "2015-08-01") -> None:
    """Say which template an element follows; `root` goes on where C-CDA's own numbers begin."""
    versioned = {"extension": extension} if extension else {}
    for each in ({}, versioned) if extension else ({},):
        under(parent, "templateId", root=f"{TEMPLATES}.{root}", **each)


def identified(parent: Element, base: str, resource: Resource) -> None:
    """The id of what was drawn from a resource, the same in every document."""
    place = f"{base}/{resource['resourceType']}/{resource['id']}"
    under(parent, "id", root=str(uuid5(NAMESPACE_URL, place)))


def coded(parent: Element, name: str, value: Any, type: str | None = None) -> Element:
    """A CodeableConcept as a code with translations; what CDA has no number for stays words."""
    made = under(parent, name)
    if type:
        made.set(TYPE, type)
    known = [(oid_of(each["system"]), each) for each in codings(value)]
    usable = [(oid, each) for oid, each in known if oid and _IS_CODE(plain(each["code"]))]
    if usable:
        _fill(made, *usable[0])
    else:
        made.set("nullFlavor", "OTH" if concept(value) else "UNK")
    if concept(value):
        under(made, "originalText", concept(value))
    for oid, each in usable[1:]:
        _fill(under(made, "translation"), oid, each)
    return made


def _fill(made: Element, oid: str, coding: Mapping[str, Any]) -> None:
    made.set("code", plain(coding["code"]))
    made.set("codeSystem", oid)
    if coding.get("display"):
        made.set("displayName", plain(coding["display"]))


def oid_of(system: str) -> str:
    """The number of a code system; empty where there is none."""
    found = _IS_OID(system)
    return OIDS.get(system, "") or (found[1] if found else "")


def moment(parent: Element, name: str, text: Any) -> None:
    """A date or moment; one that is not known says so."""
    found = timestamp(text)
    under(parent, name, **({"value": found} if found else {"nullFlavor": "UNK"}))


def timestamp(text: Any) -> str:
    """`20240601090000+0000` of a date or moment of FHIR, to its own precision; empty for anything else."""
    match = _MOMENT(text) if isinstance(text, str) else None
    if match is None:
        return ""
    zone = match[7] or ""
    return "".join(filter(None, match.groups()[:6])) + ("+0000" if zone == "Z" else zone.replace(":", ""))


def stretch(parent: Element, begins: Any, ends: Any = None, type: str | None = None) -> None:
    """An effectiveTime from a moment to another, where that is known."""
    made = under(parent, "effectiveTime")
    if type:
        made.set(TYPE, type)
    moment(made, "low", begins)
    if timestamp(ends):
        moment(made, "high", ends)


def measured(parent: Element, value: Any) -> bool:
    """A Quantity as `value`; False where it is none that CDA can hold."""
    number = value.get("value") if isinstance(value, Mapping) else None
    if not isinstance(number, Decimal | int | float):
        return False
    digits = Decimal(str(number))
    # Written out, 1e999999 would be a million digits.
    if not digits.is_finite() or not -30 <= digits.adjusted() <= 30 or value.get("comparator"):
        return False
    unit = plain(value.get("code") or value.get("unit") or "1").replace(" ", "_")
    under(parent, "value", value=f"{digits:f}", unit=unit).set(TYPE, "PQ")
    return True


def narrative(section: Element, chart: Chart, entries: Sequence[Resource], prefix: str) -> None:
    """The section's text: a table with a row for each entry, whose first cell the entry refers to."""
    body = under(section, "text")
    table = under(body, "table")
    heads = under(under(table, "thead"), "tr")
    for each in COLUMNS:
        under(heads, "th", each)
    rows = under(table, "tbody")
    for number, resource in enumerate(entries, start=1):
        row = under(rows, "tr", ID=f"{prefix}{number}")
        for cell in line_of(chart, resource).cells:
            under(row, "td", cell)


def refers(parent: Element, place: str) -> None:
    """Say where the words of an entry stand."""
    under(under(parent, "text"), "reference", value=f"#{place}")


def named(parent: Element, names: Iterable[Mapping[str, Any]]) -> None:
    """The name of a person, in parts."""
    found = list(names)
    best = next((each for each in found if each.get("use") == "official"), found[0] if found else {})
    made = under(parent, "name")
    parts = [("given", each) for each in best.get("given") or ()] + [("family", best.get("family"))]
    if not any(text for _, text in parts):
        made.text = plain(best.get("text")) or None
        if made.text is None:
            made.set("nullFlavor", "UNK")
    for name, text in parts:
        if text:
            under(made, name, text)
