"""Instants to the millisecond, always in UTC, as `meta.lastUpdated` and HTTP dates write them.

https://hl7.org/fhir/R4/datatypes.html#instant, RFC 9110 section 5.6.7
"""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime


def now() -> datetime:
    """The present, cut to the millisecond: what MongoDB keeps and what `lastUpdated` shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def format_instant(moment: datetime) -> str:
    """`2026-03-01T12:00:00.000Z`; the argument is aware and in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def format_http_date(moment: datetime) -> str:
    """The IMF-fixdate of RFC 9110, to the second, as `Last-Modified` wants it."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """The moment an HTTP date names, or None where it is none (RFC 9110 13.1.3: such a header is ignored)."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_instant(text: str) -> datetime | None:
    """The moment an instant names, in UTC; None where the text is no instant with a time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)
