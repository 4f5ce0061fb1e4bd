"""Individual medical readiness: its six elements, each an Observation that says whether it is current.

A readiness officer sees these, not diagnoses: the value is a status and a day, never a finding.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from seeds.chart import Chart, Visit
from seeds.codes import coding, concept
from seeds.model import Resource
from seeds.observations import add_observation, category
from seeds.visits import visit_key

ELEMENTS: Mapping[str, int] = {
    "periodic-health-assessment": 365,
    "deployment-limiting-conditions": 365,
    "dental": 365,
    "immunizations": 365,
    "laboratory": 730,
    "medical-equipment": 1095,
}
"""The six elements, with the days for which one is current."""


def elements(chart: Chart, visit: Visit, *, statuses: Mapping[str, str] = {}) -> list[str]:
    """The six elements as of a visit: `current` but for what `statuses` says (`due`, `overdue`, `limiting`).

    Raises KeyError for a status that is not tabled, and for an element that is none.
    """
    unknown = statuses.keys() - ELEMENTS.keys()
    if unknown:
        raise KeyError(f"no readiness elements: {', '.join(sorted(unknown))}")
    return [_element(chart, visit, name, statuses.get(name, "current"), days) for name, days in ELEMENTS.items()]


def _element(chart: Chart, visit: Visit, name: str, status: str, days: int) -> str:
    until = visit.start.date() + timedelta(days=days)
    value: Resource = {
        "valueCodeableConcept": {**concept("readiness-status", status), "text": _words(status, until)},
        "effectivePeriod": {"start": visit.start.date().isoformat(), "end": until.isoformat()},
    }
    return add_observation(
        chart,
        f"{visit_key(chart, visit)}-ready-{name}",
        visit,
        {"coding": [coding("readiness-element", name)], "text": coding("readiness-element", name)["display"]},
        (category("exam"),),
        value,
        profile="us-core-simple-observation",
    )


def _words(status: str, until: date) -> str:
    return (
        f"Current until {until.isoformat()}" if status == "current" else coding("readiness-status", status)["display"]
    )
