"""The prefixes, base units and units of UCUM, as its own table gives them.

https://ucum.org/ucum. UCUM's licence allows no changed copies and no derived tables, so the table is read where the
package `ucumvert` brings it.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

_ESSENCE = "{http://unitsofmeasure.org/ucum-essence}"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is `value` times the UCUM expression `of`; a base unit is of nothing.

    `is_metric` says whether prefixes apply. `is_arbitrary` units are defined by a procedure and measure nothing that
    another unit does. A special unit is on no ratio scale: `scale` names the function that leads to `value` times `of`.
    """

    code: str
    value: Fraction
    of: str | None
    is_metric: bool
    is_arbitrary: bool = False
    scale: str | None = None


ESSENCE_SHA256 = "6022a1f4a77d93efa23b941ae50055cb9d3fdcb8bb5db6b85deda004467bb380"
"""Of the table of UCUM 2.2. Rows are indexed by what it says: another version needs another INDEX_VERSION."""


def essence() -> bytes:
    """UCUM's table itself, an XML document. Raises RuntimeError where `ucumvert` is not installed."""
    # Found, not imported: the package itself would load pint, which is not needed for the file.
    package = importlib.util.find_spec("ucumvert")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("The package ucumvert is missing; it is a dependency of this server.")
    return Path(package.submodule_search_locations[0], "vendor", "ucum-essence.xml").read_bytes()


def units() -> Mapping[str, Unit]:
    """Every unit by its case sensitive code."""
    return _tables()[0]


def prefixes() -> Mapping[str, Fraction]:
    """What each prefix multiplies a metric unit by."""
    return _tables()[1]


@cache
def _tables() -> tuple[Mapping[str, Unit], Mapping[str, Fraction]]:
    found: dict[str, Unit] = {}
    multiples: dict[str, Fraction] = {}
    for element in ElementTree.fromstring(essence()):
        code = element.attrib["Code"]
        match element.tag.removeprefix(_ESSENCE):
            case "prefix":
                multiples[code] = Fraction(_child(element, "value").attrib["value"])
            case "base-unit":
                found[code] = Unit(code, Fraction(1), None, is_metric=True)
            case "unit":
                found[code] = _unit(code, element)
    return MappingProxyType(found), MappingProxyType(multiples)


def _unit(code: str, element: ElementTree.Element) -> Unit:
    defined = _child(element, "value")
    function = defined.find(f"{_ESSENCE}function")
    source = defined.attrib if function is None else function.attrib
    return Unit(
        code,
        Fraction(source["value"]),
        source["Unit"],
        is_metric=element.get("isMetric") == "yes",
        is_arbitrary=element.get("isArbitrary") == "yes",
        scale=None if function is None else function.attrib["name"],
    )


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    child = element.find(_ESSENCE + name)
    assert child is not None
    return child
