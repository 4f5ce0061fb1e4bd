"""What a search should find and in which order, worked out resource by resource from the specification's words.

https://hl7.org/fhir/R4/search.html. Slow on purpose, and written without the server's own search: it reads elements
by hand, for the parameters listed here, and compares values instead of index entries.
"""

import calendar
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

Resource = dict[str, Any]
Pairs = Sequence[tuple[str, str]]

ALWAYS, NEVER = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
TICK = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Stored:
    """A resource as the server keeps it."""

    id: str
    updated: datetime
    resource: Resource


def items(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def at(resource: Any, path: str) -> list[Any]:
    """All values at a path of JSON names."""
    found = [resource]
    for name in path.split("."):
        found = [item for each in found if isinstance(each, dict) for item in items(each.get(name))]
    return [each for each in found if each is not None]


# --- what each parameter reads -----------------------------------------------------------------------------------

Coded = tuple[str | None, str | None]


def concepts(path: str) -> Callable[[Resource], list[Coded]]:
    return lambda resource: [(each.get("system"), _lower(each.get("code"))) for each in at(resource, f"{path}.coding")]


def codings(path: str) -> Callable[[Resource], list[Coded]]:
    return lambda resource: [(each.get("system"), _lower(each.get("code"))) for each in at(resource, path)]


def codes(path: str) -> Callable[[Resource], list[Coded]]:
    return lambda resource: [(None, str(each).lower()) for each in at(resource, path)]


def contacts(system: str | None) -> Callable[[Resource], list[Coded]]:
    return lambda resource: [
        (None, each["value"].lower()) for each in at(resource, "telecom") if system in (None, each.get("system"))
    ]


def deceased(resource: Resource) -> list[Coded]:
    is_deceased = bool(resource.get("deceasedBoolean")) or "deceasedDateTime" in resource
    return [(None, "true" if is_deceased else "false")]


def identifiers(resource: Resource) -> list[Coded]:
    return [(each.get("system"), each.get("value")) for each in at(resource, "identifier")]


def texts(*paths: str) -> Callable[[Resource], list[str]]:
    return lambda resource: [each for path in paths for each in at(resource, path)]


def names(resource: Resource) -> list[str]:
    return [each for part in ("text", "family", "given", "prefix", "suffix") for each in at(resource, f"name.{part}")]


def addresses(resource: Resource) -> list[str]:
    parts = ("text", "line", "city", "district", "state", "postalCode", "country")
    return [each for part in parts for each in at(resource, f"address.{part}")]


def references(path: str, only: str | None = None) -> Callable[[Resource], list[str]]:
    def read(resource: Resource) -> list[str]:
        found = [re.sub(r"/_history/.*", "", each["reference"]) for each in at(resource, path) if "reference" in each]
        return [each for each in found if only is None or re.search(rf"(^|/){only}/[^/]+$", each)]

    return read


READS: dict[str, dict[str, tuple[str, Callable[[Resource], list[Any]]]]] = {
    "Patient": {
        "identifier": ("identifier", identifiers),
        "name": ("string", names),
        "family": ("string", texts("name.family")),
        "given": ("string", texts("name.given")),
        "address": ("string", addresses),
        "address-city": ("string", texts("address.city")),
        "gender": ("code", codes("gender")),
        "active": ("code", codes("active")),
        "deceased": ("code", deceased),
        "telecom": ("code", contacts(None)),
        "phone": ("code", contacts("phone")),
        "email": ("code", contacts("email")),
        "birthdate": ("date", texts("birthDate")),
        "organization": ("reference", references("managingOrganization")),
        "general-practitioner": ("reference", references("generalPractitioner")),
    },
    "Observation": {
        "identifier": ("identifier", identifiers),
        "status": ("code", codes("status")),
        "code": ("token", concepts("code")),
        "category": ("token", concepts("category")),
        "combo-code": ("token", lambda found: concepts("code")(found) + concepts("component.code")(found)),
        "value-concept": ("token", concepts("valueCodeableConcept")),
        "value-string": ("string", texts("valueString", "valueCodeableConcept.text")),
        "date": ("date", texts("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")),
        "value-date": ("date", texts("valueDateTime", "valuePeriod")),
        "patient": ("reference", references("subject", "Patient")),
        "subject": ("reference", references("subject")),
        "encounter": ("reference", references("encounter")),
    },
}
SHARED: dict[str, tuple[str, Callable[[Resource], list[Any]]]] = {
    "_tag": ("token", codings("meta.tag")),
    "_security": ("token", codings("meta.security")),
    "_profile": ("canonical", texts("meta.profile")),
    "_source": ("uri", texts("meta.source")),
}
TARGETS = {
    "patient": ("Patient",),
    "subject": ("Group", "Device", "Patient", "Location"),
    "encounter": ("Encounter", "EpisodeOfCare"),
    "organization": ("Organization",),
    "general-practitioner": ("Practitioner", "PractitionerRole", "Organization"),
}


# --- matching -----------------------------------------------------------------------------------------------------


def matches(stored: Stored, pairs: Pairs, base: str, now: datetime) -> bool:
    """Whether a resource is what the pairs ask for; values are without escapes."""
    return all(any(_matches(stored, name, value, base, now) for value in text.split(",")) for name, text in pairs)


def _matches(stored: Stored, name: str, value: str, base: str, now: datetime) -> bool:
    name, _, target = name.partition(":")
    if name == "_id":
        return stored.id == value
    if name == "_lastUpdated":
        return date_matches((stored.updated, stored.updated + TICK), value, now)
    kind, read = (READS[stored.resource["resourceType"]] | SHARED)[name]
    found = read(stored.resource)
    match kind:
        case "string":
            return any(plain(each).startswith(plain(value)) for each in found)
        case "date":
            return any(date_matches(each, value, now) for each in map(stretch_of, found) if each)
        case "reference":
            types = (target,) if target else TARGETS[name]
            return any(reference_matches(each, value, types, base) for each in found)
        case "uri":
            return value in found
        case "canonical":
            return any(value in (each, each.split("|")[0]) for each in found)
        case "code":
            return any(code == value.removeprefix("|").lower() for _, code in found)
    return any(token_matches(each, value, kind == "identifier") for each in found)


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


def reference_matches(found: str, value: str, types: Sequence[str], base: str) -> bool:
    found, value = (each.removeprefix(f"{base}/") for each in (found, re.sub(r"/_history/.*", "", value)))
    if found.startswith("#"):
        return False
    return found in ([f"{each}/{value}" for each in types] if "/" not in value and ":" not in value else [value])


def plain(text: str) -> str:
    """Without accents, case and repeated white space."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.category(each).startswith("M"))
    return re.sub(r"\s+", " ", "".join(letters).casefold()).strip()


Stretch = tuple[datetime, datetime]
"""From the first moment, to the first that no longer belongs to it."""


def stretch_of(found: Any) -> Stretch | None:
    if isinstance(found, str):
        return moment_of(found)
    if "start" in found or "end" in found:
        start, end = found.get("start"), found.get("end")
        return (moment_of(start)[0] if start else NEVER), (moment_of(end)[1] if end else ALWAYS)
    limits = [moment_of(each) for each in found.get("event", [])]
    bounds = found.get("repeat", {}).get("boundsPeriod")
    limits += [each for each in [stretch_of(bounds) if bounds else None] if each]
    return (min(each[0] for each in limits), max(each[1] for each in limits)) if limits else None


def moment_of(text: str) -> Stretch:
    zone: timezone = UTC
    match = re.search(r"(Z|[+-]\d\d:\d\d)$", text) if "T" in text else None
    if match:
        text = text[: match.start()]
        if match[1] != "Z":
            sign = -1 if match[1][0] == "-" else 1
            zone = timezone(sign * timedelta(hours=int(match[1][1:3]), minutes=int(match[1][4:])))
    parts = [int(each) for each in re.split(r"[-T:]", text.split(".")[0])]
    fraction = text.partition(".")[2][:3]
    start = datetime(*(parts + [1, 1][len(parts) - 1 :]), tzinfo=zone)  # type: ignore[misc, arg-type]
    days = {1: 366 if calendar.isleap(parts[0]) else 365, 3: 1}
    if len(parts) == 2:
        days[2] = calendar.monthrange(parts[0], parts[1])[1]
    if len(parts) <= 3:
        return start, start + timedelta(days=days[len(parts)])
    if len(parts) == 5:
        return start, start + timedelta(minutes=1)
    if not fraction:
        return start, start + timedelta(seconds=1)
    start += timedelta(milliseconds=int(fraction.ljust(3, "0")))
    return start, start + TICK * 10 ** (3 - len(fraction))


def date_matches(found: Stretch, value: str, now: datetime) -> bool:
    prefix, text = (value[:2], value[2:]) if value[:1].isalpha() else ("eq", value)
    start, end = moment_of(text)
    contained = start <= found[0] and found[1] <= end
    something_below, something_above = found[0] < start, found[1] > end
    match prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "lt":
            return something_below
        case "gt":
            return something_above
        case "le":
            return something_below or contained
        case "ge":
            return something_above or contained
        case "sa":
            return found[0] >= end
        case "eb":
            return found[1] <= start
    gap = max(start - now, now - (end - TICK), timedelta()) / 10
    return found[0] <= end - TICK + gap and found[1] - TICK >= start - gap


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


# --- order --------------------------------------------------------------------------------------------------------


def ordered(stored: Sequence[Stored], sort: str) -> Iterator[Stored]:
    """By the keys of `sort`, those without a value last whichever way it runs, then by id."""
    rows = sorted(stored, key=lambda each: each.id)
    for key in reversed(sort.split(",")):
        code, descending = key.removeprefix("-"), key.startswith("-")
        has = [each for each in rows if _sort_values(each, code)]
        without = [each for each in rows if not _sort_values(each, code)]
        if descending:
            has.sort(key=lambda each, code=code: max(high for _, high in _sort_values(each, code)), reverse=True)  # type: ignore[misc]
        else:
            has.sort(key=lambda each, code=code: min(low for low, _ in _sort_values(each, code)))  # type: ignore[misc]
        rows = has + without
    return iter(rows)


def _sort_values(stored: Stored, code: str) -> list[tuple[Any, Any]]:
    """The lowest and the highest each value reaches."""
    if code == "_id":
        return [(stored.id, stored.id)]
    if code == "_lastUpdated":
        return [(stored.updated, stored.updated)]
    kind, read = READS[stored.resource["resourceType"]][code]
    found = read(stored.resource)
    if kind == "date":
        return [each for each in map(stretch_of, found) if each]
    if kind == "string":
        return [(plain(each), plain(each)) for each in found]
    return [(text, text) for _, text in found if text is not None]
