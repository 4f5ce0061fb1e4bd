"""Small patients and observations made of few values, so that they often meet; and searches for them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.naive_search import Stored

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several: a random generator's `choice`, or a draw of hypothesis."""

BASE = "http://localhost:8080/fhir"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING = object()

SYSTEMS = [NOTHING, "http://loinc.org", "urn:oid:1.2"]
CODES = [NOTHING, "a", "A", "b", "8302-2", "ä b"]
FAMILIES = ["Ang", "Ångström", "angst", "Anders", "O'Brien", "Ö", "van  Dyk", "(x"]
GIVENS = ["Ann", "Anna", "José", "Jose Maria"]
DATES = ["2019", "2020", "2020-02", "2020-02-29", "2020-12-31", "2021-01-01", "2020-02-29T10:30:05Z", "2025-12-01",
         "2020-02-29T23:30:05-05:00", "2020-02-29T10:30:05.120+01:00"]  # fmt: skip
BIRTHDAYS = ["1970", "1970-01", "1970-01-01", "1969-12-31", "2020-02-29"]
PATIENTS = ["Patient/p1", f"{BASE}/Patient/p1", "Patient/p1/_history/2", "Patient/p2", "http://other/fhir/Patient/p1"]
SUBJECTS = [*PATIENTS, "Group/p1", "#c", "urn:uuid:7"]
PREFIXES = ["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
UPDATED = [NOW - timedelta(milliseconds=each) for each in (0, 0, 0, 1, 1000, 86_400_000)]
PATIENT_SORTS = ["_id", "-_id", "family", "-family", "birthdate", "-birthdate", "gender", "-gender", "_lastUpdated",
                 "-_lastUpdated", "identifier", "-deceased"]  # fmt: skip
OBSERVATION_SORTS = ["date", "-date", "code", "-code", "status", "value-string", "-value-date", "_lastUpdated", "-_id"]


def drawing(data: st.DataObject) -> Pick:
    """Choices that hypothesis makes, and makes simpler when a test fails."""
    return lambda values: data.draw(st.sampled_from(values))


def _some(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not NOTHING and value != [] and value != {}}


def _several(pick: Pick, make: Callable[[], Any]) -> list[Any]:
    return [make() for _ in range(pick([0, 1, 1, 2]))]


def _coding(pick: Pick) -> dict[str, Any]:
    return _some(system=pick(SYSTEMS), code=pick(CODES), display="shown")


def _concept(pick: Pick) -> dict[str, Any]:
    return _some(coding=_several(pick, lambda: _coding(pick)), text=pick([NOTHING, *FAMILIES]))


def _identifier(pick: Pick) -> dict[str, Any]:
    return _some(system=pick(SYSTEMS), value=pick(["1", "aB", "ab", NOTHING]))


def _period(pick: Pick) -> dict[str, Any]:
    # Ends are later than starts: a period that ends before it begins has no meaning to agree on.
    return _some(start=pick([NOTHING, *DATES[:4]]), end=pick([NOTHING, "2020-12-31", "2021-01-01", "2025-12-01"]))


def _meta(pick: Pick) -> dict[str, Any]:
    return _some(
        tag=_several(pick, lambda: _coding(pick)),
        security=_several(pick, lambda: _coding(pick)),
        profile=_several(pick, lambda: pick(["http://x/p", "http://x/p|1", "http://x/q"])),
        source=pick([NOTHING, "urn:agency:1", "urn:agency:2"]),
    )


def patient(pick: Pick) -> dict[str, Any]:
    name = lambda: _some(family=pick([NOTHING, *FAMILIES]), given=_several(pick, lambda: pick(GIVENS)))  # noqa: E731
    return _some(
        resourceType="Patient",
        meta=_meta(pick),
        identifier=_several(pick, lambda: _identifier(pick)),
        active=pick([NOTHING, True, False]),
        name=_several(pick, name),
        telecom=_several(pick, lambda: _some(system=pick(["phone", "email"]), value=pick(["555", "A@b"]))),
        gender=pick([NOTHING, "female", "male"]),
        birthDate=pick([NOTHING, *BIRTHDAYS]),
        **pick([{}, {"deceasedBoolean": True}, {"deceasedBoolean": False}, {"deceasedDateTime": "2020"}]),
        address=_several(pick, lambda: _some(city=pick(FAMILIES), line=_several(pick, lambda: pick(GIVENS)))),
        managingOrganization=pick([NOTHING, {"reference": "Organization/o1"}, {"display": "x"}]),
        generalPractitioner=_several(pick, lambda: {"reference": pick(["Practitioner/o1", "Organization/o1"])}),
    )


def observation(pick: Pick) -> dict[str, Any]:
    effective = [{}, {"effectiveDateTime": pick(DATES)}, {"effectivePeriod": _period(pick)}]
    timing = _some(event=_several(pick, lambda: pick(DATES)), repeat=_some(boundsPeriod=_period(pick)))
    effective += [{"effectiveDateTime": pick(DATES)}, {"effectiveTiming": timing}]
    values = [{}, {"valueString": pick(FAMILIES)}, {"valueCodeableConcept": _concept(pick)}]
    values += [{"valueDateTime": pick(DATES)}, {"valuePeriod": _period(pick)}]
    return _some(
        resourceType="Observation",
        meta=_meta(pick),
        identifier=_several(pick, lambda: _identifier(pick)),
        status=pick(["final", "amended", "final"]),
        category=_several(pick, lambda: _concept(pick)),
        code=_concept(pick),
        subject=pick([NOTHING, *({"reference": each} for each in SUBJECTS)]),
        encounter=pick([NOTHING, {"reference": "Encounter/e1"}, {"reference": "EpisodeOfCare/e1"}]),
        component=_several(pick, lambda: _some(code=_concept(pick))),
        **_some(**pick(effective)),
        **_some(**pick(values)),
    )


def stored(pick: Pick, resource: dict[str, Any], id: str) -> Stored:
    return Stored(id, pick(UPDATED), resource)


def _token(pick: Pick) -> str:
    system, code = pick(SYSTEMS), pick(CODES)
    if code is NOTHING:
        return f"{pick(SYSTEMS[1:])}|"
    return pick([code, f"|{code}", code if system is NOTHING else f"{system}|{code}"])


def _identifier_value(pick: Pick) -> str:
    return pick(["1", "aB", "ab", "|1", "urn:oid:1.2|", "urn:oid:1.2|1", "http://loinc.org|aB"])


def _date(pick: Pick) -> str:
    return pick(PREFIXES) + pick(DATES)


def _value(pick: Pick, kind: str) -> str:
    match kind:
        case "token":
            return _token(pick)
        case "identifier":
            return _identifier_value(pick)
        case "date":
            return _date(pick)
        case "string":
            return pick([each.replace("  ", " ") for each in [*FAMILIES, *GIVENS, "an", "a", "o'b", "ANG"]])
        case "reference":
            return pick(
                ["p1", "p2", *PATIENTS, "Group/p1", "urn:uuid:7", "e1", "Encounter/e1", "o1", "Organization/o1"]
            )
        case "canonical":
            return pick(["http://x/p", "http://x/p|1", "http://x/p|2"])
        case "uri":
            return pick(["urn:agency:1", "urn:agency"])
    return pick(["final", "AMENDED", "|final", "female", "true", "false", "555", "a@B"])


def query(pick: Pick, kinds: dict[str, str]) -> list[tuple[str, str]]:
    """One to three parameters of one to three values; `kinds` are the kinds of the parameters to choose from."""
    pairs = []
    for _ in range(pick([1, 1, 1, 2, 3])):
        name = pick(sorted(kinds))
        pairs.append((name, ",".join(_value(pick, kinds[name]) for _ in range(pick([1, 1, 2, 3])))))
    if pick([False, False, False, True]):
        pairs.append(("_lastUpdated", pick(PREFIXES) + pick(["2026-01-01T12:00:00Z", "2026-01-01", "2025-12-31"])))
    return pairs
