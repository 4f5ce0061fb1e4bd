"""How somebody lives: smoking, work, pregnancy, orientation, what they want of care, and what they answer when asked.

https://hl7.org/fhir/us/core/STU7/screening-and-assessments.html
"""

from collections.abc import Mapping
from datetime import date

from seeds.chart import US_CORE, Chart, Visit, instant
from seeds.codes import concept
from seeds.model import Labels, Resource
from seeds.observations import add_observation, category, measured
from seeds.questionnaires import QUESTIONNAIRES, Answers, Question, Questionnaire
from seeds.visits import encounter

SMOKING: Mapping[str, str] = {
    "never": "266919005",
    "former": "8517006",
    "every-day": "449868002",
    "some-day": "428041000124106",
}
"""SNOMED CT code of a smoking status by name."""

ORIENTATIONS: Mapping[str, str] = {"heterosexual": "20430005", "homosexual": "38628009", "bisexual": "42035005"}
"""SNOMED CT code of a sexual orientation by name; any other name is a code of data-absent-reason."""

QUESTIONNAIRE_DISPLAY = "http://hl7.org/fhir/StructureDefinition/display"


def smoking(chart: Chart, key: str, visit: Visit, status: str, *, pack_years: int | None = None) -> str:
    """Smoking status by a name of `SMOKING`; whoever smoked has pack-years as an Observation of their own, plausible
    ones unless given.
    """
    if status != "never":
        pack_years = chart.random.randint(2, 20) if pack_years is None else pack_years
        code, value = concept("snomed", "401201003"), {"valueQuantity": measured(pack_years, "{pack-years}")}
        _history(chart, f"{key}-pack-years", visit, code, value, "us-core-smokingstatus")
    value = {"valueCodeableConcept": concept("snomed", SMOKING[status])}
    return _history(chart, key, visit, concept("loinc", "72166-2"), value, "us-core-smokingstatus")


def occupation(
    chart: Chart,
    key: str,
    visit: Visit,
    job: str = "Service member",
    industry: str = "Military",
    *,
    since: date | None = None,
) -> str:
    """What the person works as and where, in words; from the day `since`, else from the visit on."""
    start = since or visit.start.date()
    value: Resource = {
        "effectivePeriod": {"start": start.isoformat()},
        "valueCodeableConcept": {"text": job},
        "component": [{"code": concept("loinc", "86188-0"), "valueCodeableConcept": {"text": industry}}],
    }
    return _history(chart, key, visit, concept("loinc", "11341-5"), value, "us-core-observation-occupation")


def pregnancy_status(chart: Chart, key: str, visit: Visit, *, is_pregnant: bool, labels: Labels = ()) -> str:
    """Whether the person is pregnant."""
    value = {"valueCodeableConcept": concept("snomed", "77386006" if is_pregnant else "60001007")}
    profile = "us-core-observation-pregnancystatus"
    return _history(chart, key, visit, concept("loinc", "82810-3"), value, profile, labels)


def pregnancy_intent(chart: Chart, key: str, visit: Visit, *, labels: Labels = ()) -> str:
    """Whether the person wants to become pregnant within a year: not sure."""
    value = {"valueCodeableConcept": concept("snomed", "454381000124105")}
    profile = "us-core-observation-pregnancyintent"
    return _history(chart, key, visit, concept("loinc", "86645-9"), value, profile, labels)


def sexual_orientation(chart: Chart, key: str, visit: Visit, name: str, *, labels: Labels = ()) -> str:
    """Sexual orientation by a name of `ORIENTATIONS`, or why there is none, such as `asked-declined`."""
    known = name in ORIENTATIONS
    value = concept("snomed", ORIENTATIONS[name]) if known else concept("data-absent-reason", name)
    profile = "us-core-observation-sexual-orientation"
    code = concept("loinc", "76690-7")
    return _history(chart, key, visit, code, {"valueCodeableConcept": value}, profile, labels)


def treatment_preference(chart: Chart, key: str, visit: Visit, text: str) -> str:
    """What treatment the person wants or does not want, in their words."""
    return _preference(chart, key, visit, "75773-2", "treatment-intervention-preference", text)


def care_experience_preference(chart: Chart, key: str, visit: Visit, text: str) -> str:
    """How the person wants to be cared for, in their words."""
    return _preference(chart, key, visit, "95541-9", "care-experience-preference", text)


def simple_observation(
    chart: Chart, key: str, visit: Visit, code: str, of: str, value: Resource, *, labels: Labels = ()
) -> str:
    """Any other statement about a person's life, by LOINC code; `of` is its category, such as `sdoh`."""
    return add_observation(
        chart,
        key,
        visit,
        concept("loinc", code),
        (category(of),),
        value,
        profile="us-core-simple-observation",
        labels=labels,
    )


def status_assessment(
    chart: Chart, key: str, visit: Visit, of: str, text: str = "", *, score: int | None = None
) -> str:
    """How somebody manages: `of` is `functional-status` (in words), `disability-status` (yes, there is trouble
    concentrating, remembering or deciding, in words) or `cognitive-status` (the score of a MoCA test, 0 to 30).

    Raises KeyError for another.
    """
    codes = {"functional-status": "75276-6", "disability-status": "69858-9", "cognitive-status": "72172-0"}
    value: Resource = {"valueString": text} if score is None else {"valueQuantity": measured(score, "{score}")}
    if of == "disability-status":
        value = {"valueCodeableConcept": concept("loinc", "LA33-6", text)}
    return add_observation(
        chart,
        key,
        visit,
        concept("loinc", codes[of]),
        (category("survey"), category(of)),
        value,
        profile="us-core-observation-screening-assessment",
    )


def survey(
    chart: Chart, key: str, visit: Visit, name: str, *, answers: Answers | None = None, labels: Labels = ()
) -> str:
    """A questionnaire of `QUESTIONNAIRES` answered in the visit: the QuestionnaireResponse, an Observation for each
    answer and for the score, and one that names them all, whose reference is given. Raises KeyError for another name.
    """
    form = QUESTIONNAIRES[name]
    chosen = form.usual if answers is None else answers
    response = _response(chart, key, visit, form, chosen, labels)
    members = [
        _assessment(chart, f"{key}-{number}", visit, form, question.code, _answer(question, answer), response, labels)
        for number, (question, answer) in enumerate(zip(form.questions, chosen, strict=True), start=1)
    ]
    result = form.score.of(chosen)
    value: Resource = (
        {"valueCodeableConcept": concept("loinc", result)}
        if isinstance(result, str)
        else {"valueQuantity": measured(result, form.score.unit)}
    )
    if form.score.code != form.code:
        members.append(_assessment(chart, f"{key}-score", visit, form, form.score.code, value, response, labels))
        value = {}
    value["hasMember"] = [{"reference": each} for each in members]
    return _assessment(chart, key, visit, form, form.code, value, response, labels)


def _response(chart: Chart, key: str, visit: Visit, form: Questionnaire, answers: Answers, labels: Labels) -> str:
    extensions = [{"url": QUESTIONNAIRE_DISPLAY, "valueString": form.title}]
    if form.page:
        extensions.append({"url": f"{US_CORE}us-core-extension-questionnaire-uri", "valueUri": form.page})
    elements = {
        "identifier": {"system": "urn:fhir-server:seeds:response", "value": f"{chart.person.number:06}-{key}"},
        "questionnaire": form.canonical,
        "_questionnaire": {"extension": extensions},
        "status": "completed",
        "subject": chart.patient,
        **encounter(visit),
        "authored": instant(visit.start),
        "author": chart.patient,
        "item": _items(form, answers),
    }
    return chart.add(
        "QuestionnaireResponse",
        f"{key}-answers",
        elements,
        profiles=("us-core-questionnaireresponse",),
        labels=labels,
        agency=visit.facility.agency,
    )


def _items(form: Questionnaire, answers: Answers) -> list[Resource]:
    items = []
    for question, answer in zip(form.questions, answers, strict=True):
        value = _answer(question, answer)
        given = (
            {"valueDecimal": answer} if question.unit else {"valueCoding": value["valueCodeableConcept"]["coding"][0]}
        )
        text = concept("loinc", question.code)["text"]
        items.append({"linkId": f"/{question.code}", "text": text, "answer": [given]})
    if form.form == "grouped":
        return [{"linkId": f"/{form.code}", "text": form.title, "item": items}]
    if form.form == "nested":
        items[0]["answer"][0]["item"] = items[1:]
        return items[:1]
    return items


def _answer(question: Question, answer: int) -> Resource:
    if question.answers:
        return {"valueCodeableConcept": concept("loinc", question.answers[answer])}
    return {"valueQuantity": measured(answer, question.unit)}


def _assessment(
    chart: Chart,
    key: str,
    visit: Visit,
    form: Questionnaire,
    code: str,
    value: Resource,
    response: str,
    labels: Labels,
) -> str:
    return add_observation(
        chart,
        key,
        visit,
        concept("loinc", code),
        (category("survey"), *map(category, form.categories)),
        {**value, "derivedFrom": [{"reference": response}]},
        profile="us-core-observation-screening-assessment",
        labels=labels,
        by_patient=True,
    )


def _history(
    chart: Chart, key: str, visit: Visit, code: Resource, value: Resource, profile: str, labels: Labels = ()
) -> str:
    return add_observation(
        chart, key, visit, code, (category("social-history"),), value, profile=profile, labels=labels
    )


def _preference(chart: Chart, key: str, visit: Visit, code: str, of: str, text: str) -> str:
    return add_observation(
        chart,
        key,
        visit,
        concept("loinc", code),
        (category(of),),
        {"valueString": text},
        profile=f"us-core-{of}",
        by_patient=True,
    )
