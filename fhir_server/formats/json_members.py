"""Members of FHIR's JSON: a primitive's value, and beside it the twin with what else the primitive carries.

https://hl7.org/fhir/R4/json.html#primitive
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Value:
    """An element as JSON: its value, and for a primitive what stands in its twin; None for what is absent."""

    json: Any
    twin: Any = None


def put(holder: dict[str, Any], key: str, value: Value) -> None:
    """Give a holder an element that does not repeat."""
    if value.json is not None:
        holder[key] = value.json
    if value.twin is not None:
        holder[f"_{key}"] = value.twin


def count(holder: dict[str, Any], key: str) -> int:
    """How many members a list has, those that are in the twin alone included."""
    return max(len(holder.get(key, ())), len(holder.get(f"_{key}", ())))


def insert(holder: dict[str, Any], key: str, index: int, value: Value) -> None:
    """Put a member into a list. A list and its twin have the same length where both are there."""
    length = count(holder, key)
    for name, member in ((key, value.json), (f"_{key}", value.twin)):
        if name not in holder and member is None:
            continue
        members = holder.setdefault(name, [])
        members += [None] * (length - len(members))
        members.insert(index, member)
