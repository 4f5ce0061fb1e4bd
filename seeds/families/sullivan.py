"""Owen Sullivan, nine, whose parents are divorced: each is a RelatedPerson of his own standing."""

from seeds import allergies, appointments, conditions, consents, enrollment, immunizations, messages, relatives, routine
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

HOME = Household(
    Agency.DOD,
    Branch.AIR_FORCE,
    "high-plains-air",
    ("240 Pinyon Drive",),
    "Colorado Springs",
    "CO",
    "80918",
    race=("white",),
)
BRIAN = HOME.person(
    "sullivan-brian",
    "Sullivan",
    ("Brian",),
    "male",
    39,
    (4, 24),
    BeneficiaryClass.ACTIVE_DUTY,
    65,
    "duarte-felipe",
    rank="MSgt",
    marital_status="D",
)
OWEN = HOME.person(
    "sullivan-owen",
    "Sullivan",
    ("Owen",),
    "male",
    9,
    (8, 8),
    BeneficiaryClass.DEPENDENT_CHILD,
    66,
    "quinn-maeve",
    marital_status="S",
    sponsor="sullivan-brian",
    relationship="child",
    lines=("17 Cheyenne Court",),
)


def _brian(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=19, acts_for=("RelatedPerson/sullivan-owen-sponsor",))
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.checkup(chart, "annual", 110, "Gout in the left big toe twice this year. Diet discussed.") as visit:
        conditions.problem(chart, "gout", "90560007", chart.clock.day(-300), visit=visit)


def _owen(chart: Chart) -> None:
    father = enrollment.dependent(chart, BRIAN, "NFTH")
    mother = relatives.outsider(chart, "mother", "Larkin", ("Joanna",), "NMTH", "719-555-0166", ("parent",))
    consents.proxy(chart, father)
    consents.proxy(chart, mother, key="proxy-mother")
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    with routine.well_child(chart, "well-9", 48, "Healthy. Spends alternate weeks with each parent; sleeps well."):
        pass
    messages.thread(
        chart,
        "shots",
        "Which vaccines are due?",
        "general",
        (
            ("proxy", "He moves schools in January. Is anything due?"),
            ("team", "Only the influenza vaccine. He has an appointment for it."),
        ),
        days_ago=9,
    )
    appointments.appointment(chart, "influenza", 10, 16, 0, "primary-care", "booked")


PEOPLE = (Member(BRIAN, _brian), Member(OWEN, _owen))
