"""UCUM: every spelling of a unit becomes the same base units, by an exact factor."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions.units import prefixes, units
from fhir_server.search.ucum import MAX_BITS, Canonical, canonical


def reduced(code: str) -> Canonical:
    found = canonical(code)
    assert found is not None, code
    return found


@pytest.mark.parametrize(
    ("code", "unit", "factor"),
    [
        ("mg/dL", "g.m-3", "10"),
        ("g/L", "g.m-3", "1000"),
        ("g.L-1", "g.m-3", "1000"),
        ("/L.g", "g.m-3", "1000"),
        ("kg/m2", "g.m-2", "1000"),
        ("mm[Hg]", "g.m-1.s-2", "133322"),
        ("cal", "g.m2.s-2", "4184"),
        ("[lb_av]", "g", "453.59237"),
        ("[in_i]", "m", "0.0254"),
        ("dam", "m", "10"),
        ("cd", "cd", "1"),
        ("Pa", "g.m-1.s-2", "1000"),
        ("a", "s", "31557600"),
        ("24.h", "s", "86400"),
        ("10*3/uL", "m-3", "1000000000000"),
        ("10^3/uL", "m-3", "1000000000000"),
        ("10*-3", "1", "0.001"),
        ("m+2", "m2", "1"),
        ("%", "1", "0.01"),
        ("1", "1", "1"),
        ("m/m", "1", "1"),
        ("mol", "1", "602214076000000000000000"),
        ("U/L", "m-3.s-1", "10036901266666666666.666666666666666666666666666666"),
        ("KiBy", "1", "8192"),
        ("[IU]/mL", "[iU].m-3", "1000000"),
        ("m[iU]/L", "[iU].m-3", "1"),
        ("[CFU]", "[CFU]", "1"),
        ("{score}", "1", "1"),
        ("mL/min/{1.73_m2}", "m3.s-1", "0.0000000166666666666666666666666666666666"),
        ("mL{total}/min", "m3.s-1", "0.0000000166666666666666666666666666666666"),
        ("kg/(m.s2)", "g.m-1.s-2", "1000"),
        ("10.uN.s/(cm5.m2)", "g.m-6.s-1", "100000000"),
        ("m[H2O]", "g.m-1.s-2", "9806650"),
        ("g%", "g.m-3", "10000"),
    ],
)
def test_a_unit_is_reduced_to_base_units(code: str, unit: str, factor: str) -> None:
    found = reduced(code)
    assert found.unit == unit
    assert abs(found.factor - Fraction(factor)) <= found.factor / 10**30
    assert found.offset == 0


@pytest.mark.parametrize(
    ("code", "value", "kelvin"),
    [
        ("Cel", 37, "310.15"),
        ("[degF]", Fraction("98.6"), "310.15"),
        ("[degRe]", 80, "373.15"),
        ("K", 1, "1"),
        ("mCel", 1000, "274.15"),
        ("Cel{oral}", 0, "273.15"),
    ],
)
def test_temperatures_are_counted_from_absolute_zero(code: str, value: Fraction, kelvin: str) -> None:
    found = reduced(code)
    assert found.unit == "K"
    assert value * found.factor + found.offset == Fraction(kelvin)
    assert Fraction(*found.convert(*Fraction(value).as_integer_ratio())) == Fraction(kelvin)


@pytest.mark.parametrize(
    "code",
    ["", " ", "mgdL", "MMG", "µg", "mg/", "/", "mg//dL", "mg dL", "m.", ".m", "(m", "m)", "()", "{a", "a}", "{a}{b}",
     "m{a}2", "m{é}", "(m)2", "5m", "mmin", "k[in_i]", "mmol/l/", "0", "m/0", "m100", "Ym99.Ym99", "[",
     "(" * 9 + "m" + ")" * 9, "m" * 201, "10**", "Torr", "{a}Cel", "dkg"],
)  # fmt: skip
def test_what_is_no_ucum_is_not_reduced(code: str) -> None:
    assert canonical(code) is None


@pytest.mark.parametrize("code", ["B", "dB", "B[SPL]", "B[10.nV]", "Np", "[pH]", "[hp'_X]", "%[slope]", "bit_s"])
def test_units_without_a_ratio_are_not_reduced(code: str) -> None:
    assert canonical(code) is None


@pytest.mark.parametrize("code", ["W/(m2.Cel)", "Cel/min", "Cel2", "2.Cel", "[m/s2/Hz^(1/2)]"])
def test_a_scale_with_another_zero_is_not_reduced_inside_a_product(code: str) -> None:
    assert canonical(code) is None


def test_every_unit_of_the_table_is_reduced_or_has_no_ratio() -> None:
    for code, unit in units().items():
        assert (canonical(code) is not None) is (unit.scale in (None, "Cel", "degF", "degRe")), code


def test_no_other_unit_measures_what_an_arbitrary_one_does() -> None:
    arbitrary = [code for code, unit in units().items() if unit.is_arbitrary and unit.of == "1"]
    kinds = [reduced(code).unit for code in units() if canonical(code) is not None]
    assert {code: kinds.count(code) for code in arbitrary if kinds.count(code) != 1} == {"[iU]": 2}


_RATIOS = sorted(code for code, unit in units().items() if unit.scale is None)
_METRIC = sorted(code for code in _RATIOS if units()[code].is_metric)


@st.composite
def _simple_units(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(_RATIOS))
    prefixed = draw(st.sampled_from(sorted(prefixes()))) + draw(st.sampled_from(_METRIC))
    return draw(st.sampled_from(_METRIC)) if prefixed in units() else prefixed


@given(_simple_units(), _simple_units(), st.integers(-4, 4).filter(bool))
def test_products_quotients_and_powers_calculate(one: str, other: str, exponent: int) -> None:
    first, second = reduced(one), reduced(other)
    assert reduced(f"{one}.{other}") == reduced(f"{other}.{one}")
    assert reduced(f"{one}.{other}").factor == first.factor * second.factor
    assert reduced(f"{one}/{other}") == reduced(f"{one}.{other}-1") == reduced(f"{one}/({other})")
    assert reduced(f"{one}/({one}.{other})") == reduced(f"/{other}")
    assert reduced(f"{one}{exponent}").factor == first.factor**exponent
    assert reduced(f"7.{one}{{x}}").factor == 7 * first.factor


@given(st.text(alphabet="mgLkd[]{}()./*^0123456789+-'%IUe \\|é", max_size=40))
def test_no_text_does_harm(code: str) -> None:
    found = canonical(code)
    if found is not None:
        assert found.factor > 0
        assert max(found.factor.numerator, found.factor.denominator).bit_length() <= MAX_BITS
