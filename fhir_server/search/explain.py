"""What a query asks of MongoDB, without the values it asks for: those may say who is ill with what.

https://hl7.org/fhir/R4/search.html
"""

from typing import Any

_STRUCTURAL = frozenset({"p", "r"})
"""Fields whose value is a parameter's name or a resource type."""


def shape(filter: Any) -> str:
    """Field names and operators of a filter as text, each value as `?`: `{pt: ?, updated: {$lte: ?}}`."""
    return _shape(filter, None)


def _shape(value: Any, field: str | None) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shape(inner, name)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        if any(isinstance(each, (dict, list)) for each in value):
            return "[" + ", ".join(_shape(each, field) for each in value) + "]"
        return f"[{len(value)} values]"
    if field in _STRUCTURAL and isinstance(value, str):
        return value
    return "null" if value is None else "?"


def order(sort: tuple[tuple[str, int], ...]) -> str:
    """The order as text: `-k.date.d, _id`."""
    return ", ".join(f"{'-' if direction < 0 else ''}{field}" for field, direction in sort)
