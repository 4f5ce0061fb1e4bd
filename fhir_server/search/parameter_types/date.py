"""Date parameters: every value is a stretch of time, and prefixes compare stretches.

https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/search.html#prefix

Index, in `d`: `{p, lo, hi}`, ms since 1970 UTC, both ends inclusive; a Period's open end is FAR_PAST or FAR_FUTURE.
A time without zone, which only a search can name, is in UTC.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from fhir_server.search.entries import Entries
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Dated, DatePrefix

FAR_PAST, FAR_FUTURE = -(2**62), 2**62

_DAY, _HOUR, _MINUTE, _SECOND = 86_400_000, 3_600_000, 60_000, 1000
_EPOCH = date(1970, 1, 1).toordinal()
_MOMENT = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
).fullmatch
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL).fullmatch
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def stretch(text: str) -> tuple[int, int] | None:
    """The first and last millisecond a date, dateTime or instant may mean; None where there is no such moment."""
    if len(text) == 25:
        begins = _second(text)
        if begins is not None:
            return begins, begins + _SECOND - 1
    match = _MOMENT(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if day is None:
        return _long_stretch(int(year), int(month) if month else None)
    try:
        lo = (date(int(year), int(month), int(day)).toordinal() - _EPOCH) * _DAY
    except ValueError:
        return None
    if hour is None:
        return lo, lo + _DAY - 1
    # 60 is a leap second: the first of the next minute.
    if hour > "23" or minute > "59" or (second is not None and second > "60"):
        return None
    offset = _offset(zone)
    if offset is None:
        return None
    lo += int(hour) * _HOUR + int(minute) * _MINUTE - offset
    if second is None:
        return lo, lo + _MINUTE - 1
    lo += int(second) * _SECOND
    if fraction is None:
        return lo, lo + _SECOND - 1
    digits = fraction[:3]
    return lo + int(digits.ljust(3, "0")), lo + int(digits.ljust(3, "9"))


def _second(text: str) -> int | None:
    """When a second of the form that most records have begins, `2020-01-01T00:00:00+00:00`; None for other forms."""
    if not (text[4] == text[7] == "-" and text[10] == "T" and text[13] == text[16] == text[22] == ":"):
        return None
    if text[19] not in "+-" or text[20:22] > "14" or text[23] > "5":
        return None
    try:
        since = datetime.fromisoformat(text) - _ZERO
    except ValueError:
        return None
    return since.days * _DAY + since.seconds * _SECOND


def _long_stretch(year: int, month: int | None) -> tuple[int, int] | None:
    """A month, or a year."""
    try:
        first, last = date(year, month or 1, 1).toordinal(), _last_day(year, month or 12)
    except ValueError:
        return None
    return (first - _EPOCH) * _DAY, (last - _EPOCH + 1) * _DAY - 1


def _last_day(year: int, month: int) -> int:
    if month == 12:
        return date(year, 12, 31).toordinal()
    return date(year, month + 1, 1).toordinal() - 1


@lru_cache(256)
def _offset(zone: str | None) -> int | None:
    """Milliseconds east of UTC; None for an offset no place has."""
    if zone is None or zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        return None
    east = hours * _HOUR + minutes * _MINUTE
    return -east if zone[0] == "-" else east


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for what names no moment (an Age, a text)."""
    match leaf.type:
        case "date" | "dateTime" | "instant":
            return _writer(parameter, stretch)
        case "Period":
            return _writer(parameter, _period)
        case "Timing":
            return _writer(parameter, _timing)
    return None


def _writer(parameter: str, read: Callable[[Any], tuple[int, int] | None]) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        found = read(value)
        if found is None:
            entries.mark_present(parameter)
            return
        lo, hi = found
        entries.dates[(parameter, lo, hi)] = None
        # By its start, whichever way the order runs: one index then serves both.
        key = lo if lo != FAR_PAST else hi
        entries.sort_by(parameter, key, key)

    return write


def _period(period: Any) -> tuple[int, int] | None:
    start, end = stretch(period.get("start") or ""), stretch(period.get("end") or "")
    if start is None and end is None:
        return None
    return start[0] if start else FAR_PAST, end[1] if end else FAR_FUTURE


def _timing(timing: Any) -> tuple[int, int] | None:
    """The outer limits: R4 matches a Timing by them, not by its single events."""
    found = [stretch(event) for event in timing.get("event", ()) if event is not None]
    found.append(_period(timing.get("repeat", {}).get("boundsPeriod", {})))
    stretches = [each for each in found if each is not None]
    if not stretches:
        return None
    return min(lo for lo, _ in stretches), max(hi for _, hi in stretches)


def read_value(text: str) -> Dated:
    """An optional prefix and a date to any precision from year to millisecond. Raises BadValue."""
    match = _PREFIXED(unescape(text))
    assert match is not None
    found = stretch(match[2])
    if found is None:
        if " " in match[2]:
            raise BadValue('is not a date; in a URL the "+" of a time zone is written %2B')
        raise BadValue(
            "is not a date: write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]] with Z or a zone, "
            "after one of eq ne gt lt ge le sa eb ap or none of them"
        )
    return Dated(cast(DatePrefix, match[1] or "eq"), *found)


def widened(value: Dated, now: datetime) -> tuple[int, int]:
    """The stretch `ap` looks in: R4 recommends 10% of the gap between now and the date, on either side."""
    moment = to_milliseconds(now)
    gap = max(value.lo - moment, moment - value.hi, 0) // 10
    return value.lo - gap, value.hi + gap


def predicate(parameter: str, value: Dated, now: datetime) -> dict[str, Any]:
    """The filter over `d`. Each $elemMatch bounds both ends of both fields: a multikey index scan without an upper or
    lower bound read 137,247 of 200,000 rows for one day, with them 64.
    """
    return _either([_element(parameter, lo, hi) for lo, hi in _wanted(value, now)])


_Bounds = tuple[int, int]
_ANY: _Bounds = (FAR_PAST, FAR_FUTURE)


def _wanted(value: Dated, now: datetime) -> list[tuple[_Bounds, _Bounds]]:
    """Bounds for a row's `lo` and `hi`, any pair of which makes it match; `lo` never exceeds `hi`."""
    lo, hi = value.lo, value.hi
    starts_before: tuple[_Bounds, _Bounds] = ((FAR_PAST, lo - 1), _ANY)
    ends_after: tuple[_Bounds, _Bounds] = (_ANY, (hi + 1, FAR_FUTURE))
    match value.prefix:
        case "eq":
            return [((lo, hi), (lo, hi))]
        case "ne":
            return [starts_before, ends_after]
        case "lt":
            return [starts_before]
        case "gt":
            return [ends_after]
        case "le":
            # Before it, or within it: the second half of R4's rule needs only the end, as the first takes the rest.
            return [starts_before, ((FAR_PAST, hi), (FAR_PAST, hi))]
        case "ge":
            return [ends_after, ((lo, FAR_FUTURE), (lo, FAR_FUTURE))]
        case "sa":
            return [((hi + 1, FAR_FUTURE), (hi + 1, FAR_FUTURE))]
        case "eb":
            return [((FAR_PAST, lo - 1), (FAR_PAST, lo - 1))]
        case "ap":
            low, high = widened(value, now)
            return [((FAR_PAST, high), (low, FAR_FUTURE))]


def _element(parameter: str, lo: _Bounds, hi: _Bounds) -> dict[str, Any]:
    bounds = {"p": parameter, "lo": {"$gte": lo[0], "$lte": lo[1]}, "hi": {"$gte": hi[0], "$lte": hi[1]}}
    return {"d": {"$elemMatch": bounds}}


def present(parameter: str) -> dict[str, Any]:
    """The filter over `d` for any value of the parameter."""
    return _element(parameter, _ANY, _ANY)


def _either(filters: list[dict[str, Any]]) -> dict[str, Any]:
    return filters[0] if len(filters) == 1 else {"$or": filters}


def updated_predicate(value: Dated, now: datetime) -> dict[str, Any]:
    """The filter of `_lastUpdated`, over `updated`: a moment, so a stretch whose ends are one."""
    first, last = to_datetime(value.lo), to_datetime(value.hi)
    match value.prefix:
        case "eq":
            return {"updated": {"$gte": first, "$lte": last}}
        case "ne":
            return {"$or": [{"updated": {"$lt": first}}, {"updated": {"$gt": last}}]}
        case "lt" | "eb":
            return {"updated": {"$lt": first}}
        case "gt" | "sa":
            return {"updated": {"$gt": last}}
        case "le":
            return {"updated": {"$lte": last}}
        case "ge":
            return {"updated": {"$gte": first}}
        case "ap":
            low, high = widened(value, now)
            return {"updated": {"$gte": to_datetime(low), "$lte": to_datetime(high)}}


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware moment."""
    return (moment - _ZERO) // timedelta(milliseconds=1)


def to_datetime(milliseconds: int) -> datetime:
    """The moment in UTC; beyond what datetime holds, its first or last millisecond."""
    try:
        return min(_ZERO + timedelta(milliseconds=milliseconds), _LATEST)
    except OverflowError:
        return _EARLIEST if milliseconds < 0 else _LATEST
