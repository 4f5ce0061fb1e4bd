"""Numbers of people as they type them: Social Security numbers and DoD IDs, in the one form they are compared in.

https://www.ecfr.gov/current/title-20/section-422.103; what a person types is trimmed and freed of dashes, no more.
"""

import re
import unicodedata

_SSN_DIGITS = 9
_DOD_ID_DIGITS = 10

# Hyphens, dashes and minus of all widths, and any white space.
_BETWEEN = re.compile(r"[\s\-\u00ad\u2010-\u2015\u2212]+")


def ssn(text: str) -> str | None:
    """The nine digits of a Social Security number, typed with or without dashes; None where it cannot be one."""
    return _digits(text, _SSN_DIGITS)


def dod_id(text: str) -> str | None:
    """The ten digits of a DoD ID number; None where it cannot be one."""
    return _digits(text, _DOD_ID_DIGITS)


def _digits(text: str, count: int) -> str | None:
    digits = _BETWEEN.sub("", unicodedata.normalize("NFKC", text))
    return digits if len(digits) == count and digits.isascii() and digits.isdigit() else None
