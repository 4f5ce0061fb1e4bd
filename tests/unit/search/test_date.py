"""Date parameters: implicit ranges, prefixes, periods, timings, zones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST, stretch, to_datetime
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from tests.unit.search.matching import NOON, finds, row

DAY = 86_400_000


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("2020", ms(2020, 1, 1), ms(2021, 1, 1) - 1),
        ("2020-02", ms(2020, 2, 1), ms(2020, 3, 1) - 1),
        ("2020-12", ms(2020, 12, 1), ms(2021, 1, 1) - 1),
        ("2020-02-29", ms(2020, 2, 29), ms(2020, 3, 1) - 1),
        ("2020-02-29T10:30", ms(2020, 2, 29, 10, 30), ms(2020, 2, 29, 10, 31) - 1),
        ("2020-02-29T10:30Z", ms(2020, 2, 29, 10, 30), ms(2020, 2, 29, 10, 31) - 1),
        ("2020-02-29T10:30:05", ms(2020, 2, 29, 10, 30, 5), ms(2020, 2, 29, 10, 30, 6) - 1),
        ("2020-02-29T10:30:05+02:00", ms(2020, 2, 29, 8, 30, 5), ms(2020, 2, 29, 8, 30, 6) - 1),
        ("2020-02-29T22:30:05-05:30", ms(2020, 3, 1, 4, 0, 5), ms(2020, 3, 1, 4, 0, 6) - 1),
        ("2020-02-29T10:30:05.1Z", ms(2020, 2, 29, 10, 30, 5) + 100, ms(2020, 2, 29, 10, 30, 5) + 199),
        ("2020-02-29T10:30:05.123Z", ms(2020, 2, 29, 10, 30, 5) + 123, ms(2020, 2, 29, 10, 30, 5) + 123),
        ("2020-02-29T10:30:05.123999Z", ms(2020, 2, 29, 10, 30, 5) + 123, ms(2020, 2, 29, 10, 30, 5) + 123),
        ("2016-12-31T23:59:60Z", ms(2017, 1, 1), ms(2017, 1, 1) + 999),
        ("1969-12-31", -DAY, -1),
    ],
)
def test_a_date_means_a_stretch_of_its_own_precision(text: str, lo: int, hi: int) -> None:
    assert stretch(text) == (lo, hi)


@pytest.mark.parametrize("text", ["0001", "9999", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_the_first_and_the_last_dates_have_stretches_and_moments(text: str) -> None:
    found = stretch(text)
    assert found is not None
    assert to_datetime(found[0]) <= to_datetime(found[1])


BAD = [
    "2023-02-30", "2023-13", "2023-13-01", "2023-00-01", "2023-01-00", "2023-04-31", "0000", "0000-01-01", "20230101",
    "2023-1-1", "2023-01-01T24:00", "2023-01-01T10", "2023-01-01T10:60", "2023-01-01T10:00:61Z", "2023-01-01 10:00",
    "2023-01-01T10:00:00+15:00", "2023-01-01T10:00:00+01:60", "2023-01-01T10:00:00 02:00", "today", "", "２０２３",
    "2023-01-01Z", "2023-",
    "2023-01-01T10:00:00.Z", "eqeq2020", "EQ2020", "xx2020", "2020-01-01\n",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(FhirError) as refused:
        finds("Patient", [("birthdate", text)], {})
    assert [issue.number for issue in refused.value.issues] == [4003]


def observed(**effective: Any) -> dict[str, Any]:
    return row({"resourceType": "Observation", "status": "final", "code": {}, **effective})


PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
# What is stored, what is asked, and the prefixes that find it.
TABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"effectiveDateTime": "2020-06-15"}, "2020-06-15", "eq ge le"),
    ({"effectiveDateTime": "2020-06-15"}, "2020-06", "eq ge le"),
    # The rest of June lies on either side of the 15th.
    ({"effectiveDateTime": "2020-06"}, "2020-06-15", "ne gt lt ge le"),
    ({"effectiveDateTime": "2020-06-14"}, "2020-06-15", "ne lt le eb"),
    ({"effectiveDateTime": "2020-06-16"}, "2020-06-15", "ne gt ge sa"),
    ({"effectiveDateTime": "2020-06-15T23:30:00-01:00"}, "2020-06-15", "ne gt ge sa"),
    ({"effectiveDateTime": "2020-06-15T10:00:00Z"}, "2020-06-15T10:00", "eq ge le"),
    ({"effectiveDateTime": "2020-06-15T10:00:00Z"}, "2020-06-15T10:00:00.500Z", "ne gt lt ge le"),
    ({"effectivePeriod": {"start": "2020-06-01", "end": "2020-06-30"}}, "2020-06", "eq ge le"),
    ({"effectivePeriod": {"start": "2020-06-01", "end": "2020-07-01"}}, "2020-06", "ne gt ge"),
    ({"effectivePeriod": {"start": "2020-05-31", "end": "2020-06-30"}}, "2020-06", "ne lt le"),
    ({"effectivePeriod": {"start": "2020-05-31", "end": "2020-07-01"}}, "2020-06", "ne gt lt ge le"),
    ({"effectivePeriod": {"start": "2020-06-10"}}, "2020-06", "ne gt ge"),
    ({"effectivePeriod": {"end": "2020-06-10"}}, "2020-06", "ne lt le"),
    ({"effectivePeriod": {"start": "2020-07-10"}}, "2020-06", "ne gt ge sa"),
    ({"effectivePeriod": {"end": "2020-05-10"}}, "2020-06", "ne lt le eb"),
    ({"effectiveInstant": "2020-06-15T10:00:00.123Z"}, "2020-06-15T10:00:00.123Z", "eq ge le"),
    ({"effectiveTiming": {"event": ["2020-06-02", "2020-06-20"]}}, "2020-06", "eq ge le"),
    ({"effectiveTiming": {"event": ["2020-05-02", "2020-06-20"]}}, "2020-06", "ne lt le"),
    ({"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2020-06-02"}}}}, "2020-06", "ne gt ge"),
    ({}, "2020-06", ""),
    ({"effectivePeriod": {"extension": [{"url": "u"}]}}, "2020-06", ""),
    ({"effectiveTiming": {"repeat": {"frequency": 1}}}, "2020-06", ""),
]  # fmt: skip


@pytest.mark.parametrize(("effective", "asked", "finding"), TABLE)
def test_prefixes_compare_stretches(effective: dict[str, Any], asked: str, finding: str) -> None:
    found = observed(**effective)
    assert [each for each in PREFIXES if finds("Observation", [("date", each + asked)], found)] == [
        each for each in PREFIXES if each in finding.split()
    ]
    assert finds("Observation", [("date", asked)], found) is ("eq" in finding.split())


def test_about_widens_by_a_tenth_of_the_gap_between_now_and_the_date() -> None:
    # Asked from noon of 2026-01-01: 1,000 days back, so 100 days on either side.
    asked = (NOON - timedelta(days=1000)).date()
    for days, found in ((0, True), (-99, True), (99, True), (-102, False), (102, False)):
        moment = (asked + timedelta(days=days)).isoformat()
        assert finds("Observation", [("date", f"ap{asked.isoformat()}")], observed(effectiveDateTime=moment)) is found


def test_about_today_is_today() -> None:
    today = NOON.date().isoformat()
    assert finds("Observation", [("date", f"ap{today}")], observed(effectiveDateTime=today))
    assert not finds("Observation", [("date", f"ap{today}")], observed(effectiveDateTime="2026-01-02"))


def test_several_dates_are_ored_and_several_parameters_anded() -> None:
    found = observed(effectiveDateTime="2020-06-15")
    assert finds("Observation", [("date", "2019,2020")], found)
    assert finds("Observation", [("date", "ge2020-06"), ("date", "le2020-07")], found)
    assert not finds("Observation", [("date", "ge2020-06"), ("date", "lt2020-06-15")], found)


@pytest.mark.parametrize("prefix", ["", *PREFIXES, "ap"])
@pytest.mark.parametrize("time", ["11:59:59.999", "12:00:00.000", "12:00:00.999", "12:00:01.000"])
def test_last_updated_compares_as_any_date_of_a_millisecond(prefix: str, time: str) -> None:
    moment = datetime.fromisoformat(f"2026-01-01T{time}+00:00")
    found = row({"resourceType": "Observation", "effectiveInstant": f"2026-01-01T{time}Z"}, updated=moment)
    asked = f"{prefix}2026-01-01T12:00:00Z"
    assert finds("Observation", [("_lastUpdated", asked)], found) is finds("Observation", [("date", asked)], found)


def test_each_date_predicate_bounds_both_ends() -> None:
    for prefix in PREFIXES:
        query = plan(parse("Observation", [("date", f"{prefix}2020")], False), NOON, None, NOON)
        for each in query.filter.get("$or", [query.filter]):
            bounds = each["d"]["$elemMatch"]
            assert bounds["p"] == "date"
            assert set(bounds["lo"]) == set(bounds["hi"]) == {"$gte", "$lte"}
            assert FAR_PAST <= bounds["lo"]["$gte"] <= bounds["lo"]["$lte"] <= FAR_FUTURE
