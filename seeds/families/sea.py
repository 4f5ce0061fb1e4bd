"""A Marine with a torn knee, an officer of the Public Health Service, and a sailor who opted out of the exchange."""

from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    labs,
    medications,
    notes,
    plans,
    procedures,
    radiology,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

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
TUIASOSOPO = WEST.person(
    "tuiasosopo-sione",
    "Tuiasosopo",
    ("Sione",),
    "male",
    25,
    (3, 27),
    BeneficiaryClass.ACTIVE_DUTY,
    47,
    "okafor-grace",
    rank="Cpl",
    marital_status="S",
    language="sm",
)
PATEL = WEST.person(
    "patel-anjali",
    "Patel",
    ("Anjali",),
    "female",
    44,
    (1, 15),
    BeneficiaryClass.ACTIVE_DUTY,
    50,
    "okafor-grace",
    rank="CDR",
    marital_status="M",
    branch=Branch.PUBLIC_HEALTH,
    race=("asian",),
    lines=("300 Canyon Crest",),
)
ROMERO = WEST.person(
    "romero-luis",
    "Romero",
    ("Luis",),
    "male",
    33,
    (11, 19),
    BeneficiaryClass.ACTIVE_DUTY,
    51,
    "okafor-grace",
    rank="PO2",
    marital_status="D",
    branch=Branch.NAVY,
    race=("white",),
    ethnicity="hispanic",
    lines=("48 Anchor Way",),
)


def _tuiasosopo(chart: Chart) -> None:
    enrollment.member(chart, team=("bell-theodore", "haddad-samir"), years_of_service=5)
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.seen(
        chart,
        "knee",
        140,
        "office",
        "Right knee gave way on a run; locks on bending. Tender along the inner joint line.",
        by="bell-theodore",
        note="consultation",
        signs={},
    ) as visit:
        tear = conditions.diagnosis(chart, "meniscus", "239720000", visit)
        radiology.study(
            chart,
            "knee-mri",
            "knee-mri",
            visit,
            findings="Tear of the posterior horn of the medial meniscus. Ligaments intact. Small effusion.",
            impression="Medial meniscus tear.",
        )
        plans.service_request(chart, "surgery", "699253003", visit, category="387713003", days=30)
    with routine.seen(
        chart,
        "arthroscopy",
        110,
        "inpatient",
        "Arthroscopic partial removal of the torn meniscus. Home the next morning on crutches.",
        by="bell-theodore",
        hour=7,
        minutes=25 * 60,
        note="discharge-summary",
        signs={},
        panels=("cbc",),
    ) as visit:
        procedures.procedure(chart, "knee-surgery", "699253003", visit, note="Right knee, by arthroscope.", minutes=50)
        notes.note(
            chart,
            "knee-operation",
            "procedure",
            visit,
            "Procedure:\nArthroscopy of the right knee, part of the medial meniscus removed.\nComplications:\nNone.",
        )
        plans.care_plan(
            chart,
            "knee-plan",
            visit,
            "Physical therapy for twelve weeks, then a fitness test.",
            ("Run 5 km without pain",),
            addresses=(tear,),
        )
        medications.administered(chart, "pain-dose", "acetaminophen", visit)
    routine.dental_visit(
        chart,
        "dental",
        200,
        3,
        (("30", "D3330"), ("32", "D7240")),
        "Deep caries of tooth 30 needs root canal treatment; tooth 32 impacted. Class 3, not deployable.",
        "marchetti-lena",
    )
    medications.prescription(chart, "ibuprofen", "ibuprofen", "expired")
    appointments.appointment(chart, "surgeon", 20, 14, 30, "orthopedics", "booked", clinician="bell-theodore")
    appointments.appointment(chart, "root-canal", 1, 8, 30, "dental", "pending", clinician="marchetti-lena")


def _patel(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=15)
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.checkup(
        chart,
        "annual",
        21,
        "Well. Blood sugar in the prediabetes range; repeat in six months.",
        panels=("bmp", "a1c"),
        values={"4548-4": Decimal("5.9"), "2345-7": Decimal(109)},
    ) as visit:
        conditions.problem(chart, "prediabetes", "15777000", visit.start.date(), visit=visit)
        social.pregnancy_status(chart, "pregnancy", visit, is_pregnant=False)
        social.pregnancy_intent(chart, "pregnancy-intent", visit)
        social.survey(chart, "exercise", visit, "exercise")
        labs.panel(chart, "lipid", "lipid", visit, not_measured=("ldl",))
    with routine.seen(
        chart,
        "covid",
        210,
        "telehealth",
        "Fever and cough for two days after a deployment to a clinic.",
        panels=("covid",),
    ) as visit:
        conditions.diagnosis(chart, "fever", "386661006", visit, days=6)


def _romero(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=12)
    consents.terms(chart)
    consents.hie_opt_out(chart)
    allergies.none_known(chart)
    with routine.checkup(chart, "annual", 160, "Well. Asks that nothing leaves the federal systems; form signed."):
        pass
    routine.dental_visit(chart, "dental", 420, 4, (), "Last examination over a year ago. Class 4.", "marchetti-lena")


PEOPLE = (Member(TUIASOSOPO, _tuiasosopo), Member(PATEL, _patel), Member(ROMERO, _romero))
