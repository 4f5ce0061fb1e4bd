"""People on their way into the portal: one held up by a discrepancy, one whose proof of service is being reviewed."""

from seeds import allergies, appointments, enrollment, registrations, routine
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

NORFOLK = Household(
    Agency.DOD,
    Branch.NAVY,
    "harborview-naval",
    ("61 Lighthouse Row",),
    "Norfolk",
    "VA",
    "23510",
    race=("white",),
)
OMAHA = Household(
    Agency.VA,
    Branch.ARMY,
    "prairie-crossing-va",
    ("30 Dundee Place",),
    "Omaha",
    "NE",
    "68132",
    race=("black",),
)
SERGEI = NORFOLK.person(
    "volkov-sergei",
    "Volkov",
    ("Sergei",),
    "male",
    36,
    (1, 8),
    BeneficiaryClass.ACTIVE_DUTY,
    75,
    "lindgren-maja",
    rank="PO1",
    marital_status="M",
)
IRINA = NORFOLK.person(
    "volkov-irina",
    "Volkov",
    ("Irina",),
    "female",
    33,
    (12, 12),
    BeneficiaryClass.DEPENDENT_SPOUSE,
    76,
    "lindgren-maja",
    marital_status="M",
    sponsor="volkov-sergei",
    relationship="spouse",
)
TUNDE = OMAHA.person(
    "adeyemi-tunde",
    "Adeyemi",
    ("Tunde",),
    "male",
    29,
    (6, 30),
    BeneficiaryClass.VETERAN,
    77,
    "hollis-margaret",
    marital_status="S",
    is_veteran=True,
    has_icn=True,
)
WALTER = NORFOLK.person(
    "price-walter",
    "Price",
    ("Walter",),
    "male",
    61,
    (9, 22),
    BeneficiaryClass.RETIREE,
    78,
    "lindgren-maja",
    rank="CPO (Ret.)",
    marital_status="S",
    lines=("4 Ghent Square",),
)


def _sergei(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=14)
    registrations.task(chart, "completed", days_ago=40)
    allergies.none_known(chart)
    with routine.checkup(chart, "annual", 180, "Well. No complaints.", hour=15):
        pass
    appointments.appointment(chart, "by-mistake", 7, 10, 0, "primary-care", "entered-in-error")


def _irina(chart: Chart) -> None:
    enrollment.dependent(chart, SERGEI, "SPS")
    registrations.task(chart, "on-hold")


def _tunde(chart: Chart) -> None:
    enrollment.veteran(chart, years_ago=1, years_of_service=6)
    registrations.task(chart, "accepted", proof="DD Form 214")


def _walter(chart: Chart) -> None:
    enrollment.member(chart, plan="select", years_of_service=30)
    registrations.task(chart, "rejected", days_ago=5)


PEOPLE = (Member(SERGEI, _sergei), Member(IRINA, _irina), Member(TUNDE, _tunde), Member(WALTER, _walter))
