"""Gunnery Sergeant Hughes and his stepson Ethan, sixteen, with a plan for a mental health crisis."""

from seeds import (
    allergies,
    conditions,
    consents,
    enrollment,
    immunizations,
    medications,
    messages,
    plans,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

HOME = Household(
    Agency.DOD,
    Branch.MARINES,
    "cabrillo-naval",
    ("1190 Torrey View",),
    "San Diego",
    "CA",
    "92130",
    race=("white",),
)
MARCUS = HOME.person(
    "hughes-marcus",
    "Hughes",
    ("Marcus",),
    "male",
    40,
    (10, 21),
    BeneficiaryClass.ACTIVE_DUTY,
    71,
    "okafor-grace",
    rank="GySgt",
    marital_status="M",
    race=("black",),
)
ETHAN = HOME.person(
    "hughes-ethan",
    "Barrett",
    ("Ethan",),
    "male",
    16,
    (5, 16),
    BeneficiaryClass.DEPENDENT_CHILD,
    72,
    "whitfield-paul",
    marital_status="S",
    sponsor="hughes-marcus",
    relationship="step-child",
)


def _marcus(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=20, acts_for=("RelatedPerson/hughes-ethan-sponsor",))
    consents.terms(chart)
    allergies.none_known(chart)
    routine.health_assessment(chart, "pha", 70, "Hearing loss on the left, wears protection. Deployable.")
    conditions.problem(chart, "hearing", "15188001", chart.clock.day(-1_000))


def _ethan(chart: Chart) -> None:
    related = enrollment.dependent(chart, MARCUS, "PRN", team=("desai-rohan", "reyes-patricia"))
    consents.proxy(chart, related, is_limited=True)
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    private = ("R", "ADOL", "MH", "PSY")
    with routine.seen(
        chart,
        "crisis",
        66,
        "emergency",
        "Brought by a friend after saying he wanted to die. No plan, no means. Safe to go home with a safety plan.",
        by="yoon-hana",
        hour=22,
        minutes=240,
        is_any_day=True,
        labels=private,
        note="discharge-summary",
        signs={},
    ) as visit:
        sad = conditions.diagnosis(chart, "depression", "370143000", visit, private)
        social.survey(chart, "crisis-phq-9", visit, "phq-9", answers=(3, 3, 2, 2, 1, 2, 2, 0, 2), labels=private)
        plans.care_plan(
            chart,
            "safety",
            visit,
            "Call 988 or his counselor. Medicines locked away. Visit within three days.",
            ("Back at school within two weeks",),
            addresses=(sad,),
            labels=private,
        )
    with routine.seen(
        chart,
        "after",
        63,
        "mental-health",
        "Feels heard. Sleeps. Starts sertraline with his and his mother's consent.",
        by="desai-rohan",
        hour=15,
        labels=private,
    ) as visit:
        medications.prescription(chart, "sertraline", "sertraline", "refills-left", visit, labels=private)
    with routine.well_child(chart, "well-16", 120, "Grew 4 cm. Plays the drums; ear protection discussed."):
        pass
    messages.thread(
        chart,
        "school",
        "Note for school",
        "general",
        (("patient", "Can you write that I may leave class for my appointment on Thursday?"), ("team", "Done.")),
        days_ago=30,
        labels=private,
    )


PEOPLE = (Member(MARCUS, _marcus), Member(ETHAN, _ethan))
