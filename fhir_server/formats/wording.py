"""Data types in words, for a person to read: a concept, a quantity, a date, a name.

https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Mapping
from typing import Any

LONGEST = 2_000
"""Characters of one text; what is longer is cut, and says so."""

_COMPARED = {"<": "< ", "<=": "≤ ", ">=": "≥ ", ">": "> "}


def plain(text: Any) -> str:
    """The text in one line: without control characters, which no document can hold, and of bounded length."""
    if not isinstance(text, str):
        return ""
    kept = "".join(each if each.isprintable() else " " for each in text[: LONGEST + 1])
    words = " ".join(kept.split())
    return f"{words[:LONGEST]} …" if len(text) > LONGEST else words


def concept(value: Any) -> str:
    """A CodeableConcept or a Coding: its text, else the first display, else the first code."""
    if not isinstance(value, Mapping):
        return ""
    if value.get("text"):
        return plain(value["text"])
    codings = value.get("coding", [value])
    for member in ("display", "code"):
        for each in codings:
            if isinstance(each, Mapping) and each.get(member):
                return plain(each[member])
    return ""


def concepts(values: Any) -> str:
    """Several of them."""
    return ", ".join(filter(None, map(concept, values or ())))


def codings(value: Any) -> list[Mapping[str, Any]]:
    """The codings of a CodeableConcept that have a system and a code."""
    if not isinstance(value, Mapping):
        return []
    return [each for each in value.get("coding", ()) if each.get("system") and each.get("code")]


def has_code(value: Any, *codes: str) -> bool:
    """Whether a CodeableConcept, or one of several, has one of the codes."""
    if isinstance(value, list):
        return any(has_code(each, *codes) for each in value)
    return any(each.get("code") in codes for each in (value or {}).get("coding", ()))


def quantity(value: Any) -> str:
    """A Quantity with its unit."""
    if not isinstance(value, Mapping) or value.get("value") is None:
        return ""
    unit = plain(value.get("unit") or value.get("code") or "")
    return f"{_COMPARED.get(value.get('comparator', ''), '')}{value['value']} {unit}".strip()


def day(value: Any) -> str:
    """A date or moment to the day, as written; the first of a Period, with its end where it has another."""
    if isinstance(value, str):
        return plain(value[:10])
    if isinstance(value, Mapping):
        begins, ends = day(value.get("start")), day(value.get("end"))
        if begins and ends and begins != ends:
            return f"{begins} to {ends}"
        return begins or (f"until {ends}" if ends else "")
    return ""


def human_name(names: Any) -> str:
    """The name to call somebody by, of a list: the official one, else the first."""
    found = [each for each in names or () if isinstance(each, Mapping)]
    if not found:
        return ""
    best = next((each for each in found if each.get("use") == "official"), found[0])
    if best.get("text"):
        return plain(best["text"])
    parts = [*(best.get("prefix") or ()), *(best.get("given") or ()), best.get("family"), *(best.get("suffix") or ())]
    return plain(" ".join(each for each in parts if each))


def value_of(resource: Mapping[str, Any], name: str = "value") -> str:
    """An element of several types (`value[x]`), whichever it is."""
    for key, value in resource.items():
        if not key.startswith(name) or value is None:
            continue
        kind = key.removeprefix(name)
        match kind:
            case "Quantity" | "Age" | "SampledData":
                return quantity(value)
            case "CodeableConcept":
                return concept(value)
            case "Period" | "DateTime" | "Date":
                return day(value)
            case "Boolean":
                return "yes" if value else "no"
            case "String" | "Integer" | "Time" | "Decimal":
                return plain(str(value))
            case "Range":
                return f"{quantity(value.get('low'))} to {quantity(value.get('high'))}"
            case "Ratio":
                return f"{quantity(value.get('numerator'))} / {quantity(value.get('denominator'))}"
    return ""


def source_of(resource: Mapping[str, Any]) -> str:
    """The agency a resource came from: the last word of the URN in `meta.source`, its host, or the source as it is."""
    source = plain(resource.get("meta", {}).get("source", "")).partition("#")[0]
    if source.startswith("urn:") and ":agency:" in source:
        return source.rpartition(":")[2].upper()
    return source.removeprefix("https://").removeprefix("http://").rstrip("/")
