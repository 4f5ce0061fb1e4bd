"""The record of a made-up person: problems as likely as they are at that age, visits of the last years, medicines,
vaccinations, messages and appointments, from the same parts as the designed records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    immunizations,
    medications,
    messages,
    routine,
)
from seeds.chart import Chart
from seeds.medications import State
from seeds.model import BeneficiaryClass, Person

ADULT_AGE = 18
LAST_ANNUAL_DAYS = 330
"""The latest yearly visit is at most so long ago."""


@dataclass(frozen=True, slots=True)
class Likely:
    """A problem: its SNOMED CT code, the medicine for it, from which age on it occurs, its share at 20 and at 80."""

    code: str
    drug: str
    age: int
    at_20: float
    at_80: float


LIKELY: Mapping[str, Likely] = {
    "hypertension": Likely("59621000", "lisinopril", 22, 0.04, 0.7),
    "hyperlipidemia": Likely("55822004", "atorvastatin", 28, 0.03, 0.6),
    "diabetes": Likely("44054006", "metformin", 30, 0.01, 0.3),
    "depression": Likely("370143000", "sertraline", 18, 0.08, 0.08),
    "asthma": Likely("195967001", "albuterol", 4, 0.09, 0.08),
    "rhinitis": Likely("61582004", "cetirizine", 4, 0.12, 0.12),
    "hypothyroidism": Likely("40930008", "levothyroxine", 25, 0.02, 0.1),
    "back-pain": Likely("278860009", "ibuprofen", 19, 0.12, 0.25),
    "migraine": Likely("37796009", "ibuprofen", 15, 0.1, 0.05),
}
_STATES: tuple[State, ...] = ("refills-left", "refills-left", "last-refill", "no-refills-left", "expired", "renewed")
_ALLERGENS = (("764146007", "271807003"), ("763875007", "271807003"), ("762952008", "247472004"))
_COMPLAINTS = (
    ("195662009", "Sore throat for three days, no fever. Rest, fluids, honey."),
    ("444814009", "Blocked nose and pressure over the cheeks for a week. Saline rinse."),
    ("44465007", "Turned the ankle on stairs. Swelling, walks on it. Brace and ice."),
    ("10509002", "Cough for ten days, lungs clear. No antibiotic needed."),
    ("25064002", "Headache in the evening, neck tense. Exercises shown."),
)
_QUESTIONS = (
    ("general", "Question after my visit", "Is it fine to go running again?", "Yes, begin with short distances."),
    (
        "test-result",
        "My laboratory results",
        "One value is marked. Is that bad?",
        "It is just above normal and harmless.",
    ),
    ("medication", "Taking my medicine", "May I take it in the evening instead?", "Yes, at the same time each day."),
)


def write(chart: Chart, sponsor: Person) -> None:
    """Write the whole record; `sponsor` is the person themselves where nobody sponsors them."""
    _enroll(chart, sponsor)
    if chart.random.random() < 0.12:
        code, reaction = chart.random.choice(_ALLERGENS)
        allergies.allergy(chart, "allergy", code, reactions=(reaction,))
    else:
        allergies.none_known(chart)
    problems = _problems(chart)
    if chart.person.age < ADULT_AGE:
        _childhood(chart)
    else:
        _adulthood(chart, problems)
    _complaints(chart)
    for name in problems:
        medications.prescription(chart, f"rx-{name}", LIKELY[name].drug, chart.random.choice(_STATES))
    _portal(chart)


def _enroll(chart: Chart, sponsor: Person) -> None:
    person = chart.person
    if person.beneficiary_class is BeneficiaryClass.VETERAN:
        years = chart.random.randint(2, max(2, person.age - 24))
        enrollment.veteran(chart, years_ago=years, years_of_service=4)
    elif person is sponsor:
        enrollment.member(chart, years_of_service=max(1, min(20, person.age - 18)))
    elif person.beneficiary_class is BeneficiaryClass.DEPENDENT_SPOUSE:
        enrollment.dependent(chart, sponsor, "SPS")
    else:
        related = enrollment.dependent(chart, sponsor, enrollment.PARENT_CODES[sponsor.gender])
        if person.age < ADULT_AGE:
            consents.proxy(chart, related, is_limited=person.age >= 13)
    if person.age >= ADULT_AGE:
        consents.terms(chart)


def _problems(chart: Chart) -> list[str]:
    age = chart.person.age
    found = []
    for name, likely in LIKELY.items():
        share = likely.at_20 + (likely.at_80 - likely.at_20) * (age - 20) / 60
        if age >= likely.age and chart.random.random() < share:
            years = chart.random.randint(0, age - likely.age)
            conditions.problem(chart, name, likely.code, chart.clock.day(-365 * years - chart.random.randint(20, 300)))
            found.append(name)
    return found


def _childhood(chart: Chart) -> None:
    immunizations.childhood_series(chart)
    last = chart.random.randint(20, LAST_ANNUAL_DAYS)
    text = "Grows along the percentiles. Sleeps and eats well. Next visit in a year."
    for years_ago in range(min(3, chart.person.age + 1)):
        days = min(last + 365 * years_ago, _days_old(chart) - 3)
        if days > 365 * (years_ago - 1) + last and days > 0:
            with routine.well_child(chart, f"well-{years_ago}", days, text, hour=chart.random.randint(8, 15)):
                pass


def _days_old(chart: Chart) -> int:
    return (chart.clock.today - chart.clock.born(chart.person.age, *chart.person.birthday)).days


def _adulthood(chart: Chart, problems: list[str]) -> None:
    last = chart.random.randint(20, LAST_ANNUAL_DAYS)
    values = {"4548-4": Decimal(chart.random.randint(64, 88)) / 10} if "diabetes" in problems else {}
    panels = ("bmp", "cbc", "lipid", "a1c") if "diabetes" in problems else ("bmp", "cbc", "lipid")
    signs = {"systolic": chart.random.randint(132, 156)} if "hypertension" in problems else {}
    smoking = chart.random.choice(("never", "never", "never", "former", "every-day"))
    for years_ago in range(3):
        days, text = last + 365 * years_ago, "Yearly examination. Findings as listed; plan discussed and agreed."
        visit = routine.checkup(
            chart,
            f"annual-{years_ago}",
            days,
            text,
            hour=chart.random.randint(8, 15),
            panels=panels,
            values=values,
            signs=signs,
            smoking=smoking,
        )
        with visit:
            pass
    if chart.person.beneficiary_class is BeneficiaryClass.ACTIVE_DUTY:
        routine.health_assessment(chart, "assessment", chart.random.randint(10, 350), "Fit for duty.")


def _complaints(chart: Chart) -> None:
    for number in range(chart.random.randint(0, 2)):
        code, text = chart.random.choice(_COMPLAINTS)
        days = chart.random.randint(5, min(700, max(6, _days_old(chart) - 1)))
        with routine.seen(chart, f"visit-{number}", days, "office", text, hour=11 + number, signs={}) as visit:
            conditions.diagnosis(chart, f"visit-{number}-reason", code, visit, days=14)


def _portal(chart: Chart) -> None:
    if chart.person.age >= ADULT_AGE and chart.random.random() < 0.4:
        category, topic, question, answer = chart.random.choice(_QUESTIONS)
        days = chart.random.randint(3, 200)
        messages.thread(chart, "thread", topic, category, (("patient", question), ("team", answer)), days_ago=days)
    if chart.random.random() < 0.5:
        kind = "pediatrics" if chart.person.age < ADULT_AGE else "primary-care"
        # The calendars have room for a few hundred: load tests book those slots themselves.
        appointments.appointment(chart, "next", chart.random.randint(1, 60), 9, 0, kind, "booked", slot=False)
    appointments.appointment(chart, "last", -chart.random.randint(10, 300), 10, 0, "follow-up", "fulfilled", slot=False)
