"""Vital signs, each under its own US Core profile, with growth measures for children.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-vital-signs.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from seeds import growth
from seeds.chart import Chart, Visit
from seeds.codes import coding, concept, quantity
from seeds.model import Resource
from seeds.observations import absent, add_observation, category, measured, period
from seeds.visits import visit_key

HEAD_MONTHS = 36
"""Until when the head is measured."""
TODDLER_MONTHS = 24
"""From when there is a body mass index; blood pressure is noted as not taken from then until PRESSURE_MONTHS."""
PRESSURE_MONTHS = 36
"""From when blood pressure is taken at each visit."""
GROWN_MONTHS = 240
"""Until when the body mass index is compared with others of the same age."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One vital sign of one value: key, LOINC code, UCUM unit, the unit as people write it, and its profile."""

    key: str
    code: str
    unit: str
    shown: str
    profile: str


SIGNS: Mapping[str, Sign] = {
    sign.key: sign
    for sign in (
        Sign("height", "8302-2", "cm", "cm", "us-core-body-height"),
        Sign("weight", "29463-7", "kg", "kg", "us-core-body-weight"),
        Sign("bmi", "39156-5", "kg/m2", "kg/m²", "us-core-bmi"),
        Sign("temperature", "8310-5", "Cel", "°C", "us-core-body-temperature"),
        Sign("pulse", "8867-4", "/min", "beats/minute", "us-core-heart-rate"),
        Sign("respiration", "9279-1", "/min", "breaths/minute", "us-core-respiratory-rate"),
        Sign("head", "9843-4", "cm", "cm", "us-core-head-circumference"),
        Sign("head-percentile", "8289-1", "%", "%", "head-occipital-frontal-circumference-percentile"),
        Sign("bmi-percentile", "59576-9", "%", "%", "pediatric-bmi-for-age"),
        Sign("weight-for-length", "77606-2", "%", "%", "pediatric-weight-for-height"),
    )
}


def vital_signs(
    chart: Chart,
    visit: Visit,
    *,
    systolic: int | None = None,
    diastolic: int | None = None,
    height_cm: Decimal | int | None = None,
    weight_kg: Decimal | int | None = None,
    temperature: Decimal | None = None,
    pulse: int | None = None,
    respiration: int | None = None,
    oxygen: int | None = None,
    oxygen_flow: Decimal | int | Literal["unknown"] | None = None,
    declined: tuple[str, ...] = (),
) -> list[str]:
    """The vital signs of a visit; what is not given is plausible for the age. Celsius, per minute, percent.

    `oxygen_flow` is in litres a minute, for somebody who breathes added oxygen, or `unknown`. `declined` are keys of
    `SIGNS`, `bp` or `oxygen` that the person did not want taken: such a sign is written down with that reason instead
    of a value.
    """
    months = growth.months_old(chart.clock.born(chart.person.age, *chart.person.birthday), visit.start.date())
    usual = _usual(chart, months)
    height = Decimal(height_cm) if height_cm is not None else growth.height_cm(chart.person, months)
    weight = Decimal(weight_kg) if weight_kg is not None else growth.weight_kg(chart.person, months)
    values: dict[str, Decimal | int] = {
        "height": height,
        "weight": weight,
        "temperature": temperature if temperature is not None else usual.temperature,
        "pulse": pulse if pulse is not None else usual.pulse,
        "respiration": respiration if respiration is not None else usual.respiration,
        **_compared(chart, months, height, weight),
    }
    found = [_sign(chart, visit, SIGNS[key], value, key in declined) for key, value in values.items()]
    if months >= PRESSURE_MONTHS or systolic is not None:
        pressure = (systolic or usual.systolic, diastolic or usual.diastolic)
        found.append(_pressure(chart, visit, *pressure, "asked-declined" if "bp" in declined else ""))
    elif months >= TODDLER_MONTHS:
        found.append(_pressure(chart, visit, 0, 0, "not-performed"))
    saturation = oxygen if oxygen is not None else usual.oxygen
    return [*found, _oxygen(chart, visit, saturation, oxygen_flow, "oxygen" in declined)]


def average_pressure(
    chart: Chart, key: str, visit: Visit, systolic: int, diastolic: int, *, since: datetime, measurements: int = 12
) -> str:
    """The mean of what the person measured at home from `since` until the visit."""
    return add_observation(
        chart,
        key,
        visit,
        concept("loinc", "96607-7", "Average blood pressure at home"),
        (category("vital-signs"),),
        {
            **period(since, visit.start),
            "note": [{"text": f"Mean of {measurements} measurements that the patient took at home."}],
            "component": [
                {"code": concept("loinc", "96608-5"), "valueQuantity": quantity(systolic, "mm[Hg]")},
                {"code": concept("loinc", "96609-3"), "valueQuantity": quantity(diastolic, "mm[Hg]")},
            ],
        },
        profile="us-core-average-blood-pressure",
        by_patient=True,
    )


@dataclass(frozen=True, slots=True)
class _Usual:
    """What somebody of an age usually shows, as drawn for one visit."""

    systolic: int
    diastolic: int
    pulse: int
    respiration: int
    oxygen: int
    temperature: Decimal


def _usual(chart: Chart, months: int) -> _Usual:
    draw = chart.random.randint
    years = months // 12
    grown = min(years, 18)
    return _Usual(
        systolic=90 + 2 * min(years, 15) + max(0, years - 40) // 3 + draw(-6, 6),
        diastolic=55 + grown + draw(-5, 5),
        pulse=130 - 12 * min(years, 3) - 2 * max(0, grown - 3) + draw(-6, 6),
        respiration=34 - 4 * min(years, 3) - max(0, grown - 3) // 2 + draw(-1, 1),
        oxygen=draw(96, 99),
        temperature=Decimal(draw(364, 371)) / 10,
    )


def _compared(chart: Chart, months: int, height: Decimal, weight: Decimal) -> dict[str, Decimal | int]:
    """Body mass index, and for a child how it compares with others of its age."""
    metres = height / 100
    index = round(weight / (metres * metres), 1)
    shape = growth.build(chart.person)
    if months < HEAD_MONTHS:
        return {
            "head": growth.head_cm(chart.person, months),
            "head-percentile": growth.percentile(shape.height),
            "weight-for-length": growth.percentile(shape.weight),
            **({"bmi": index, "bmi-percentile": growth.percentile(shape.weight)} if months >= TODDLER_MONTHS else {}),
        }
    is_child = months < GROWN_MONTHS
    return {"bmi": index, **({"bmi-percentile": growth.percentile(shape.weight)} if is_child else {})}


def _sign(chart: Chart, visit: Visit, sign: Sign, value: Decimal | int, is_declined: bool) -> str:
    taken = {"valueQuantity": measured(value, sign.unit, sign.shown)}
    return add_observation(
        chart,
        f"{visit_key(chart, visit)}-{sign.key}",
        visit,
        concept("loinc", sign.code),
        (category("vital-signs"),),
        absent("asked-declined") if is_declined else taken,
        profile=sign.profile,
    )


def _pressure(chart: Chart, visit: Visit, systolic: int, diastolic: int, absent_reason: str) -> str:
    def part(code: str, value: int) -> Resource:
        result = absent(absent_reason) if absent_reason else {"valueQuantity": quantity(value, "mm[Hg]")}
        return {"code": concept("loinc", code), **result}

    return add_observation(
        chart,
        f"{visit_key(chart, visit)}-bp",
        visit,
        concept("loinc", "85354-9", "Blood pressure"),
        (category("vital-signs"),),
        {
            **(absent(absent_reason) if absent_reason else {}),
            "component": [part("8480-6", systolic), part("8462-4", diastolic)],
        },
        profile="us-core-blood-pressure",
    )


def _oxygen(
    chart: Chart, visit: Visit, saturation: int, flow: Decimal | int | Literal["unknown"] | None, is_declined: bool
) -> str:
    """Pulse oximetry under both its codes; each litre a minute adds about 4 % to the oxygen breathed in."""
    value: Resource = absent("asked-declined") if is_declined else {"valueQuantity": quantity(saturation, "%")}
    if flow is not None:
        is_unknown = flow == "unknown"
        added = {} if is_unknown else {"valueQuantity": quantity(Decimal(flow), "L/min")}
        breathed = {} if is_unknown else {"valueQuantity": quantity(21 + 4 * Decimal(flow), "%")}
        value["component"] = [
            {"code": concept("loinc", "3151-8"), **(added or absent("unknown"))},
            {"code": concept("loinc", "3150-0"), **(breathed or absent("unknown"))},
        ]
    code = {"coding": [coding("loinc", "59408-5"), coding("loinc", "2708-6")], "text": "Oxygen saturation"}
    return add_observation(
        chart,
        f"{visit_key(chart, visit)}-oxygen",
        visit,
        code,
        (category("vital-signs"),),
        value,
        profile="us-core-pulse-oximetry",
    )
