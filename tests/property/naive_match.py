"""Whether one value asked for is met by one resource: every parameter kind and modifier, by hand.

https://hl7.org/fhir/R4/search.html#ptypes
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.property.naive_parameters import Composite, Parameter
from tests.property.naive_values import (
    amounts_of,
    at,
    date_matches,
    plain,
    quantity_matches,
    stretch_of,
)

Coded = tuple[str | None, str | None]
EARTH_METRES = 6_371_000.0
METRES = {"km": 1000.0, "m": 1.0, "[mi_i]": 1609.344, "mi": 1609.344}
CONTACT_KINDS = ("code", "contact", "boolean", "deceased")


def meets(parameter: Parameter, resource: Any, modifier: str, value: str, base: str, now: datetime) -> bool:
    """Whether any value of the parameter is what `value` asks for; `:not` and `:missing` are the caller's."""
    return any(_meets(parameter, found, modifier, value, base, now) for found in parameter.values(resource))


def meets_composite(composite: Composite, resource: Any, value: str, base: str, now: datetime) -> bool:
    """Whether one element has a value for every part of `value`, which are separated by `$`."""
    asked = value.split("$")
    return any(
        all(meets(part, element, "", each, base, now) for part, each in zip(composite.parts, asked, strict=True))
        for element in composite.instances(resource)
    )


def _meets(parameter: Parameter, found: Any, modifier: str, value: str, base: str, now: datetime) -> bool:
    match parameter.kind:
        case "concept" | "coding" | "identifier" if modifier in ("text", "of-type"):
            return _text_meets(found, value) if modifier == "text" else _of_type_meets(found, value)
        case "concept" | "coding" | "identifier":
            return any(token_matches(each, value, parameter.kind == "identifier") for each in coded(found))
        case "code" | "contact" | "boolean" | "deceased":
            return spelled(found) == value.removeprefix("|").lower()
        case "string" | "name" | "address":
            return any(string_matches(each, modifier, value) for each in texts(parameter.kind, found))
        case "date":
            stretch = stretch_of(found)
            return stretch is not None and date_matches(stretch, value, now)
        case "number" | "quantity":
            return any(quantity_matches(each, value) for each in amounts_of(found))
        case "reference" if modifier == "identifier":
            held = found.get("identifier")
            return held is not None and token_matches((held.get("system"), held.get("value")), value, True)
        case "reference":
            types = (modifier,) if modifier else parameter.targets
            return "reference" in found and reference_matches(found["reference"], value, types, base)
        case "canonical":
            return value in (found, found.split("|")[0])
        case "uri":
            return uri_matches(found, modifier, value)
    assert parameter.kind == "near"
    return near_matches(found, value)


# --- tokens -------------------------------------------------------------------------------------------------------


def coded(found: Any) -> list[Coded]:
    """System and code of a CodeableConcept, Coding or Identifier; of a boolean, its word."""
    if isinstance(found, bool):
        return [(None, str(found).lower())]
    if "coding" in found:
        return [each for coding in found["coding"] for each in coded(coding)]
    if "value" in found:
        return [(found.get("system"), found["value"])]
    code = found.get("code")
    return [(found.get("system"), None if code is None else code.lower())]


def spelled(found: Any) -> str:
    """Of a code, boolean or ContactPoint."""
    return str(found.get("value") if isinstance(found, dict) else found).lower()


def token_matches(found: Coded, value: str, keeps_case: bool) -> bool:
    system, code = found
    wanted_system, bar, wanted = value.rpartition("|")
    if not keeps_case:
        wanted = wanted.lower()
    if not bar:
        return code == wanted
    if not wanted_system:
        return system is None and code == wanted
    return system == wanted_system and wanted in ("", code)


def _text_meets(found: Any, value: str) -> bool:
    shown = [*at(found, "text"), *at(found, "display"), *at(found, "coding.display")]
    shown += [*at(found, "type.text"), *at(found, "type.coding.display")]
    return any(plain(each).startswith(plain(value)) for each in shown)


def _of_type_meets(found: Any, value: str) -> bool:
    system, code, held = value.split("|")
    return found.get("value") == held and any(
        (each.get("system", ""), each.get("code", "").lower()) == (system, code.lower())
        for each in at(found, "type.coding")
    )


# --- strings ------------------------------------------------------------------------------------------------------

PARTS = {
    "name": ("text", "family", "given", "prefix", "suffix"),
    "address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def texts(kind: str, found: Any) -> list[str]:
    """The text itself, or those of the parts of a HumanName or Address."""
    return [found] if kind == "string" else [each for part in PARTS[kind] for each in at(found, part)]


def string_matches(found: str, modifier: str, value: str) -> bool:
    match modifier:
        case "exact":
            return found == value
        case "contains":
            return plain(value) in plain(found)
    return plain(found).startswith(plain(value))


# --- references, uris, places -------------------------------------------------------------------------------------


def reference_matches(found: str, value: str, types: Sequence[str], base: str) -> bool:
    found, value = local(found, base), local(value, base)
    if found.startswith("#"):
        return False
    if "/" in value or ":" in value:
        return found == value and (not types or "://" in value or value.split("/")[0] in types or ":" in value)
    return bool(re.fullmatch(rf"[A-Z][A-Za-z]*/{re.escape(value)}", found)) and (
        not types or found.split("/")[0] in types
    )


def local(reference: str, base: str) -> str:
    """Without version, and without the base where it is the server's own."""
    return re.sub(r"/_history/.*", "", reference).removeprefix(f"{base}/")


def uri_matches(found: str, modifier: str, value: str) -> bool:
    match modifier:
        case "below":
            return found == value or found.startswith(value if value.endswith("/") else f"{value}/")
        case "above":
            return found == value or value.startswith(found if found.endswith("/") else f"{found}/")
    return found == value


def near_matches(found: Any, value: str) -> bool:
    parts = value.split("|")
    metres = float(parts[2]) * METRES[parts[3] if len(parts) > 3 else "km"] if len(parts) > 2 else 50_000.0
    return metres_between(float(found["latitude"]), float(found["longitude"]), *map(float, parts[:2])) <= metres


def metres_between(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Along the surface of a round earth."""
    here, there = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((there - here) / 2) ** 2
    half += math.cos(here) * math.cos(there) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_METRES * math.asin(math.sqrt(half))
