"""Questionnaires that the population answers: questions, the answers they offer, how they are scored.

The forms are public: PHQ-2 and PHQ-9, AUDIT-C, Hunger Vital Sign, Exercise Vital Sign, each by its LOINC codes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Answers = tuple[int, ...]
"""For each question the place of the answer chosen among those it offers, from 0, or a number where it offers none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question by LOINC code with the answers offered (LOINC answer codes), or a number of a UCUM unit."""

    code: str
    answers: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What is made of the answers: LOINC code, the number or the LOINC answer, the UCUM unit of a number."""

    code: str
    of: Callable[[Answers], int | str]
    unit: str = "{score}"


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """A questionnaire: LOINC panel code, canonical, title, categories beside `survey`, questions, score.

    `usual` are the answers of somebody who is well. `form` is how the questions stand on the page: one after the other,
    all `grouped` under the title, or those after the first `nested` under its answer, as they follow from it.
    """

    code: str
    canonical: str
    title: str
    categories: tuple[str, ...]
    questions: tuple[Question, ...]
    score: Score
    usual: Answers
    page: str = ""
    form: Literal["flat", "grouped", "nested"] = "flat"


_DAYS = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")
_TRUE = ("LA28397-0", "LA6729-3", "LA28398-8")
_DRINKING = ("LA6270-8", "LA18926-8", "LA18927-6", "LA18928-4", "LA18929-2")
_DRINKS = ("LA15694-5", "LA15695-2", "LA18930-0", "LA18931-8", "LA18932-6")
_SIX_DRINKS = ("LA6270-8", "LA18933-4", "LA18876-5", "LA18891-4", "LA18934-2")

_PHQ_9 = (
    "44250-9",
    "44255-8",
    "44259-0",
    "44254-1",
    "44251-7",
    "44258-2",
    "44252-5",
    "44253-3",
    "44260-8",
)


def _hunger(answers: Answers) -> str:
    return "LA19952-3" if min(answers) < 2 else "LA19983-8"


def _minutes_a_week(answers: Answers) -> int:
    return answers[0] * answers[1]


QUESTIONNAIRES: Mapping[str, Questionnaire] = {
    "phq-9": Questionnaire(
        "44249-1",
        "http://loinc.org/q/44249-1",
        "Patient Health Questionnaire 9 item",
        (),
        tuple(Question(code, _DAYS) for code in _PHQ_9),
        Score("44261-6", sum),
        (0, 0, 1, 1, 0, 0, 0, 0, 0),
    ),
    "phq-2": Questionnaire(
        "55757-9",
        "http://loinc.org/q/55757-9",
        "Patient Health Questionnaire 2 item",
        (),
        tuple(Question(code, _DAYS) for code in _PHQ_9[:2]),
        Score("55758-7", sum),
        (0, 0),
    ),
    "audit-c": Questionnaire(
        "72109-2",
        "http://loinc.org/q/72109-2",
        "Alcohol Use Disorder Identification Test, consumption",
        (),
        (Question("68518-0", _DRINKING), Question("68519-8", _DRINKS), Question("68520-6", _SIX_DRINKS)),
        Score("75626-2", sum),
        (1, 0, 0),
        form="nested",
    ),
    "sdoh": Questionnaire(
        "88121-9",
        "http://loinc.org/q/88121-9",
        "Hunger Vital Sign",
        ("sdoh",),
        (Question("88122-7", _TRUE), Question("88123-5", _TRUE)),
        Score("88124-3", _hunger),
        (2, 2),
        page="https://childrenshealthwatch.org/public-policy/hunger-vital-sign/",
        form="grouped",
    ),
    "exercise": Questionnaire(
        "89574-8",
        "http://loinc.org/q/89574-8",
        "Exercise Vital Sign",
        (),
        (Question("89555-7", unit="d/wk"), Question("68516-4", unit="min/d")),
        Score("89574-8", _minutes_a_week, "min/wk"),
        (4, 30),
    ),
}
"""Questionnaires by name. The score of exercise has no code of its own: the panel's Observation holds it."""
