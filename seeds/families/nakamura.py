"""Kenji Nakamura, retired from the Army after a head injury: he cannot decide for himself, his wife Emi does."""

from seeds import (
    allergies,
    appointments,
    conditions,
    consents,
    enrollment,
    medications,
    messages,
    plans,
    relatives,
    routine,
    social,
)
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Identity, Member

HOME = Household(
    Agency.DOD,
    Branch.ARMY,
    "sandhills-army",
    ("640 Loblolly Lane",),
    "Fayetteville",
    "NC",
    "28304",
    race=("asian",),
)
KENJI = HOME.person(
    "nakamura-kenji",
    "Nakamura",
    ("Kenji",),
    "male",
    47,
    (4, 18),
    BeneficiaryClass.RETIREE,
    13,
    "boone-calvin",
    rank="MSG (Ret.)",
    marital_status="M",
)
EMI = HOME.person(
    "nakamura-emi",
    "Nakamura",
    ("Emi",),
    "female",
    45,
    (11, 2),
    BeneficiaryClass.DEPENDENT_SPOUSE,
    14,
    "boone-calvin",
    marital_status="M",
    sponsor="nakamura-kenji",
    relationship="spouse",
)


def _kenji(chart: Chart) -> None:
    contact = {
        "contact": [
            {
                "relationship": [{"text": "Wife and health care agent"}],
                "name": {"family": "Nakamura", "given": ["Emi"]},
                "telecom": [{"system": "phone", "value": "910-555-0114"}],
            }
        ]
    }
    enrollment.member(
        chart,
        plan="select",
        team=("sato-keiko", "mercer-ray"),
        identity=Identity(elements=contact),
        years_of_service=24,
    )
    agent = relatives.relative(chart, "agent", EMI, "HPOWATT", ("surrogate", "emergency-contact"))
    consents.proxy(chart, agent, by_power_of_attorney=True)
    consents.advance_directive(
        chart,
        "No resuscitation if there is no reasonable hope that I know my family again. Comfort always.",
        days_ago=1_900,
    )
    allergies.none_known(chart)
    injury = conditions.problem(chart, "brain-injury", "127295002", chart.clock.day(-1_600))
    conditions.problem(chart, "seizures", "84757009", chart.clock.day(-1_500))
    with routine.checkup(
        chart,
        "annual",
        55,
        "Wife reports no seizure for seven months. Walks with a frame, dresses with help. Cannot weigh decisions.",
        surveys=(),
    ) as visit:
        social.status_assessment(chart, "cognition", visit, "cognitive-status", score=11)
        plans.care_plan(
            chart,
            "rehabilitation",
            visit,
            "Physical therapy twice a week; respite for his wife one weekend a month.",
            ("Walk 100 meters with a cane", "No hospital stay for a year"),
            addresses=(injury,),
        )
    for number, days in enumerate((50, 43, 36), start=1):
        with routine.seen(
            chart,
            f"therapy-{number}",
            days,
            "physical-therapy",
            f"Session {number}: gait training. Ten more meters than last time.",
            by="mercer-ray",
            hour=13,
        ):
            pass
    medications.prescription(chart, "gabapentin", "gabapentin", "renewal-requested")
    messages.thread(
        chart,
        "respite",
        "Respite weekend",
        "general",
        (
            ("proxy", "Could the respite weekend in December be moved by a week? Our daughter comes home then."),
            ("team", "It is moved. The home will call you to confirm."),
        ),
        days_ago=6,
    )
    appointments.appointment(chart, "therapy-next", 3, 13, 0, "physical-therapy", "booked", clinician="mercer-ray")


def _emi(chart: Chart) -> None:
    enrollment.dependent(chart, KENJI, "SPS", plan="select")
    relatives.account(chart, ("RelatedPerson/nakamura-kenji-agent",))
    consents.terms(chart)
    allergies.none_known(chart)
    with routine.checkup(
        chart, "annual", 65, "Tired; cares for her husband alone. Agrees to respite and a support group."
    ) as visit:
        conditions.health_concern(chart, "strain", "73595000", visit.start.date(), visit=visit)
    medications.prescription(chart, "cetirizine", "cetirizine", "reported")


PEOPLE = (Member(KENJI, _kenji), Member(EMI, _emi))
