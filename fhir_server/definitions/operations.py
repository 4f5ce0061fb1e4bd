"""The operations R4 defines, with the levels they are called at and their parameters.

https://hl7.org/fhir/R4/operationslist.html, https://hl7.org/fhir/R4/operationdefinition.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import msgspec

from fhir_server.definitions.load import table


@dataclass(frozen=True, slots=True)
class OperationParameter:
    """A parameter of an operation. `max` is None where there is no bound; `type` is None for one made of `parts`."""

    name: str
    use: str
    min: int
    max: int | None
    type: str | None
    parts: tuple["OperationParameter", ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """`$code`, at the levels where it may be called; `resources` are the types it belongs to (`Resource` for all)."""

    code: str
    url: str
    resources: tuple[str, ...]
    system: bool
    type: bool
    instance: bool
    parameters: tuple[OperationParameter, ...]


class _ParameterRow(msgspec.Struct):
    name: str
    use: str
    min: int
    max: str
    type: str | None = None
    part: tuple["_ParameterRow", ...] = ()


class _Row(msgspec.Struct):
    url: str
    code: str
    system: bool
    type: bool
    instance: bool
    resource: tuple[str, ...] = ()
    parameter: tuple[_ParameterRow, ...] = ()


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by the URL of its definition."""
    rows = [msgspec.json.decode(line, type=_Row) for line in table("operations")]
    return MappingProxyType(
        {
            row.url: Operation(
                row.code,
                row.url,
                row.resource,
                row.system,
                row.type,
                row.instance,
                tuple(_parameter(listed) for listed in row.parameter),
            )
            for row in rows
        }
    )


def _parameter(row: _ParameterRow) -> OperationParameter:
    maximum = None if row.max == "*" else int(row.max)
    parts = tuple(_parameter(part) for part in row.part)
    return OperationParameter(row.name, row.use, row.min, maximum, row.type, parts)
