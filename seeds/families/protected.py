"""Records that the law protects further: substance use (42 CFR Part 2), and at the VA HIV, sickle cell and substance
use (38 USC 7332)."""

from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    labs,
    medications,
    messages,
    plans,
    procedures,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

PART_2 = ("R", "SUD", "ETHUD", "42CFRPart2", "NORDSCLCD")
OPIOID = ("R", "SUD", "OPIOIDUD", "42CFRPart2", "NORDSCLCD")
TITLE_38_HIV = ("R", "HIV", "Title38Section7332", "NORDSCLCD")
TITLE_38_SICKLE = ("R", "SICKLE", "Title38Section7332", "NORDSCLCD")
TITLE_38_ALCOHOL = ("R", "ETH", "ETHUD", "Title38Section7332", "NORDSCLCD")

PLAINS = Household(
    Agency.DOD,
    Branch.AIR_FORCE,
    "high-plains-air",
    ("31 Contrail Drive",),
    "Colorado Springs",
    "CO",
    "80910",
    race=("white",),
)
CALIFORNIA = Household(
    Agency.VA,
    Branch.NAVY,
    "mission-valley-va",
    ("2210 Jacaranda Street",),
    "San Diego",
    "CA",
    "92104",
    race=("black",),
)
JORDAN = PLAINS.person(
    "hayes-jordan",
    "Hayes",
    ("Jordan",),
    "male",
    29,
    (12, 3),
    BeneficiaryClass.ACTIVE_DUTY,
    10,
    "quinn-maeve",
    rank="SSgt",
    marital_status="S",
)
DENISE = CALIFORNIA.person(
    "brooks-denise",
    "Brooks",
    ("Denise",),
    "female",
    52,
    (8, 25),
    BeneficiaryClass.VETERAN,
    11,
    "salazar-monica",
    marital_status="D",
    is_veteran=True,
    has_icn=True,
)
SAMUEL = CALIFORNIA.person(
    "okoye-samuel",
    "Okoye",
    ("Samuel",),
    "male",
    38,
    (2, 11),
    BeneficiaryClass.VETERAN,
    12,
    "salazar-monica",
    marital_status="M",
    is_veteran=True,
    has_icn=True,
    lines=("18 Harbor Hill",),
)

EARLIER_HIV_VISITS = ((780, 45, 410), (600, 22, 480), (410, 0, 545), (225, 0, 600))
"""Days ago, copies of the virus and helper cells, at the half-yearly visits before the last."""


def _jordan(chart: Chart) -> None:
    enrollment.member(chart, team=("farris-dana", "duarte-felipe"), years_of_service=9)
    consents.terms(chart)
    consents.disclosure(chart, "42CFRPart2", recipient="Organization/mission-valley-va")
    allergies.none_known(chart)
    with routine.checkup(chart, "annual", 100, "Well but for hay fever. Shift work, sleeps in the day.") as visit:
        conditions.diagnosis(chart, "rhinitis", "61582004", visit)
        medications.prescription(chart, "cetirizine", "cetirizine", "refills-left", visit)
    with routine.seen(
        chart,
        "intake",
        180,
        "substance-use",
        "Came by himself. Drinks a bottle of wine a night since spring, twice took a friend's oxycodone. Starts the "
        "outpatient program; agrees to weekly urine tests.",
        by="farris-dana",
        hour=15,
        minutes=60,
        labels=PART_2,
        panels=("uds",),
        values={"opiates": "positive"},
        note="consultation",
    ) as visit:
        alcohol = conditions.problem(chart, "alcohol", "66590003", visit.start.date(), labels=PART_2, visit=visit)
        conditions.problem(chart, "opioid", "75544000", visit.start.date(), labels=OPIOID, visit=visit)
        social.survey(chart, "intake-audit-c", visit, "audit-c", answers=(4, 2, 4), labels=PART_2)
        procedures.procedure(chart, "counseling", "24165007", visit, labels=PART_2)
        plans.care_plan(
            chart,
            "recovery",
            visit,
            "Outpatient program three evenings a week for eight weeks.",
            ("No alcohol", "Back to flying status in six months"),
            addresses=(alcohol,),
            labels=PART_2,
        )
        medications.prescription(
            chart, "buprenorphine", "buprenorphine-naloxone", "completed", visit, labels=OPIOID, by="duarte-felipe"
        )
    for week in (1, 4, 8):
        with routine.seen(
            chart,
            f"week-{week}",
            180 - 7 * week,
            "substance-use",
            f"Week {week} of the program. Attends all sessions. Urine test clean.",
            by="farris-dana",
            hour=16,
            labels=PART_2,
        ) as visit:
            labs.panel(chart, f"week-{week}-uds", "uds", visit, labels=PART_2)
            procedures.procedure(chart, f"week-{week}-session", "60112009", visit, labels=PART_2)
    program = (*PART_2, "OPIOIDUD")
    medications.prescription(
        chart, "buprenorphine-now", "buprenorphine-naloxone", "refills-left", labels=program, by="duarte-felipe"
    )
    medications.prescription(chart, "naloxone", "naloxone", "refills-left", labels=program)
    appointments.appointment(
        chart, "group", 4, 16, 0, "substance-use", "booked", sensitive=True, clinician="farris-dana"
    )


def _denise(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=24, years_of_service=8, team=("abara-chidi", "tran-bao"), priority_group=2)
    consents.terms(chart)
    consents.disclosure(chart, "Title38Section7332", recipient="Organization/cabrillo-naval")
    allergies.allergy(chart, "latex", "111088007", reactions=("418290006",))
    for number, (days, copies, cells) in enumerate(EARLIER_HIV_VISITS, start=1):
        with routine.seen(
            chart,
            f"hiv-{number}",
            days,
            "follow-up",
            f"Well. Takes her tablet. Virus {copies or 'not detectable'}, helper cells {cells}.",
            by="abara-chidi",
            labels=TITLE_38_HIV,
            signs={},
            panels=("hiv",),
            values={"hiv": "positive", "viral-load": Decimal(copies), "cd4": Decimal(cells)},
        ):
            pass
    with routine.seen(
        chart,
        "hiv",
        45,
        "follow-up",
        "Feels well. Takes her tablet every day. Virus not detectable, helper cells 640. Next visit in six months.",
        by="abara-chidi",
        labels=TITLE_38_HIV,
        signs={},
        panels=("hiv",),
        values={"hiv": "positive", "viral-load": Decimal(0), "cd4": Decimal(640)},
    ) as visit:
        conditions.problem(chart, "hiv", "86406008", chart.clock.day(-4_000), labels=TITLE_38_HIV, visit=visit)
        medications.prescription(chart, "bictegravir", "bictegravir", "refills-left", visit, labels=TITLE_38_HIV)
    with routine.seen(
        chart,
        "sobriety",
        200,
        "substance-use",
        "Two years without a drink. Meets her group every week.",
        by="vance-louise",
        hour=11,
        labels=TITLE_38_ALCOHOL,
    ) as visit:
        conditions.problem(
            chart,
            "alcohol",
            "66590003",
            chart.clock.day(-3_000),
            status="remission",
            labels=TITLE_38_ALCOHOL,
            visit=visit,
        )
    with routine.checkup(
        chart, "annual", 130, "Thyroid dose unchanged. Mammogram up to date.", values={"2345-7": Decimal(96)}
    ):
        conditions.problem(chart, "hypothyroidism", "40930008", chart.clock.day(-2_500))
    medications.prescription(chart, "levothyroxine", "levothyroxine", "last-refill")
    messages.thread(
        chart,
        "travel",
        "Tablets while I travel",
        "medication",
        (
            ("patient", "I am away for ten weeks. Can I get the tablets for all of it at once?"),
            ("team", "Yes. The pharmacy will mail ninety days."),
        ),
        days_ago=12,
        labels=TITLE_38_HIV,
    )


def _samuel(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=9, years_of_service=6, priority_group=5)
    consents.terms(chart)
    consents.disclosure(chart, "Title38Section7332", status="rejected")
    allergies.none_known(chart)
    with routine.seen(
        chart,
        "sickle",
        300,
        "office",
        "Carries the sickle cell trait, found when his daughter was tested. Advised to drink enough when exercising.",
        labels=TITLE_38_SICKLE,
        panels=("sickle",),
        values={"hemoglobin-s": Decimal("38.4")},
        note="consultation",
    ) as visit:
        conditions.problem(chart, "trait", "16402000", visit.start.date(), labels=TITLE_38_SICKLE, visit=visit)
    with routine.checkup(chart, "annual", 70, "Knee pain on stairs, both sides. Exercises shown.", smoking="some-day"):
        conditions.problem(chart, "knee", "239873007", chart.clock.day(-400))
    medications.prescription(chart, "ibuprofen", "ibuprofen", "stopped")


PEOPLE = (Member(JORDAN, _jordan), Member(DENISE, _denise), Member(SAMUEL, _samuel))
