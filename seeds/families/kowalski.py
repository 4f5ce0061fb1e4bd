"""Peter and Amy Kowalski at a facility that has not gone live: they can sign in, and no records are there yet."""

from seeds import consents, enrollment
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member

HOME = Household(
    Agency.DOD,
    Branch.AIR_FORCE,
    "boreal-air",
    ("15 Borealis Avenue",),
    "Fairbanks",
    "AK",
    "99702",
    race=("white",),
)
PETER = HOME.person(
    "kowalski-peter",
    "Kowalski",
    ("Peter",),
    "male",
    38,
    (12, 20),
    BeneficiaryClass.ACTIVE_DUTY,
    40,
    "aldridge-kim",
    rank="TSgt",
    marital_status="M",
)
AMY = HOME.person(
    "kowalski-amy",
    "Kowalski",
    ("Amy",),
    "female",
    37,
    (2, 6),
    BeneficiaryClass.DEPENDENT_SPOUSE,
    41,
    "aldridge-kim",
    marital_status="M",
    sponsor="kowalski-peter",
    relationship="spouse",
)


def _peter(chart: Chart) -> None:
    enrollment.member(chart, years_of_service=16)
    consents.terms(chart)


def _amy(chart: Chart) -> None:
    enrollment.dependent(chart, PETER, "SPS")


PEOPLE = (Member(PETER, _peter), Member(AMY, _amy))
