"""Whose records a person may see besides their own, and what of those is left out.

The rules are in fhir_server/care/proxies.py; docs/people/families.md tells them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgeBands:
    """Ages in whole years, counted on the birthday (UTC).

    Below `limited_years` a parent sees all of a child's record; from then on what is labelled is left out; from
    `adult_years` on nobody sees it but by the person's own consent.
    """

    limited_years: int = 13
    adult_years: int = 18


@dataclass(frozen=True, slots=True)
class Proxied:
    """The record of a relative: the id of its Patient, and the labels whose rows are left out.

    A label is as rows have it: `adol|http://terminology.hl7.org/CodeSystem/v3-ActCode`.
    """

    patient: str
    without_labels: tuple[str, ...] = ()
