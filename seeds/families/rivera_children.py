"""Ana Rivera's four children. The eldest, Sofia, is fifteen: part of her record is hers alone."""

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
    procedures,
    radiology,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.families.rivera import ANA, HOME
from seeds.model import BeneficiaryClass
from seeds.people import Member

SOFIA = HOME.person(
    "rivera-sofia",
    "Rivera",
    ("Sofia", "Elena"),
    "female",
    15,
    (6, 21),
    BeneficiaryClass.DEPENDENT_CHILD,
    3,
    "whitfield-paul",
    marital_status="S",
    sponsor="rivera-ana",
    relationship="child",
)
MATEO = HOME.person(
    "rivera-mateo",
    "Rivera",
    ("Mateo",),
    "male",
    12,
    (1, 30),
    BeneficiaryClass.DEPENDENT_CHILD,
    4,
    "whitfield-paul",
    marital_status="S",
    sponsor="rivera-ana",
    relationship="child",
)
LUCIA = HOME.person(
    "rivera-lucia",
    "Rivera",
    ("Lucia",),
    "female",
    6,
    (10, 4),
    BeneficiaryClass.DEPENDENT_CHILD,
    5,
    "whitfield-paul",
    marital_status="S",
    sponsor="rivera-ana",
    relationship="child",
)
TOMAS = HOME.person(
    "rivera-tomas",
    "Rivera",
    ("Tomas",),
    "male",
    0,
    (9, 16),
    BeneficiaryClass.DEPENDENT_CHILD,
    6,
    "whitfield-paul",
    marital_status="S",
    sponsor="rivera-ana",
    relationship="child",
)


def _sofia(chart: Chart) -> None:
    related = enrollment.dependent(chart, ANA, "NMTH", team=("desai-rohan",))
    consents.proxy(chart, related, is_limited=True)
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    with routine.well_child(chart, "well-15", 80, "Healthy, plays soccer. School going well. Vision 20/20."):
        pass
    private = ("R", "ADOL", "MH")
    with routine.seen(
        chart,
        "confidential",
        40,
        "mental-health",
        "Seen alone at her wish. Worry before examinations, sleeps five hours. No thoughts of self-harm. Plan: six "
        "sessions of cognitive behavioral therapy.",
        by="desai-rohan",
        hour=15,
        labels=private,
    ) as visit:
        conditions.diagnosis(chart, "anxiety", "197480006", visit, private)
        social.survey(chart, "phq-9", visit, "phq-9", answers=(1, 1, 3, 2, 0, 1, 1, 0, 0), labels=private)
    appointments.appointment(chart, "therapy", 6, 15, 0, "mental-health", "booked", sensitive=True)


def _mateo(chart: Chart) -> None:
    related = enrollment.dependent(chart, ANA, "NMTH", team=("bell-theodore",))
    consents.proxy(chart, related)
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    with routine.seen(
        chart,
        "forearm",
        200,
        "emergency",
        "Fell from a scooter onto the right hand. Forearm swollen and tender. Cast, and orthopedics in a week.",
        by="yoon-hana",
        hour=17,
        minutes=180,
        is_any_day=True,
        note="discharge-summary",
        signs={},
    ) as visit:
        conditions.diagnosis(chart, "forearm-fracture", "65966004", visit, days=45)
        procedures.procedure(chart, "cast", "274474001", visit, note="Short arm cast.")
        medications.prescription(chart, "acetaminophen", "acetaminophen", "completed", visit)
    with routine.well_child(chart, "well-12", 150, "Forearm healed. Attention at school still short; see counselor."):
        conditions.problem(chart, "adhd", "406506008", chart.clock.day(-600))


def _lucia(chart: Chart) -> None:
    related = enrollment.dependent(chart, ANA, "NMTH")
    consents.proxy(chart, related)
    allergies.allergy(
        chart,
        "peanut",
        "762952008",
        reactions=("39579001", "247472004"),
        criticality="high",
        onset=chart.clock.day(-1_200),
    )
    conditions.problem(chart, "asthma", "195967001", chart.clock.day(-800))
    immunizations.childhood_series(chart)
    with routine.seen(
        chart,
        "wheeze",
        260,
        "emergency",
        "Wheezing since the evening after a cold. Three treatments by inhaler, breathing easy after two hours. Home.",
        by="yoon-hana",
        hour=19,
        minutes=200,
        is_any_day=True,
        note="discharge-summary",
        signs={"oxygen": 92, "respiration": 34, "pulse": 132},
    ) as visit:
        conditions.diagnosis(chart, "attack", "195967001", visit, days=5)
        radiology.study(
            chart,
            "wheeze-chest",
            "chest-xray",
            visit,
            findings="Lungs clear, slightly overinflated.",
            impression="No pneumonia.",
        )
        medications.administered(chart, "wheeze-dose", "albuterol", visit)
    with routine.well_child(chart, "well-6", 30, "Grows well. Carries two epinephrine pens; school plan renewed."):
        medications.prescription(chart, "epinephrine", "epinephrine", "refills-left")
    medications.prescription(chart, "albuterol", "albuterol", "refills-left")
    messages.thread(
        chart,
        "school-plan",
        "Allergy plan for school",
        "general",
        (
            ("proxy", "The school needs the allergy plan signed for the new year. I attach their form."),
            ("team", "Signed and sent back to the school today."),
        ),
        attachment=("School allergy plan", "Peanut: give epinephrine at once, call 911, then call a parent."),
        days_ago=20,
    )


def _tomas(chart: Chart) -> None:
    related = enrollment.dependent(chart, ANA, "NMTH")
    consents.proxy(chart, related)
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    with routine.well_child(chart, "well-6-months", 60, "Sits with help, babbles, eats solids twice a day."):
        pass
    with routine.seen(
        chart,
        "ear",
        20,
        "office",
        "Fever and pulling at the right ear for two days. Eardrum red and bulging.",
        signs={"temperature": Decimal("38.6")},
    ) as visit:
        conditions.diagnosis(chart, "otitis", "65363002", visit, days=12)
        medications.prescription(chart, "amoxicillin", "amoxicillin", "completed", visit)
    appointments.appointment(chart, "well-9-months", 24, 10, 0, "pediatrics", "booked")


PEOPLE = (
    Member(SOFIA, _sofia),
    Member(MATEO, _mateo),
    Member(LUCIA, _lucia),
    Member(TOMAS, _tomas),
)
