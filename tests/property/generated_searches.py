"""Searches worth asking: mostly for values that some resource has, in one of the ways to ask for them."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.property.generated_values import (
    CODES,
    DATES,
    FAMILIES,
    GIVENS,
    IDENTIFIERS,
    NUMBERS,
    PREFIXES,
    URIS,
    WEIGHTS,
    Pick,
)
from tests.property.naive_match import coded, spelled, texts
from tests.property.naive_parameters import COMPOSITES, PARAMETERS, Composite, Parameter
from tests.property.naive_search import Stored
from tests.property.naive_values import UCUM, UNITS, at

MODIFIERS = {
    "concept": ["not", "text"],
    "coding": ["not", "text"],
    "identifier": ["not", "text", "of-type"],
    "code": ["not"],
    "boolean": ["not"],
    "contact": ["not"],
    "string": ["exact", "contains"],
    "name": ["exact", "contains"],
    "address": ["exact", "contains"],
    "uri": ["above", "below"],
}
STRUCTURAL = re.compile(r"[,|$\\]")
ANY: dict[str, list[Any]] = {
    "concept": [{"coding": [{"code": each}]} for each in CODES[1:]] + [{"text": FAMILIES[1]}],
    "coding": [{"code": each, "system": "urn:oid:1.2"} for each in CODES[1:]],
    "identifier": [{"value": each, "system": "urn:oid:1.2"} for each in IDENTIFIERS[1:]],
    "code": ["final", "AMENDED", "male", "active"],
    "boolean": [True, False],
    "deceased": [True, False],
    "contact": [{"value": "555"}, {"value": "a@B"}],
    "string": [*FAMILIES, *GIVENS],
    "name": [{"family": each} for each in FAMILIES],
    "address": [{"city": each} for each in FAMILIES],
    "date": DATES,
    "number": [Decimal(each) for each in NUMBERS],
    "quantity": [{"value": Decimal(each), "system": UCUM, "code": "g"} for each in NUMBERS],
    "reference": [{"reference": f"{type}/x1"} for type in ("Patient", "Location", "Encounter", "Organization")],
    "canonical": ["http://x/p", "http://x/p|1", "http://x/p|2"],
    "uri": [*URIS, "urn:agency:1"],
    "near": [{"latitude": 52.05, "longitude": 5.05}],
}


def query(pick: Pick, type: str, records: Sequence[Stored], base: str) -> list[tuple[str, str]]:
    """One to three parameters of one to three values, about resources such as `records`."""
    pairs = [_pair(pick, type, records, base) for _ in range(pick([1, 1, 1, 2, 3]))]
    if pick([False] * 7 + [True]):
        pairs.append(("_lastUpdated", pick(PREFIXES) + pick(["2026-01-01T12:00:00Z", "2026-01-01", "2025-12-31"])))
    return pairs


def _pair(pick: Pick, type: str, records: Sequence[Stored], base: str) -> tuple[str, str]:
    composites = COMPOSITES.get(type, {})
    name = pick([*sorted(PARAMETERS[type]), *sorted(composites) * 2])
    return pair(pick, type, name, records, base)


def pair(pick: Pick, type: str, name: str, records: Sequence[Stored], base: str) -> tuple[str, str]:
    """A search by one parameter of a type."""
    if pick([False] * 11 + [True]):
        return f"{name}:missing", pick(["true", "false"])
    composite = COMPOSITES.get(type, {}).get(name)
    if composite is not None:
        values = [_composed(pick, composite, records, base) for _ in range(pick([1, 1, 2]))]
        return name, ",".join(values)
    parameter = PARAMETERS[type][name]
    modifiers = MODIFIERS.get(parameter.kind, [])
    modifier = pick(["", "", "", *modifiers])
    values = [_asked(pick, parameter, modifier, records, base) for _ in range(pick([1, 1, 2, 3]))]
    if parameter.kind == "reference":
        modifier, values = _typed(pick, parameter, values)
    kept = [each for each in values if each] or ["http://x.org/a" if parameter.kind == "uri" else "none"]
    if parameter.kind in ("number", "quantity", "date") and kept == ["none"]:
        kept = ["1" if parameter.kind != "date" else "2020"]
    if modifier == "of-type":
        kept = [each if each.count("|") == 2 else "urn:oid:1.2|a|1" for each in kept]
    return f"{name}:{modifier}" if modifier else name, ",".join(kept)


def _typed(pick: Pick, parameter: Parameter, values: list[str]) -> tuple[str, list[str]]:
    """Half of the searches with a bare id say the type."""
    if parameter.targets and pick([True, False]) and all(re.fullmatch(r"[\w-]+", each) for each in values):
        return pick(parameter.targets), values
    if parameter.targets and pick([False] * 7 + [True]):
        return "identifier", [pick(["urn:oid:1.2|1", "aB", "urn:oid:1.2|", "|1"])]
    return "", values


def _asked(pick: Pick, parameter: Parameter, modifier: str, records: Sequence[Stored], base: str) -> str:
    held: list[Any] = []
    for _ in range(4):
        held = held or parameter.values(pick(records).resource)
    value = pick(held) if held and pick([True, True, True, False]) else pick(ANY[parameter.kind])
    if parameter.kind == "reference" and value not in held:
        value = {"reference": f"{pick(parameter.targets)}/x1"}
    return asked(pick, parameter, modifier, value, base)


def _composed(pick: Pick, composite: Composite, records: Sequence[Stored], base: str) -> str:
    instances = [each for _ in range(6) for each in composite.instances(pick(records).resource)]
    element = pick(instances) if instances and pick([True, True, False]) else None
    parts = []
    for part in composite.parts:
        held = part.values(element) if element is not None else []
        value = pick(held) if held else pick(ANY[part.kind])
        if part.kind == "reference" and value not in held:
            value = {"reference": f"{pick(part.targets)}/x1"}
        text = asked(pick, part, "", value, base)
        parts.append(text or {"number": "1", "quantity": "1", "date": "2020"}.get(part.kind, "a"))
    return "$".join(parts)


def asked(pick: Pick, parameter: Parameter, modifier: str, value: Any, base: str) -> str:
    """A way to ask for a value of a parameter; empty where it holds nothing to ask for."""
    match parameter.kind:
        case "concept" | "coding" | "identifier" if modifier == "text":
            shown = [*at(value, "text"), *at(value, "display"), *at(value, "coding.display"), *at(value, "type.text")]
            return _piece(pick, pick(shown), "") if shown else pick(FAMILIES)
        case "identifier" if modifier == "of-type":
            types = at(value, "type.coding")
            type = pick(types) if types else {"code": "a"}
            parts = [type.get("system", ""), type.get("code", "a"), value.get("value", "1")]
            return "|".join(parts) if parts[0] and not STRUCTURAL.search("".join(parts)) else ""
        case "concept" | "coding" | "identifier":
            return _token(pick, coded(value))
        case "code" | "boolean" | "contact" | "deceased":
            word = spelled(value)
            return "" if STRUCTURAL.search(word) else pick([word, word, word.upper(), f"|{word}"])
        case "string" | "name" | "address":
            words = texts(parameter.kind, value)
            return _piece(pick, pick(words), modifier) if words else ""
        case "date":
            return _date(pick, value)
        case "number" | "quantity":
            return _amount(pick, parameter.kind, value)
        case "reference":
            return _reference(pick, value, base)
        case "canonical":
            return "" if "," in value else str(value)
        case "near":
            latitude, longitude = float(value["latitude"]), float(value["longitude"])
            place = f"{latitude + pick([0, 0.05])}|{longitude}"
            return str(pick([place, f"{place}|1|km", f"{place}|30|km", f"{place}|5000|m", f"{place}|200|[mi_i]"]))
    return _uri(pick, value, modifier)


def _token(pick: Pick, held: list[tuple[str | None, str | None]]) -> str:
    system, code = pick(held) if held else (None, None)
    if STRUCTURAL.search(f"{system}{code}"):
        return ""
    ways = [code, f"|{code}"] if code else []
    if system:
        ways += [f"{system}|"] + [f"{system}|{code}", f"{system}x|{code}"] * (2 if code else 0)
    return str(pick(ways)) if ways else ""


def _piece(pick: Pick, text: str, modifier: str) -> str:
    clean = STRUCTURAL.split(text)[0].strip()
    if modifier == "exact":
        return str(pick([text, text.upper()])) if not STRUCTURAL.search(text) else clean
    start = pick([0, 1, 2]) if modifier == "contains" else 0
    cut = re.sub(r"\s+", " ", clean)[start : start + pick([2, 3, 5, 40])].strip()
    return str(pick([cut, cut.upper(), cut.lower()]))


def _date(pick: Pick, value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("start") or value.get("end") or pick(DATES)
    return str(pick(PREFIXES) + pick([value, value, value[:10], value[:7], value[:4]]))


def _amount(pick: Pick, kind: str, value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("low") or value.get("high") or value
    held = value if isinstance(value, dict) else {"value": value}
    text = str(held.get("value", 1))
    text = pick([text, text, *NUMBERS, f"{text}0" if "." in text else f"{text}.0", "1e2", "1e-2"])
    if kind == "number":
        return str(pick(PREFIXES)) + text
    system, code = held.get("system"), held.get("code")
    units = ["", "||g", "||mg", "|urn:units|pack"] + [f"|{UCUM}|{each}" for each in WEIGHTS]
    if system and code and not STRUCTURAL.search(system + code):
        units += [f"|{system}|{code}", f"||{code}"] * 3
        units += [f"|{UCUM}|{each}" for each in UNITS if UNITS[each][0] == UNITS.get(code, ("",))[0]]
    if held.get("unit") and not STRUCTURAL.search(held["unit"]):
        units.append(f"||{held['unit']}")
    unit = pick(units)
    # Ten per cent of a temperature depends on the scale it is written in.
    prefixes = [each for each in PREFIXES if each != "ap" or UNITS.get(unit.split("|")[-1], ("",))[0] != "K"]
    return str(pick(prefixes) + text + unit)


def _reference(pick: Pick, value: Any, base: str) -> str:
    text = re.sub(r"/_history/.*", "", value.get("reference", "x1"))
    if STRUCTURAL.search(text) or text.startswith("#"):
        return "x1"
    if ":" in text:
        return text
    return str(pick([text, text, text.split("/")[-1], f"{base}/{text}"] if "/" in text else [text]))


def _uri(pick: Pick, value: str, modifier: str) -> str:
    if STRUCTURAL.search(value):
        return ""
    if modifier and value.startswith("urn:"):
        # Hierarchies are for URLs only.
        return "http://x.org/a"
    if modifier == "above":
        return f"{value}{pick(['', '/b', '/b/c/d', 'b'])}"
    if modifier == "below":
        return str(pick([value, value.rpartition("/")[0], f"{value.rpartition('/')[0]}/"]))
    return value
