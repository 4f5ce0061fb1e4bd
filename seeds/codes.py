"""Codings of the population: every code with its display, from tables, so that none is written without its meaning.

The rows stand in `codes_people`, `codes_federal`, `codes_clinical` and `codes_care`. FHIR's rules for codings:
https://hl7.org/fhir/R4/datatypes.html#Coding
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from seeds import codes_care, codes_clinical, codes_federal, codes_people
from seeds.model import Resource

_HL7 = "http://terminology.hl7.org/CodeSystem/"

SYSTEMS: Mapping[str, str] = {
    **codes_people.SYSTEMS,
    **codes_federal.SYSTEMS,
    **codes_clinical.SYSTEMS,
    **codes_care.SYSTEMS,
}
"""URI of a code system by its short name. Those of HL7's own terminology need no row: see `system`."""

TABLES: tuple[Mapping[str, Mapping[str, str]], ...] = (
    codes_people.DISPLAYS,
    codes_federal.DISPLAYS,
    codes_clinical.DISPLAYS,
    codes_care.DISPLAYS,
)
"""Display by code, by short name of the system: all tables there are."""

LABELS = codes_people.LABELS
RACES = codes_people.RACES
ETHNICITIES = codes_people.ETHNICITIES
SPECIALTIES = codes_people.SPECIALTIES
RELATIONSHIPS = codes_people.RELATIONSHIPS


def system(name: str) -> str:
    """The URI of a code system. A name without a row is the last part of one under terminology.hl7.org, such as
    `v3-ActCode`."""
    return SYSTEMS.get(name, f"{_HL7}{name}")


def display(name: str, code: str) -> str:
    """What `code` of the system `name` means. Raises KeyError for a code that no table has."""
    for table in TABLES:
        found = table.get(name, {}).get(code)
        if found is not None:
            return found
    raise KeyError(f"no table gives the display of {name} {code}")


def coding(name: str, code: str) -> Resource:
    """The Coding of `code` in the system `name`, with its display; KeyError where no table has it."""
    return {"system": system(name), "code": str(code), "display": display(name, code)}


def concept(name: str, code: str, text: str = "") -> Resource:
    """A CodeableConcept of one coding; its text is `text`, else the display."""
    one = coding(name, code)
    return {"coding": [one], "text": text or one["display"]}


def label_codings(names: Iterable[str]) -> list[Resource]:
    """Security labels by the names of `LABELS`; KeyError for another."""
    return [coding(LABELS[name], name) for name in names]


def quantity(value: Decimal | int, unit: str) -> Resource:
    """A Quantity with the UCUM code `unit`, shown as people write it (`mmHg` for `mm[Hg]`)."""
    shown = codes_people.UNITS.get(unit, unit)
    return {"value": value, "unit": shown, "system": SYSTEMS["ucum"], "code": unit}
