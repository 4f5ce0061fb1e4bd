"""Instants to the millisecond, always in UTC, as `meta.lastUpdated` and HTTP dates write them.

https://hl7.org/fhir/R4/datatypes.html#instant, RFC 9110 section 5.6.7
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def now() -> datetime:
    """The present, cut to the millisecond: what MongoDB keeps and what `lastUpdated` shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def format_instant(moment: datetime) -> str:
    """`2026-03-01T12:00:00.000Z`; the argument is aware and in UTC."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def format_http_date(moment: datetime) -> str:
    """The IMF-fixdate of RFC 9110, to the second, as `Last-Modified` wants it; the argument is in UTC."""
    # Written out, because email.utils.format_datetime takes 7 µs and strftime follows the locale.
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return (
        f"{day}, {moment.day:02d} {month} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"
    )


def parse_http_date(text: str) -> datetime | None:
    """The moment an HTTP date names, or None where it is none (RFC 9110 13.1.3: such a header is ignored)."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_instant(text: str) -> datetime | None:
    """The moment an instant names, in UTC; None where the text is none, or lies outside the years 1 to 9999 there."""
    if not _INSTANT(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
