"""Petty Officer Ana Rivera, her husband, and her mother who lives with them; the children are in `rivera_children`."""

from decimal import Decimal

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    medications,
    messages,
    notes,
    procedures,
    radiology,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member

HOME = Household(
    Agency.DOD,
    Branch.NAVY,
    "cabrillo-naval",
    ("77 Spinnaker Way",),
    "San Diego",
    "CA",
    "92106",
    race=("white",),
    ethnicity="hispanic",
)
ANA = HOME.person(
    "rivera-ana",
    "Rivera",
    ("Ana", "Luz"),
    "female",
    34,
    (3, 2),
    BeneficiaryClass.ACTIVE_DUTY,
    1,
    "okafor-grace",
    rank="PO1",
    marital_status="M",
)
MIGUEL = HOME.person(
    "rivera-miguel",
    "Rivera",
    ("Miguel",),
    "male",
    36,
    (9, 17),
    BeneficiaryClass.DEPENDENT_SPOUSE,
    2,
    "okafor-grace",
    marital_status="M",
    sponsor="rivera-ana",
    relationship="spouse",
)
CARMEN = HOME.person(
    "ortega-carmen",
    "Ortega",
    ("Carmen",),
    "female",
    67,
    (7, 16),
    BeneficiaryClass.DEPENDENT_PARENT,
    7,
    "okafor-grace",
    language="es-US",
    marital_status="W",
    sponsor="rivera-ana",
    relationship="parent",
)


def _ana(chart: Chart) -> None:
    children = tuple(f"RelatedPerson/rivera-{each}-sponsor" for each in ("sofia", "mateo", "lucia", "tomas"))
    enrollment.member(
        chart,
        team=("haddad-samir", "reyes-patricia", "marchetti-lena"),
        identity=Identity(earlier_name="Ortega", earlier_address=("12 Ferry Landing", "Norfolk", "VA", "23503")),
        years_of_service=13,
        acts_for=(*children, "RelatedPerson/ortega-carmen-sponsor"),
    )
    consents.terms(chart)
    allergies.allergy(chart, "penicillin", "764146007", reactions=("271807003",), criticality="low")
    conditions.problem(chart, "migraine", "37796009", chart.clock.day(-1_900))
    text = "Well overall. Migraine about twice a month, helped by rest. Post-partum recovery complete. Iron low-normal."
    with routine.checkup(
        chart, "annual", 34, text, values={"718-7": Decimal("12.1"), "2345-7": Decimal(92)}, signs={"systolic": 116}
    ) as visit:
        medications.prescription(chart, "ibuprofen", "ibuprofen", "refills-left", indication="37796009")
        social.sexual_orientation(chart, "orientation", visit, "heterosexual")
    with routine.seen(
        chart,
        "ankle",
        120,
        "emergency",
        "Twisted the left ankle on a ladder at work. Swelling over the outside of the ankle, no bony tenderness.",
        by="yoon-hana",
        hour=21,
        minutes=150,
        is_any_day=True,
        note="discharge-summary",
        signs={"pulse": 94},
    ) as visit:
        conditions.diagnosis(chart, "ankle-sprain", "44465007", visit, days=30)
        radiology.study(
            chart,
            "ankle-xray",
            "ankle-xray",
            visit,
            findings="Soft tissue swelling over the lateral malleolus. Joint space kept. No fracture line.",
            impression="No fracture.",
        )
        procedures.procedure(chart, "splint", "274474001", visit, note="Stirrup brace for two weeks.")
        instructions = notes.note(
            chart,
            "ankle-instructions",
            "patient-instructions",
            visit,
            "Rest, ice, and raise the leg for two days. Wear the brace when walking. Come back if it is not better in "
            "ten days, or at once if the foot becomes numb.",
        )
    messages.thread(
        chart,
        "brace",
        "How long do I wear the brace?",
        "general",
        (
            ("patient", "The instructions say two weeks for the brace. Is that also at night?"),
            ("team", "Only while you are up and about. You may leave it off in bed."),
            ("patient", "Thank you. The swelling is almost gone."),
        ),
        about=instructions,
        days_ago=115,
    )
    routine.dental_visit(chart, "dental", 60, 1, (), "No caries. Gums healthy. Class 1.", "marchetti-lena")
    routine.health_assessment(chart, "pha", 62, "Fit for duty without limits. Due again in one year.")
    appointments.appointment(chart, "visit-next", 9, 9, 0, "primary-care", "booked")


def _miguel(chart: Chart) -> None:
    enrollment.dependent(chart, ANA, "SPS", team=("haddad-samir",))
    consents.terms(chart)
    allergies.none_known(chart)
    conditions.problem(chart, "asthma", "195967001", chart.clock.day(-9_000))
    text = "Asthma under control, uses the inhaler once a week. Does not smoke. Works as a welder; mask use discussed."
    with routine.checkup(chart, "annual", 75, text, hour=14) as visit:
        social.occupation(chart, "occupation", visit)
    medications.prescription(chart, "albuterol", "albuterol", "last-refill")
    messages.thread(
        chart,
        "inhaler",
        "Refill of my inhaler",
        "medication",
        (("patient", "The label says one refill is left. Can it come by mail?"),),
        days_ago=1,
        unread=True,
    )


def _carmen(chart: Chart) -> None:
    related = enrollment.dependent(chart, ANA, "NCHILD", plan="select", team=("reyes-patricia",))
    consents.proxy(chart, related)
    allergies.allergy(chart, "sulfonamide", "763875007", reactions=("271807003",))
    conditions.problem(chart, "diabetes", "44054006", chart.clock.day(-3_600))
    conditions.problem(chart, "hypertension", "59621000", chart.clock.day(-5_200))
    for number, (days, a1c, glucose) in enumerate(((790, "8.1", 171), (420, "7.6", 152), (230, "7.3", 144)), start=1):
        with routine.seen(
            chart,
            f"sugar-{number}",
            days,
            "follow-up",
            f"Con intérprete. Hemoglobin A1c {a1c} percent. Walks with her grandchildren every evening.",
            hour=11,
            panels=("a1c", "bmp"),
            values={"4548-4": Decimal(a1c), "2345-7": Decimal(glucose)},
            signs={"systolic": 146 - 2 * number, "diastolic": 86},
        ):
            pass
    text = "Visita con intérprete. Checks sugar daily; feet without lesions. Hemoglobin A1c better than last year."
    with routine.checkup(
        chart,
        "annual",
        50,
        text,
        panels=("bmp", "a1c", "lipid"),
        values={"4548-4": Decimal("7.1"), "2345-7": Decimal(138)},
        signs={"systolic": 138, "diastolic": 84},
        smoking="former",
        surveys=("phq-2", "sdoh"),
    ):
        pass
    medications.prescription(chart, "metformin", "metformin", "refills-left")
    medications.prescription(chart, "lisinopril", "lisinopril", "no-refills-left")


PEOPLE = (
    Member(ANA, _ana),
    Member(MIGUEL, _miguel),
    Member(CARMEN, _carmen),
)
