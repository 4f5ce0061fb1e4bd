"""UCUM's table, as the package brings it, and what is read from it."""

import hashlib
from fractions import Fraction

from fhir_server.definitions.units import ESSENCE_SHA256, essence, prefixes, units


def test_the_table_is_the_version_that_rows_are_indexed_by() -> None:
    assert hashlib.sha256(essence()).hexdigest() == ESSENCE_SHA256


def test_ucum_has_24_prefixes_and_312_units_of_which_7_are_base_units() -> None:
    assert (len(prefixes()), len(units())) == (24, 312)
    assert {code for code, unit in units().items() if unit.of is None} == {"m", "s", "g", "rad", "K", "C", "cd"}


def test_a_unit_is_an_exact_number_of_others() -> None:
    assert units()["[in_i]"].value == Fraction("2.54")
    assert units()["[in_i]"].of == "cm"
    assert not units()["[in_i]"].is_metric
    assert units()["L"].is_metric
    assert units()["[IU]"].is_arbitrary
    degree = units()["[degF]"]
    assert (degree.scale, degree.value, degree.of) == ("degF", Fraction(5), "K/9")
