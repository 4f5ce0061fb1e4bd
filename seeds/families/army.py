"""Three of the Army on active duty: back from a deployment, expecting a child, moved from overseas."""

from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    immunizations,
    labs,
    medications,
    messages,
    radiology,
    routine,
    service,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member

ARMY = Household(
    Agency.DOD,
    Branch.ARMY,
    "sandhills-army",
    ("1 Ridge Barracks",),
    "Fayetteville",
    "NC",
    "28307",
    race=("asian",),
)
WEST = Household(
    Agency.DOD,
    Branch.MARINES,
    "cabrillo-naval",
    ("14 Mesa Road",),
    "San Diego",
    "CA",
    "92140",
    race=("pacific-islander",),
)
PARK = ARMY.person(
    "park-minjun",
    "Park",
    ("Minjun",),
    "male",
    23,
    (8, 14),
    BeneficiaryClass.ACTIVE_DUTY,
    45,
    "boone-calvin",
    rank="SPC",
    marital_status="S",
)
OKONKWO = ARMY.person(
    "okonkwo-adaeze",
    "Okonkwo",
    ("Adaeze",),
    "female",
    28,
    (6, 12),
    BeneficiaryClass.ACTIVE_DUTY,
    46,
    "achebe-ifeoma",
    rank="CPT",
    marital_status="M",
    race=("black",),
    lines=("27 Dogwood Circle",),
)
BAKER = WEST.person(
    "baker-christine",
    "Baker",
    ("Christine",),
    "female",
    29,
    (5, 5),
    BeneficiaryClass.ACTIVE_DUTY,
    52,
    "okafor-grace",
    rank="SGT",
    marital_status="S",
    branch=Branch.ARMY,
    race=("white",),
    lines=("5 Plaza Street",),
)


def _park(chart: Chart) -> None:
    enrollment.member(chart, team=("mercer-ray",), years_of_service=4)
    consents.terms(chart)
    allergies.none_known(chart)
    abroad = service.deployment(chart, "deployment", chart.clock.day(-420), chart.clock.day(-240))
    service.episode(chart, "tour", Branch.ARMY, chart.clock.day(-420), chart.clock.day(-240), deployments=(abroad,))
    routine.health_assessment(chart, "pre-deployment", 430, "Ready to deploy.")
    with routine.seen(
        chart,
        "theatre-ankle",
        300,
        "deployment",
        "Turned the right ankle on patrol. Light duty for ten days.",
        by="prentiss-jude",
        hour=6,
        is_any_day=True,
        signs={},
    ) as visit:
        conditions.diagnosis(chart, "ankle", "44465007", visit, days=30)
        radiology.study(
            chart,
            "ankle-xray",
            "ankle-xray",
            visit,
            findings="No fracture. Soft tissue swelling.",
            impression="Sprain.",
        )
        medications.prescription(chart, "ibuprofen", "ibuprofen", "completed", visit)
    routine.health_assessment(chart, "pha", 150, "Back from deployment. No limits. Hearing unchanged.")
    immunizations.given(chart, "anthrax", "24", chart.clock.day(-450))
    immunizations.given(chart, "smallpox", "75", chart.clock.day(-450))
    appointments.appointment(chart, "checked-in", 0, 9, 0, "readiness", "checked-in")


def _okonkwo(chart: Chart) -> None:
    enrollment.member(chart, team=("boone-calvin",), years_of_service=6)
    consents.terms(chart)
    allergies.none_known(chart)
    conditions.problem(chart, "pregnancy", "72892002", chart.clock.day(-150))
    for number, (days, weeks) in enumerate(((120, 10), (85, 15), (50, 20), (15, 25)), start=1):
        with routine.seen(
            chart,
            f"prenatal-{number}",
            days,
            "prenatal",
            f"Week {weeks}. Baby grows as expected, heartbeat 145. Mother well.",
            hour=8,
            signs={"weight_kg": Decimal(63 + number * 2)},
            panels=("cbc", "urinalysis") if number in (1, 4) else (),
        ) as visit:
            if number == 1:
                social.pregnancy_status(chart, "pregnant", visit, is_pregnant=True)
                social.occupation(chart, "occupation", visit, "Signal officer")
                labs.panel(chart, "first-hiv", "hiv", visit)
                medications.prescription(chart, "ondansetron", "ondansetron", "completed", visit)
    immunizations.given(chart, "tdap", "115", chart.clock.day(-15))
    messages.thread(
        chart,
        "sickness",
        "Feeling sick",
        "medication",
        (
            ("patient", "I feel sick all morning. Is the tablet safe for the baby?"),
            ("team", "Yes, at the dose on the label. Tell us if you cannot keep water down."),
            ("patient", "It is better since last week. May I"),
        ),
        days_ago=100,
        draft=True,
    )
    appointments.appointment(chart, "prenatal-next", 13, 8, 30, "obstetrics", "booked")


def _baker(chart: Chart) -> None:
    moved = Identity(earlier_address=("Unit 99105 Box 12", "APO", "AE", "09099"), changed_days_ago=120)
    enrollment.member(chart, identity=moved, years_of_service=9)
    consents.terms(chart)
    with routine.seen(
        chart,
        "linden",
        400,
        "office",
        "Seen before the move from Germany. Asthma since childhood, inhaler twice a month.",
        by="weiss-hannelore",
        hour=8,
        signs={},
        panels=("cbc",),
    ) as visit:
        conditions.problem(chart, "asthma", "195967001", chart.clock.day(-8_000), visit=visit)
        allergies.allergy(chart, "latex", "111088007", reactions=("247472004",), visit=visit)
    with routine.checkup(chart, "arrival", 100, "First visit after the move. Record from Linden clinic reviewed."):
        medications.prescription(chart, "albuterol", "albuterol", "no-refills-left")
    appointments.appointment(chart, "waitlist", 25, 9, 0, "primary-care", "waitlist")


PEOPLE = (Member(PARK, _park), Member(OKONKWO, _okonkwo), Member(BAKER, _baker))
