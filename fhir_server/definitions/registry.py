"""The names of R4's resource types.

https://hl7.org/fhir/R4/resourcelist.html
"""

import re
from functools import cache

from fhir_server.definitions.load import table

_CONCRETE = re.compile(rb'\{"name":"(\w+)","kind":"resource","elements"')


def resource_types() -> tuple[str, ...]:
    """The 146 types that can be sent, sorted; the abstract Resource and DomainResource are not among them."""
    return _sorted_types()


def is_resource_type(name: str) -> bool:
    """Whether `name` is one of `resource_types()`."""
    return name in _type_set()


@cache
def _sorted_types() -> tuple[str, ...]:
    matches = (_CONCRETE.match(line) for line in table("elements"))
    return tuple(sorted(match[1].decode() for match in matches if match))


@cache
def _type_set() -> frozenset[str]:
    return frozenset(_sorted_types())
