"""Visits as they usually go: vital signs, laboratory, what was found, and the note at the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from seeds import dental, immunizations, labs, notes, readiness, social, visits, vitals
from seeds.chart import Chart, Visit
from seeds.lab_panels import PANELS
from seeds.model import Labels
from seeds.questionnaires import Answers

Values = Mapping[str, labs.Value]
Signs = Mapping[str, Any]


@contextmanager
def seen(
    chart: Chart,
    key: str,
    days_ago: int,
    kind: str,
    text: str,
    *,
    hour: int = 9,
    minute: int = 0,
    minutes: int = 30,
    by: str = "",
    reason: str = "",
    note: str = "progress",
    labels: Labels = (),
    signs: Signs | None = None,
    panels: tuple[str, ...] = (),
    values: Values | None = None,
    is_any_day: bool = False,
) -> Iterator[Visit]:
    """A visit `days_ago` with the note `text` written at its end.

    `by` is the key of a clinician, at whose facility it takes place; else it is who leads the care. `signs` are vital
    signs by the parameters of `vitals.vital_signs` (an empty mapping: plausible ones; None: none taken). `panels` are
    laboratory panels, `values` results in them. `is_any_day` allows a weekend, as an emergency does.
    """
    clinician = chart.directory.clinicians[by] if by else chart.clinician
    facility = chart.directory.facilities[clinician.facility]
    when = (
        chart.clock.at(-days_ago, hour, minute, facility.zone)
        if is_any_day
        else chart.ago(days_ago, hour, minute, facility)
    )
    opened = visits.visit(
        chart, key, when, kind, reason=reason, minutes=minutes, facility=facility, clinician=clinician, labels=labels
    )
    with chart.labelled(labels), opened as visit:
        if signs is not None:
            vitals.vital_signs(chart, visit, **signs)
        for panel in panels:
            labs.panel(chart, f"{key}-{panel}", panel, visit, values=_of_panel(panel, values or {}), labels=labels)
        yield visit
        notes.note(chart, f"{key}-note", note, visit, text, labels=labels)


@contextmanager
def checkup(
    chart: Chart,
    key: str,
    days_ago: int,
    text: str,
    *,
    hour: int = 9,
    panels: tuple[str, ...] = ("bmp", "cbc", "lipid"),
    values: Values | None = None,
    signs: Signs | None = None,
    smoking: str = "never",
    surveys: tuple[str, ...] = ("phq-2",),
    answers: Mapping[str, Answers] | None = None,
) -> Iterator[Visit]:
    """A yearly examination of an adult: also tobacco, short questionnaires, and the influenza vaccine.

    `answers` are those to a questionnaire of `surveys`, where they are not those of somebody well.
    """
    taken = seen(chart, key, days_ago, "checkup", text, hour=hour, panels=panels, values=values, signs=signs or {})
    with taken as visit:
        social.smoking(chart, f"{key}-smoking", visit, smoking)
        for name in surveys:
            social.survey(chart, f"{key}-{name}", visit, name, answers=(answers or {}).get(name))
        immunizations.given(chart, f"{key}-influenza", "140", visit.start.date(), visit=visit)
        yield visit


@contextmanager
def well_child(chart: Chart, key: str, days_ago: int, text: str, *, hour: int = 10) -> Iterator[Visit]:
    """A preventive visit of a child, with growth."""
    with seen(chart, key, days_ago, "well-child", text, hour=hour, signs={}) as visit:
        yield visit


def dental_visit(
    chart: Chart,
    key: str,
    days_ago: int,
    dental_class: int,
    findings: tuple[tuple[str, str], ...],
    text: str,
    by: str,
) -> None:
    """The yearly dental examination of a member, with its class."""
    with seen(chart, key, days_ago, "dental", text, hour=13, by=by) as visit:
        dental.exam(chart, f"{key}-exam", visit, dental_class, findings)


def health_assessment(chart: Chart, key: str, days_ago: int, text: str, *, by: str = "", hour: int = 8) -> None:
    """The periodic health assessment of a member, with the six elements of individual medical readiness."""
    with seen(chart, key, days_ago, "pre-deployment", text, hour=hour, by=by, signs={}) as visit:
        readiness.elements(chart, visit)
        social.occupation(chart, f"{key}-occupation", visit)


def _of_panel(name: str, values: Values) -> Values:
    known = {each for test in PANELS[name].tests for each in (test.name, test.code)}
    return {test: value for test, value in values.items() if test in known}
