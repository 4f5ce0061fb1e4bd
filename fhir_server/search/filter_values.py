"""What only `_filter` asks of texts and dates, as filters over the index fields of a row.

https://hl7.org/fhir/R4/search_filter.html#ops
"""

from typing import Any

from fhir_server.search.entries import MAX_KEY
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST, to_datetime
from fhir_server.search.parameter_types.string import MAX_CONTAINED, literal, starting
from fhir_server.search.request import Covering, EndsWith, Whole

MAX_WHOLE = MAX_KEY - 1
"""Folded characters `eq` may ask for: an entry of MAX_KEY characters may have been cut."""
MAX_END = MAX_CONTAINED
"""Folded characters `ew` may ask for: what the last piece of a long text holds at least."""


def predicate(parameter: str, value: Whole | EndsWith | Covering) -> dict[str, Any]:
    """The rows that have the value."""
    match value:
        case Whole():
            return {"s": f"{parameter}|{value.text}"}
        case EndsWith():
            return _ends_with(parameter, value.text)
        case Covering() if parameter == "_lastUpdated":
            return {"updated": {"$gte": to_datetime(value.ends), "$lte": to_datetime(value.begins)}}
        case Covering():
            begins, ends = {"$gte": FAR_PAST, "$lte": value.begins}, {"$gte": value.ends, "$lte": FAR_FUTURE}
            return {"d": {"$elemMatch": {"p": parameter, "lo": begins, "hi": ends}}}


def _ends_with(parameter: str, text: str) -> dict[str, Any]:
    """An end of an entry shorter than MAX_KEY is the end of a text; of one as long, nothing is known.

    So a long text whose last piece is exactly that long is not found: one in 800.
    """
    end = f".{{0,{MAX_WHOLE - len(text)}}}{literal(text)}$"
    return {"$or": [{"s": {"$regex": starting(f"{parameter}{kind}|") + end}} for kind in ("", "+")]}
