"""The laboratory panels that the population has: tests, specimens, units and what is normal.

Reference ranges are rounded ones for adults; each laboratory states its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its UCUM unit and normal limits, shown with `digits` decimals."""

    unit: str
    low: Decimal
    high: Decimal
    digits: int = 0
    is_open_below: bool = False
    is_open_above: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Something found or not found; `normal` is a name of `CODES`."""

    normal: str = "negative"
    CODES: ClassVar[Mapping[str, str]] = {
        "positive": "10828004",
        "negative": "260385009",
        "detected": "260373001",
        "not-detected": "260415000",
    }


@dataclass(frozen=True, slots=True)
class Worded:
    """A result in words; `text` is the normal one."""

    text: str


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a panel, by name and LOINC code. One that is `only_given` is done where its value is given."""

    name: str
    code: str
    result: Measured | Seen | Worded
    only_given: bool = False
    only_adults: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """What is ordered together: the LOINC code of order and report, the SNOMED CT code of the specimen, the tests.

    What is sent out to a reference laboratory comes back with a document.
    """

    order: str
    specimen: str
    tests: tuple[Test, ...]
    is_sent_out: bool = False


def _measured(name: str, code: str, unit: str, low: str, high: str, **more: bool) -> Test:
    digits = len(low.partition(".")[2])
    return Test(name, code, Measured(unit, Decimal(low), Decimal(high), digits), **more)


def _below(name: str, code: str, unit: str, low: str, high: str) -> Test:
    """A test with an upper limit only; `low` is where values of healthy people begin."""
    digits = len(low.partition(".")[2])
    return Test(name, code, Measured(unit, Decimal(low), Decimal(high), digits, is_open_below=True))


SERUM, BLOOD, URINE, SWAB = "119364003", "122555007", "122575003", "258500001"

_METABOLIC = (
    _measured("glucose", "2345-7", "mg/dL", "70", "99"),
    _measured("urea-nitrogen", "3094-0", "mg/dL", "7", "20"),
    _measured("creatinine", "2160-0", "mg/dL", "0.60", "1.30"),
    Test(
        "egfr", "33914-3", Measured("mL/min/{1.73_m2}", Decimal(60), Decimal(120), is_open_above=True), only_adults=True
    ),
    _measured("calcium", "17861-6", "mg/dL", "8.6", "10.3"),
    _measured("sodium", "2951-2", "mmol/L", "135", "145"),
    _measured("potassium", "2823-3", "mmol/L", "3.5", "5.1"),
    _measured("chloride", "2075-0", "mmol/L", "98", "107"),
    _measured("carbon-dioxide", "2028-9", "mmol/L", "22", "29"),
)

_BLOOD_COUNT = (
    _measured("leukocytes", "6690-2", "10*3/uL", "4.0", "11.0"),
    _measured("erythrocytes", "789-8", "10*6/uL", "4.20", "5.80"),
    _measured("hemoglobin", "718-7", "g/dL", "12.0", "17.5"),
    _measured("hematocrit", "4544-3", "%", "36.0", "50.0"),
    _measured("mcv", "787-2", "fL", "80", "100"),
    _measured("mch", "785-6", "pg", "27.0", "33.0"),
    _measured("mchc", "786-4", "g/dL", "32.0", "36.0"),
    _measured("platelets", "777-3", "10*3/uL", "150", "400"),
)

_DIPSTICK = (
    Test("color", "5778-6", Worded("Yellow")),
    Test("appearance", "5767-9", Worded("Clear")),
    _measured("specific-gravity", "5811-5", "{ratio}", "1.005", "1.030"),
    _measured("ph", "5803-2", "[pH]", "5.0", "8.0"),
    Test("protein", "20454-5", Seen()),
    Test("glucose", "25428-4", Seen()),
    Test("hemoglobin", "5794-3", Seen()),
    Test("leukocyte-esterase", "5799-2", Seen()),
    Test("nitrite", "5802-4", Seen()),
)

PANELS: Mapping[str, Panel] = {
    "bmp": Panel("24321-2", SERUM, _METABOLIC),
    "cbc": Panel("58410-2", BLOOD, _BLOOD_COUNT),
    "lipid": Panel(
        "57698-3",
        SERUM,
        (
            _below("cholesterol", "2093-3", "mg/dL", "120", "200"),
            _below("triglyceride", "2571-8", "mg/dL", "50", "150"),
            _below("ldl", "18262-6", "mg/dL", "50", "100"),
            _measured("hdl", "2085-9", "mg/dL", "40", "80"),
        ),
    ),
    "a1c": Panel("4548-4", BLOOD, (_below("a1c", "4548-4", "%", "4.5", "5.6"),)),
    "hiv": Panel(
        "75622-1",
        SERUM,
        (
            Test("hiv", "56888-1", Seen()),
            Test("viral-load", "20447-9", Measured("{copies}/mL", Decimal(0), Decimal(20), is_open_below=True), True),
            Test("cd4", "24467-3", Measured("/uL", Decimal(500), Decimal(1500)), only_given=True),
        ),
        is_sent_out=True,
    ),
    "uds": Panel(
        "65750-2",
        URINE,
        (
            Test("amphetamines", "19261-7", Seen()),
            Test("cocaine", "14314-9", Seen()),
            Test("opiates", "19295-5", Seen()),
            Test("cannabinoids", "18282-4", Seen()),
        ),
    ),
    "sickle": Panel(
        "43113-0",
        BLOOD,
        (
            _below("hemoglobin-s", "4625-0", "%", "0.0", "1.0"),
            _below("hemoglobin-f", "4576-5", "%", "0.0", "2.0"),
        ),
        is_sent_out=True,
    ),
    "covid": Panel("94500-6", SWAB, (Test("covid", "94500-6", Seen("not-detected")),)),
    "urinalysis": Panel("24357-6", URINE, _DIPSTICK),
}
"""Panels by name."""

NORMAL_FOR: Mapping[tuple[str, str], tuple[str, str]] = {
    ("creatinine", "female"): ("0.60", "0.95"),
    ("creatinine", "male"): ("0.60", "1.20"),
    ("hemoglobin", "female"): ("12.8", "15.5"),
    ("hemoglobin", "male"): ("13.5", "16.5"),
    ("mcv", "female"): ("82", "92"),
    ("mcv", "male"): ("82", "92"),
    ("mchc", "female"): ("32.9", "34.5"),
    ("mchc", "male"): ("32.9", "34.5"),
}
"""Between which limits results of the healthy are drawn, by test and gender, where that is narrower than what the
laboratory calls normal."""

TEST_NAMES: frozenset[str] = frozenset(
    alias for panel in PANELS.values() for test in panel.tests for alias in (test.name, test.code)
)
"""What a test may be called: its name or its LOINC code."""
