"""A soldier of the National Guard who is not yet ready, and a nurse of the Air Force Reserve who is."""

from seeds import allergies, conditions, consents, enrollment, immunizations, medications, routine
from seeds.chart import Chart
from seeds.codes import concept
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member, us_core_extension

NEBRASKA = Household(
    Agency.DOD,
    Branch.ARMY,
    "high-plains-air",
    ("RR 2 Box 40",),
    "Pueblo",
    "CO",
    "81001",
    race=("native-american",),
)
THOMAS = NEBRASKA.person(
    "begay-thomas",
    "Begay",
    ("Thomas",),
    "male",
    35,
    (2, 28),
    BeneficiaryClass.NATIONAL_GUARD,
    55,
    "quinn-maeve",
    rank="SGT",
    marital_status="M",
)
SIOBHAN = NEBRASKA.person(
    "oconnor-siobhan",
    "O'Connor",
    ("Siobhán",),
    "female",
    42,
    (3, 17),
    BeneficiaryClass.RESERVE,
    56,
    "duarte-felipe",
    rank="Lt Col",
    marital_status="M",
    branch=Branch.AIR_FORCE,
    race=("white",),
    lines=("91 Juniper Trail",),
)


def _thomas(chart: Chart) -> None:
    tribe = {
        "extension": [
            {"url": "tribalAffiliation", "valueCodeableConcept": concept("v3-TribalEntityUS", "170")},
            {"url": "isEnrolled", "valueBoolean": True},
        ],
        **us_core_extension("us-core-tribal-affiliation", {}),
    }
    enrollment.member(chart, plan="reserve-select", identity=Identity(extensions=(tribe,)), years_of_service=12)
    consents.terms(chart)
    allergies.allergy(chart, "shellfish", "735029006", reactions=("422400008",))
    conditions.problem(chart, "hypertension", "59621000", chart.clock.day(-300))
    routine.health_assessment(chart, "pha", 390, "Overdue. Blood pressure high; not deployable until controlled.")
    medications.prescription(chart, "amlodipine", "amlodipine", "refills-left")


def _siobhan(chart: Chart) -> None:
    enrollment.member(chart, plan="reserve-select", years_of_service=18)
    consents.terms(chart)
    allergies.none_known(chart)
    routine.health_assessment(chart, "pha", 80, "Fully ready.")
    immunizations.given(chart, "hepatitis-b", "43", chart.clock.day(-2_000))
    immunizations.not_done(chart, "influenza", "140", chart.clock.day(-30))


PEOPLE = (Member(THOMAS, _thomas), Member(SIOBHAN, _siobhan))
