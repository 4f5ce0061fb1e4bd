"""Two of the Coast Guard: one who has always been, and one who came from the Navy with her record."""

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    immunizations,
    medications,
    routine,
    service,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member

HOME = Household(
    Agency.USCG,
    Branch.COAST_GUARD,
    "golden-strait-uscg",
    ("52 Buoy Street",),
    "Alameda",
    "CA",
    "94501",
    race=("white",),
)
ERIK = HOME.person(
    "lindqvist-erik",
    "Lindqvist",
    ("Erik",),
    "male",
    31,
    (7, 7),
    BeneficiaryClass.ACTIVE_DUTY,
    30,
    "gallagher-sean",
    rank="BM2",
    marital_status="S",
)
ROSA = HOME.person(
    "delgado-rosa",
    "Delgado",
    ("Rosa", "Maria"),
    "female",
    26,
    (4, 1),
    BeneficiaryClass.ACTIVE_DUTY,
    31,
    "gallagher-sean",
    rank="ET3",
    marital_status="S",
    ethnicity="hispanic",
    lines=("9 Estuary Park",),
)


def _erik(chart: Chart) -> None:
    enrollment.member(chart, team=("pope-elise",), years_of_service=10)
    consents.terms(chart)
    allergies.none_known(chart)
    routine.health_assessment(chart, "pha", 90, "Fit for sea duty.")
    routine.dental_visit(
        chart,
        "dental",
        95,
        2,
        (("19", "D2391"),),
        "One small cavity in tooth 19, filled today. Class 2 until checked.",
        "pope-elise",
    )
    with routine.seen(
        chart, "cold", 25, "office", "Runny nose and sore throat for three days. Lungs clear. Rest.", signs={}
    ) as visit:
        conditions.diagnosis(chart, "throat", "195662009", visit, days=10)
    immunizations.given(chart, "tetanus", "115", chart.clock.day(-800))
    appointments.appointment(chart, "recheck", 16, 10, 0, "dental", "booked", clinician="pope-elise")


def _rosa(chart: Chart) -> None:
    former = Identity(earlier_address=("77 Gangway Street", "Norfolk", "VA", "23511"), changed_days_ago=210)
    enrollment.member(chart, identity=former, days_of_service=210)
    clock = chart.clock
    service.phase(chart, "active-duty", clock.day(-1_700), clock.day(-211), Agency.DOD, key="navy")
    service.episode(chart, "navy-service", Branch.NAVY, clock.day(-1_700), clock.day(-211))
    with routine.seen(
        chart,
        "navy-sprain",
        420,
        "office",
        "Slipped on a wet deck. Right wrist sprained; splint for ten days. Seen again, full motion.",
        by="lindgren-maja",
        signs={},
    ) as visit:
        conditions.diagnosis(chart, "wrist", "70704007", visit, days=30)
        allergies.allergy(chart, "penicillin", "764146007", reactions=("271807003",), visit=visit)
        immunizations.given(chart, "navy-hepatitis", "52", visit.start.date(), visit=visit)
    with routine.checkup(
        chart, "transfer", 190, "Transferred from the Navy; her record is here. Penicillin allergy confirmed with her."
    ):
        medications.prescription(chart, "contraception", "norethindrone", "refills-left")


PEOPLE = (Member(ERIK, _erik), Member(ROSA, _rosa))
