"""Whether a filter finds an index row, for the operators the search layer writes; a test compares it with MongoDB."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fhir_server.core.resource import Resource
from fhir_server.search.index import index_values
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.store.rows import index_fields

BASE = "http://localhost:8080/fhir"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(resource: Resource, logical_id: str = "r1", updated: datetime = NOON) -> dict[str, Any]:
    """The fields of a current row a filter may ask for."""
    fields: dict[str, Any] = _listed(index_fields(index_values(resource, logical_id, (BASE,), None)))
    return {"_id": logical_id, "updated": updated, **fields}


def _listed(value: Any) -> Any:
    """As it comes back from the database, which has no tuples."""
    if isinstance(value, dict):
        return {name: _listed(member) for name, member in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def finds(type: str, pairs: Sequence[tuple[str, str]], found: dict[str, Any]) -> bool:
    """Whether the planned search would return a row."""
    query = plan(parse(type, pairs, lenient=False, own_bases=(BASE,)), datetime(9000, 1, 1, tzinfo=UTC), None, NOON)
    return takes(query.filter, found)


def takes(filter: dict[str, Any], found: Any) -> bool:
    """MongoDB's meaning of a filter."""
    for field, condition in filter.items():
        if field == "$and":
            holds = all(takes(each, found) for each in condition)
        elif field == "$or":
            holds = any(takes(each, found) for each in condition)
        elif field == "$nor":
            holds = not any(takes(each, found) for each in condition)
        else:
            holds = _holds(_at(found, field.split(".")), condition)
        if not holds:
            return False
    return True


def _at(found: Any, path: list[str]) -> Any:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _holds(value: Any, condition: Any) -> bool:
    if not isinstance(condition, dict) or not all(name.startswith("$") for name in condition):
        return value == condition or (isinstance(value, list) and condition in value)
    return all(_operator_holds(value, operator, operand) for operator, operand in condition.items())


def _operator_holds(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$elemMatch":
        return isinstance(value, list) and any(takes(operand, item) for item in value)
    if operator == "$not":
        return not _holds(value, operand)
    if operator == "$nin":
        return not _operator_holds(value, "$in", operand)
    if operator == "$exists":
        return (value is not None) is operand
    items = value if isinstance(value, list) else [value]
    match operator:
        case "$in":
            return any(item in operand for item in items)
        case "$regex":
            return any(isinstance(item, str) and re.search(operand, item) for item in items)
        case "$gte":
            return any(item is not None and item >= operand for item in items)
        case "$lte":
            return any(item is not None and item <= operand for item in items)
        case "$gt":
            return any(item is not None and item > operand for item in items)
        case "$lt":
            return any(item is not None and item < operand for item in items)
    raise AssertionError(f"{operator} is not known to this test")
