"""An officer of the Space Force who is seen by video, and an airman in counseling."""

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    medications,
    messages,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.codes import concept
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member, us_core_extension

PLAINS = Household(
    Agency.DOD,
    Branch.SPACE_FORCE,
    "high-plains-air",
    ("80 Orbit Street",),
    "Colorado Springs",
    "CO",
    "80916",
    race=("asian",),
)
CHEN = PLAINS.person(
    "chen-wei",
    "Chen",
    ("Wei",),
    "female",
    30,
    (10, 10),
    BeneficiaryClass.ACTIVE_DUTY,
    48,
    "duarte-felipe",
    rank="Capt",
    marital_status="S",
)
MORGAN = PLAINS.person(
    "morgan-riley",
    "Morgan",
    ("Riley",),
    "female",
    27,
    (9, 3),
    BeneficiaryClass.ACTIVE_DUTY,
    49,
    "quinn-maeve",
    rank="SrA",
    marital_status="S",
    branch=Branch.AIR_FORCE,
    race=("white", "black"),
    lines=("6 Tailwind Court",),
)


def _chen(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=8)
    consents.terms(chart)
    allergies.none_known(chart)
    routine.health_assessment(chart, "pha", 30, "Fit. Works nights on console; sleep advice given.")
    with routine.seen(
        chart,
        "video",
        12,
        "telehealth",
        "Video visit. Migraine with light sensitivity, four days this month. No warning signs. Diary for a month.",
        hour=16,
        minutes=20,
    ) as visit:
        conditions.problem(chart, "migraine", "37796009", visit.start.date(), visit=visit)
    appointments.appointment(chart, "diary", 18, 15, 0, "telehealth", "booked")
    messages.reminder(chart, "diary-reminder", "Write the headache diary.", 1)


def _morgan(chart: Chart) -> None:
    unknown = us_core_extension("us-core-genderIdentity", {"valueCodeableConcept": concept("v3-NullFlavor", "ASKU")})
    enrollment.member(chart, identity=Identity(extensions=(unknown,)), years_of_service=5)
    allergies.none_known(chart)
    with routine.seen(
        chart,
        "panic",
        33,
        "mental-health",
        "Two panic attacks on the flight line. Breathing exercises, follow-up weekly.",
        by="farris-dana",
        hour=10,
        labels=("R", "MH"),
    ) as visit:
        conditions.diagnosis(chart, "anxiety", "21897009", visit, ("R", "MH"))
        social.survey(chart, "phq-9", visit, "phq-9", answers=(1, 1, 2, 1, 0, 0, 1, 0, 0), labels=("R", "MH"))
    medications.prescription(
        chart, "sertraline", "sertraline", "refills-left", labels=("R", "MH"), indication="21897009", days_ago=31
    )


PEOPLE = (Member(CHEN, _chen), Member(MORGAN, _morgan))
