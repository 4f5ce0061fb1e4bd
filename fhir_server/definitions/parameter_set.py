"""The search parameters in force: those of R4 and US Core, and those that SearchParameter resources add, under one
version number.

https://hl7.org/fhir/R4/searchparameter.html
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_server.definitions.search_parameters import SearchParameter, search_parameters

NO_PENDING: Mapping[tuple[str, str], str] = MappingProxyType({})


class ParameterSet:
    """What every type can be searched by at one version. Equal only to itself, so that it can key what is compiled.

    `added` are custom parameters, one for each code and type. `pending` says by (type, code) why a parameter that is
    known cannot be searched by yet, as the rest of a sentence that begins with its name; it is replaced as a whole.
    """

    __slots__ = ("_tables", "added", "pending", "version")

    def __init__(
        self,
        version: int = 0,
        added: tuple[SearchParameter, ...] = (),
        pending: Mapping[tuple[str, str], str] = NO_PENDING,
    ) -> None:
        self.version = version
        self.added = added
        self.pending = pending
        self._tables: dict[str, Mapping[str, SearchParameter]] = {}

    def of(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """The parameters of a type by code. Raises KeyError where `resource_type` is none of R4's."""
        found = self._tables.get(resource_type)
        if found is None:
            table = search_parameters(resource_type)
            added = {each.code: each for each in self.added if each.base == resource_type}
            # Published parameters keep their meaning, whatever is added under their codes.
            found = MappingProxyType({**added, **table}) if added else table
            self._tables[resource_type] = found
        return found


STANDARD = ParameterSet()
"""Those of R4 and US Core."""


@dataclass(slots=True)
class InForce:
    """The sets one process works with: `indexed` makes the search values of what it writes, `searched` is what may be
    asked for. One object for both where nothing is being changed.

    `step` counts the changes it has followed, and `until` is when, on the monotonic clock, it may have missed one;
    `is_settled` says that none is under way.
    `unready` is a sentence where no search value of the database can be relied on, because all are being made anew.
    """

    indexed: ParameterSet = STANDARD
    searched: ParameterSet = STANDARD
    step: int = 0
    until: float = math.inf
    unready: str | None = None
    is_settled: bool = True
