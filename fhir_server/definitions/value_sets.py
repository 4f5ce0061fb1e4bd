"""The codes of the value sets that R4 binds with strength `required`.

https://hl7.org/fhir/R4/terminologies.html#required
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import msgspec

from fhir_server.definitions.load import table


@dataclass(frozen=True, slots=True)
class ValueSet:
    """An enumerated value set: its codes by code system, and all of them for where no system is given."""

    systems: Mapping[str, frozenset[str]]
    codes: frozenset[str]


class _Row(msgspec.Struct):
    url: str
    systems: dict[str, frozenset[str]] | None = None
    not_enumerable: str | None = None


def required_value_set(canonical: str) -> ValueSet | None:
    """The value set of a required binding, by canonical with or without version.

    None where it cannot be enumerated here (UCUM, language tags, media types, ...) or no required binding names it.
    """
    return _value_sets().get(canonical.partition("|")[0])


def bound_value_sets() -> Mapping[str, str | None]:
    """Every canonical a required binding names, with the reason why it is not enumerated, None for those that are."""
    return {row.url: row.not_enumerable for row in _rows()}


@cache
def _value_sets() -> Mapping[str, ValueSet]:
    return {
        row.url: ValueSet(MappingProxyType(row.systems), frozenset[str]().union(*row.systems.values()))
        for row in _rows()
        if row.systems is not None
    }


def _rows() -> list[_Row]:
    decode = msgspec.json.Decoder(_Row).decode
    return [decode(line) for line in table("required_value_sets")]
