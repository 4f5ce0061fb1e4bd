"""Harold Washington, a retired Master Chief with a long list of medicines in every state, and his wife Ruth."""

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
    notes,
    plans,
    procedures,
    radiology,
    routine,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member

HOME = Household(
    Agency.DOD,
    Branch.NAVY,
    "harborview-naval",
    ("3 Chesapeake Terrace", "Apartment 2"),
    "Norfolk",
    "VA",
    "23503",
    race=("black",),
)
HAROLD = HOME.person(
    "washington-harold",
    "Washington",
    ("Harold",),
    "male",
    68,
    (1, 19),
    BeneficiaryClass.RETIREE,
    20,
    "lindgren-maja",
    rank="MCPO (Ret.)",
    marital_status="M",
)
RUTH = HOME.person(
    "washington-ruth",
    "Washington",
    ("Ruth", "Ann"),
    "female",
    66,
    (10, 30),
    BeneficiaryClass.DEPENDENT_SPOUSE,
    21,
    "lindgren-maja",
    marital_status="M",
    sponsor="washington-harold",
    relationship="spouse",
)

MEDICINES: tuple[tuple[str, medications.State], ...] = (
    ("metformin", "refills-left"),
    ("atorvastatin", "last-refill"),
    ("lisinopril", "no-refills-left"),
    ("amlodipine", "renewal-requested"),
    ("hydrochlorothiazide", "stopped"),
    ("insulin", "renewed"),
    ("omeprazole", "expired"),
    ("tamsulosin", "renewal-denied"),
    ("warfarin", "on-hold"),
    ("levothyroxine", "draft"),
    ("gabapentin", "cancelled"),
    ("ibuprofen", "entered-in-error"),
    ("acetaminophen", "completed"),
    ("aspirin", "reported"),
)
"""One of the formulary in every state that a prescription can be in."""

VISITS: tuple[tuple[str, int, str, appointments.Status], ...] = (
    ("visit-booked", 11, "follow-up", "booked"),
    ("visit-proposed", 30, "primary-care", "proposed"),
    ("visit-cancelled", 2, "telehealth", "cancelled"),
    ("visit-missed", -9, "primary-care", "noshow"),
)


def _harold(chart: Chart) -> None:
    enrollment.member(
        chart, plan="for-life", identity=Identity(suffix="Sr."), years_of_service=34, team=("novak-stefan",)
    )
    consents.terms(chart)
    allergies.allergy(chart, "sulfonamide", "763875007", reactions=("271807003", "418290006"))
    allergies.allergy(chart, "shellfish", "735029006", reactions=("41291007",), criticality="high")
    diabetes = conditions.problem(chart, "diabetes", "44054006", chart.clock.day(-4_600))
    conditions.problem(chart, "hypertension", "59621000", chart.clock.day(-6_100))
    conditions.problem(chart, "lipids", "55822004", chart.clock.day(-5_000))
    conditions.problem(chart, "appendicitis", "74400008", chart.clock.day(-14_000), abated=chart.clock.day(-13_990))
    conditions.problem(chart, "fibrillation", "49436004", chart.clock.day(-900))
    for number, (days, a1c) in enumerate(((770, "8.4"), (400, "7.9"), (28, "7.2")), start=1):
        with routine.checkup(
            chart,
            f"annual-{number}",
            days,
            f"Diabetes follow-up. Hemoglobin A1c {a1c} percent. Feet without sores, pulses felt. Walks every morning.",
            panels=("bmp", "a1c", "lipid", "urinalysis"),
            values={"4548-4": Decimal(a1c), "2345-7": Decimal(128 + int(days / 20))},
            signs={"systolic": 142 - number * 3, "diastolic": 84, "weight_kg": Decimal(104 - 3 * number)},
            smoking="former",
        ) as visit:
            if number == 3:
                plans.care_plan(
                    chart,
                    "diabetes-plan",
                    visit,
                    "Same medicines. Eye examination in spring.",
                    ("Hemoglobin A1c below 7 percent", "Lose 5 kg by summer"),
                    addresses=(diabetes,),
                )
                notes.leaflet(
                    chart,
                    "feet",
                    "Diabetes: care of your feet",
                    "Look at your feet every day. Wash and dry them well. Never walk barefoot.",
                    (diabetes,),
                )
    with routine.seen(
        chart,
        "heart",
        880,
        "inpatient",
        "Admitted with a racing, irregular pulse. Rate controlled with medicine, started on warfarin, home on day 3.",
        hour=7,
        minutes=3 * 24 * 60,
        note="discharge-summary",
        is_any_day=True,
        signs={"pulse": 138, "systolic": 118, "weight_kg": Decimal(103)},
        panels=("bmp", "cbc"),
    ) as visit:
        procedures.procedure(chart, "ecg", "29303009", visit, note="Atrial fibrillation, rate 138.")
        radiology.study(
            chart,
            "chest",
            "chest-xray",
            visit,
            findings="Heart at the upper limit of normal size. Lungs clear.",
            impression="No acute disease.",
        )
        medications.administered(chart, "heart-dose", "warfarin", visit)
    for drug, state in MEDICINES:
        medications.prescription(chart, drug, drug, state)
    immunizations.given(chart, "zoster", "187", chart.clock.day(-500))
    immunizations.given(chart, "pneumococcal", "33", chart.clock.day(-1_000))
    messages.thread(
        chart,
        "renewal",
        "Renewal of my tamsulosin",
        "medication",
        (
            ("patient", "My renewal was refused. Why?"),
            ("team", "Your pressure drops when you stand up. Please book a visit first, then we decide together."),
        ),
        days_ago=2,
        unread=True,
    )
    for key, offset, kind, status in VISITS:
        appointments.appointment(chart, key, offset, 9, 0, kind, status)


def _ruth(chart: Chart) -> None:
    enrollment.dependent(chart, HAROLD, "SPS", plan="for-life")
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.checkup(
        chart, "annual", 44, "Well. Mammogram ordered. Had a fall in the garden, no injury.", hour=11
    ) as visit:
        radiology.pathology(
            chart,
            "mole",
            visit,
            specimen="Skin of the left shoulder",
            findings="Nests of ordinary nevus cells. Margins free.",
            impression="Benign mole.",
        )
        radiology.study(
            chart,
            "mammogram",
            "mammogram",
            visit,
            findings="Scattered fibroglandular density. No mass, no suspicious calcification.",
            impression="Negative. BI-RADS 1.",
        )
    with routine.seen(
        chart,
        "knee",
        700,
        "inpatient",
        "Total replacement of the right knee without complication. Walks with a frame on day 2.",
        by="bell-theodore",
        hour=7,
        minutes=3 * 24 * 60,
        note="discharge-summary",
        signs={},
        panels=("cbc",),
    ) as visit:
        conditions.diagnosis(chart, "knee-arthritis", "239873007", visit)
        procedures.procedure(chart, "knee-replacement", "609588000", visit, minutes=95)
        plans.implant(chart, "knee-prosthesis", "109228008", visit.start.date(), visit=visit)
    medications.prescription(chart, "acetaminophen", "acetaminophen", "reported")


PEOPLE = (Member(HAROLD, _harold), Member(RUTH, _ruth))
