"""Veterans of other times: Vietnam, the Gulf, and one who has died."""

from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    medications,
    messages,
    plans,
    procedures,
    radiology,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

OMAHA = Household(
    Agency.VA,
    Branch.ARMY,
    "prairie-crossing-va",
    ("1414 Sandhill Avenue",),
    "Omaha",
    "NE",
    "68106",
    race=("white",),
)
ROBERTO = OMAHA.person(
    "castillo-roberto",
    "Castillo",
    ("Roberto",),
    "male",
    76,
    (6, 3),
    BeneficiaryClass.VETERAN,
    60,
    "hollis-margaret",
    marital_status="W",
    is_veteran=True,
    has_icn=True,
    ethnicity="hispanic",
)
KARL = OMAHA.person(
    "jensen-karl",
    "Jensen",
    ("Karl",),
    "male",
    91,
    (2, 14),
    BeneficiaryClass.VETERAN,
    61,
    "hollis-margaret",
    marital_status="W",
    is_veteran=True,
    has_icn=True,
    deceased_days_ago=70,
    lines=("2 Meadowlark Home",),
)
TAMIKA = OMAHA.person(
    "greene-tamika",
    "Greene",
    ("Tamika",),
    "female",
    37,
    (7, 29),
    BeneficiaryClass.VETERAN,
    62,
    "hollis-margaret",
    marital_status="S",
    is_veteran=True,
    has_icn=True,
    branch=Branch.AIR_FORCE,
    race=("black",),
    lines=("77 Platte Street",),
)
LINH = OMAHA.person(
    "nguyen-linh",
    "Nguyen",
    ("Linh",),
    "male",
    45,
    (9, 9),
    BeneficiaryClass.VETERAN,
    63,
    "salazar-monica",
    marital_status="M",
    is_veteran=True,
    has_icn=True,
    branch=Branch.MARINES,
    race=("asian",),
    language="vi",
    facility="mission-valley-va",
    lines=("601 Linda Vista Court",),
    city="San Diego",
    state="CA",
    postal_code="92111",
)


def _roberto(chart: Chart) -> None:
    enrollment.veteran(
        chart, years_ago=52, years_of_service=4, priority_group=1, deployments=((20_300, 19_950, "VNM"),)
    )
    consents.terms(chart)
    allergies.allergy(chart, "penicillin", "764146007", reactions=("41291007",), criticality="high")
    lungs = conditions.problem(chart, "lungs", "13645005", chart.clock.day(-3_000))
    conditions.problem(chart, "hearing", "15188001", chart.clock.day(-6_000))
    conditions.problem(chart, "heart-failure", "88805009", chart.clock.day(-1_100))
    with routine.checkup(
        chart,
        "annual",
        38,
        "Breathless on one flight of stairs, oxygen at night. Weight stable. Hearing aids work.",
        panels=("bmp", "cbc"),
        values={"2160-0": Decimal("1.4")},
        signs={"oxygen": 91, "oxygen_flow": 2, "pulse": 84},
        smoking="former",
    ) as visit:
        radiology.study(
            chart,
            "chest",
            "chest-xray",
            visit,
            findings="Hyperinflated lungs, flat diaphragm. Pacemaker leads in place.",
            impression="Chronic obstructive disease, unchanged.",
        )
        plans.care_plan(
            chart,
            "breathing",
            visit,
            "Pulmonary rehabilitation and inhaler training.",
            ("Climb two flights of stairs",),
            addresses=(lungs,),
        )
        radiology.echocardiogram(
            chart,
            "echo",
            visit,
            42,
            findings="Left ventricle enlarged, moves less at the back wall. Valves normal.",
            impression="Ejection fraction 42 percent, unchanged.",
        )
        social.status_assessment(
            chart, "disability", visit, "disability-status", "Hears poorly; uses hearing aids on both sides."
        )
        social.status_assessment(
            chart, "function", visit, "functional-status", "Walks indoors without help; needs help with shopping."
        )
    plans.implant(chart, "pacemaker", "14106009", chart.clock.day(-1_050))
    conditions.problem(chart, "fibrillation", "49436004", chart.clock.day(-1_060))
    medications.prescription(chart, "albuterol", "albuterol", "refills-left", indication="13645005")
    medications.prescription(chart, "warfarin", "warfarin", "refills-left")
    appointments.appointment(chart, "today", 0, 13, 0, "follow-up", "arrived")
    messages.notice(chart, "flu", "Influenza vaccine", "The vaccine is in. Walk in on any weekday before noon.")


def _karl(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=68, years_of_service=3, priority_group=5)
    conditions.problem(chart, "dementia", "26929004", chart.clock.day(-2_400))
    with routine.seen(
        chart,
        "last",
        75,
        "inpatient",
        "Admitted from the home with pneumonia. Comfort care as his directive asks. Died in his sleep, family present.",
        hour=10,
        minutes=5 * 24 * 60,
        note="discharge-summary",
        is_any_day=True,
        signs={"oxygen": 86, "oxygen_flow": "unknown", "temperature": Decimal("38.6")},
    ) as visit:
        procedures.procedure(chart, "comfort", "385763009", visit)
    consents.advance_directive(chart, "Comfort only. No tubes.", days_ago=2_600)


def _tamika(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=8, years_of_service=8, priority_group=2)
    consents.terms(chart)
    allergies.none_known(chart)
    protected = ("V", "MST", "PSY", "SDV")
    with routine.seen(
        chart,
        "disclosure",
        150,
        "mental-health",
        "Speaks for the first time of an assault during her service. Safe at home. Accepts a counselor of her choice.",
        by="ostrander-neil",
        minutes=60,
        labels=protected,
    ) as visit:
        conditions.problem(chart, "ptsd", "47505003", visit.start.date(), labels=protected, visit=visit)
    with routine.checkup(
        chart,
        "annual",
        88,
        "Well. Runs. Asks about back pain after long drives. Did not want the cuff today.",
        signs={"declined": ("bp",)},
    ) as visit:
        conditions.problem(chart, "back", "278860009", visit.start.date(), visit=visit)


def _linh(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=19, years_of_service=5, team=("ostrander-neil", "tran-bao"))
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.checkup(
        chart,
        "annual",
        57,
        "With interpreter. Snores, tired by day; sleep study shows apnea. Machine ordered.",
        hour=10,
        smoking="every-day",
        surveys=("phq-9", "audit-c", "sdoh"),
        answers={"sdoh": (1, 1)},
    ) as visit:
        conditions.problem(chart, "apnea", "78275009", visit.start.date(), visit=visit)
        conditions.health_concern(chart, "food", "733423003", visit.start.date(), visit=visit)
        plans.service_request(
            chart, "food-referral", "467771000124109", visit, category="410606002", status="active", reason="733423003"
        )
    conditions.problem(chart, "depression", "370143000", chart.clock.day(-800), labels=("R", "MH"))
    medications.prescription(chart, "sertraline", "sertraline", "no-refills-left", labels=("R", "MH"))
    appointments.appointment(chart, "done", -57, 10, 0, "check-up", "fulfilled", visit=visit)


PEOPLE = (Member(ROBERTO, _roberto), Member(KARL, _karl), Member(TAMIKA, _tamika), Member(LINH, _linh))
