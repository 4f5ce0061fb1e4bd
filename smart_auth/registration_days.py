"""The day on which something is registered (UTC), and who is of age on it."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from smart_auth.identity.logons import is_adult

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization


def today(parts: "Authorization") -> date:
    """The day it is."""
    return datetime.fromtimestamp(parts.now(), UTC).date()


def is_of_age(parts: "Authorization", birth_date: date) -> bool:
    """Whether somebody signs in for themselves."""
    return is_adult(birth_date, parts.now())
