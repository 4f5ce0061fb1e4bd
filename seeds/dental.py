"""Dental examinations: the readiness class, what was found and done tooth by tooth.

Teeth are numbered 1 to 32 after the Universal Numbering System, procedures have CDT codes. The four classes are those
of dental readiness: 1 and 2 may deploy, 3 may need emergency care within a year, 4 is overdue or unknown.
"""

from collections.abc import Mapping

from seeds.chart import Chart, Visit
from seeds.codes import coding, concept
from seeds.conditions import diagnosis
from seeds.model import Resource
from seeds.observations import add_observation, category
from seeds.procedures import performed

EVALUATION, CLEANING_ADULT, CLEANING_CHILD = "D0120", "D1110", "D1120"

FINDING_BY_TREATMENT: Mapping[str, str] = {
    "D2391": "80967001",
    "D2392": "80967001",
    "D2740": "80967001",
    "D3330": "80967001",
    "D7140": "80967001",
    "D7240": "196416002",
}
"""SNOMED CT code of what a CDT procedure treats."""

WHOLE_MOUTH = ""
"""The tooth of a finding that is not about one tooth."""


def exam(chart: Chart, key: str, visit: Visit, dental_class: int, findings: tuple[tuple[str, str], ...] = ()) -> str:
    """An examination with cleaning; `findings` are (tooth, CDT code) of what was treated. The class's Observation.

    Raises KeyError for a class, tooth or code that is not tabled.
    """
    cleaning = CLEANING_ADULT if chart.person.age >= 14 else CLEANING_CHILD
    work = ((WHOLE_MOUTH, EVALUATION), (WHOLE_MOUTH, cleaning), *findings)
    for number, (tooth, code) in enumerate(work, start=1):
        condition = _finding(chart, f"{key}-finding-{number}", code, tooth, visit)
        _treatment(chart, f"{key}-treatment-{number}", code, tooth, condition, visit)
    return add_observation(
        chart,
        f"{key}-class",
        visit,
        concept("dental-class", "dental-readiness-class"),
        (category("exam"),),
        {"valueCodeableConcept": concept("dental-class", str(dental_class))},
        profile="us-core-observation-clinical-result",
    )


def _treatment(chart: Chart, key: str, code: str, tooth: str, condition: str, visit: Visit) -> None:
    elements = performed(chart, _treated(code), visit, 15)
    if condition:
        elements["reasonReference"] = [{"reference": condition}]
    if tooth:
        elements["bodySite"] = [_tooth(tooth)]
    chart.add("Procedure", key, elements, profiles=("us-core-procedure",), agency=visit.facility.agency)


def _finding(chart: Chart, key: str, code: str, tooth: str, visit: Visit) -> str:
    """The Condition that a procedure treats, the empty string for a procedure that treats none."""
    if code not in FINDING_BY_TREATMENT:
        return ""
    reference = diagnosis(chart, key, FINDING_BY_TREATMENT[code], visit)
    if tooth:
        condition = next(each for each in reversed(chart.resources) if each["resourceType"] == "Condition")
        condition["bodySite"] = [_tooth(tooth)]
    return reference


def _treated(code: str) -> Resource:
    """The code without a display, because the words for it are ours."""
    treated = coding("cdt", code)
    return {"text": treated.pop("display"), "coding": [treated]}


def _tooth(number: str) -> Resource:
    return concept("ada-tooth", number, f"Tooth {number}")
