"""Lieutenant Nora Fairchild of the NOAA Corps: a diver at sea, whose ship sends its records late."""

from seeds import allergies, appointments, conditions, consents, enrollment, immunizations, messages, routine
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

HOME = Household(
    Agency.NOAA,
    Branch.NOAA,
    "cascadia-noaa",
    ("410 Yaquina View",),
    "Newport",
    "OR",
    "97365",
    race=("white", "asian"),
)
NORA = HOME.person(
    "fairchild-nora",
    "Fairchild",
    ("Nora", "Mei"),
    "female",
    33,
    (5, 28),
    BeneficiaryClass.ACTIVE_DUTY,
    35,
    "merriweather-ada",
    rank="LT",
    marital_status="M",
)


def _nora(chart: Chart) -> None:
    enrollment.member(chart, team=("bishop-owen",), years_of_service=7)
    consents.terms(chart)
    allergies.none_known(chart)
    routine.health_assessment(chart, "dive-exam", 140, "Fit to dive. Lung function normal. Hearing normal.")
    with routine.seen(
        chart,
        "at-sea",
        75,
        "deployment",
        "Off the Aleutians. Ear pain after the second dive of the day, eardrum red. No diving for seven days. Written "
        "on paper aboard, sent when the ship was back in port.",
        by="bishop-owen",
        hour=19,
        is_any_day=True,
        signs={},
    ) as visit:
        conditions.diagnosis(chart, "ear", "65363002", visit, days=9)
    for number, days in enumerate((90, 82, 50), start=1):
        with routine.seen(
            chart,
            f"dive-{number}",
            days,
            "deployment",
            f"Check before dive {number}: fit to dive.",
            by="bishop-owen",
            hour=7,
            is_any_day=True,
            signs={},
        ):
            pass
    immunizations.given(chart, "hepatitis-a", "52", chart.clock.day(-500))
    immunizations.given(chart, "yellow-fever", "37", chart.clock.day(-1_400))
    messages.thread(
        chart,
        "dive-log",
        "Diving again",
        "general",
        (
            ("patient", "The ear has been fine for a week. May I dive again?"),
            ("team", "Please come by first; ten minutes are enough."),
        ),
        days_ago=60,
    )
    appointments.appointment(chart, "recheck", 8, 8, 30, "primary-care", "booked")


PEOPLE = (Member(NORA, _nora),)
