"""Hannah Foster turned eighteen: her father's access ended on her birthday, and she gave it to nobody."""

from datetime import date

from seeds import allergies, conditions, consents, enrollment, immunizations, medications, relatives, routine
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.people import Household, Member, birth_date, reference

HOME = Household(
    Agency.DOD,
    Branch.AIR_FORCE,
    "harborview-naval",
    ("8 Larchmont Row",),
    "Norfolk",
    "VA",
    "23508",
    race=("white",),
)
DANIEL = HOME.person(
    "foster-daniel",
    "Foster",
    ("Daniel",),
    "male",
    50,
    (3, 30),
    BeneficiaryClass.RETIREE,
    68,
    "lindgren-maja",
    rank="Col (Ret.)",
    marital_status="M",
)
HANNAH = HOME.person(
    "foster-hannah",
    "Foster",
    ("Hannah",),
    "female",
    18,
    (11, 10),
    BeneficiaryClass.DEPENDENT_CHILD,
    69,
    "lindgren-maja",
    marital_status="S",
    sponsor="foster-daniel",
    relationship="child",
)
DUPLICATE = "duplicate"


def _daniel(chart: Chart) -> None:
    enrollment.member(chart, plan="select", years_of_service=26)
    consents.terms(chart)
    allergies.none_known(chart)
    _merged_duplicate(chart)
    text = "Well. Cholesterol high; starts atorvastatin. Colonoscopy due next year."
    lipids = {"cholesterol": 246, "ldl": 168, "hdl": 45, "triglyceride": 165}
    with routine.checkup(chart, "annual", 125, text, values=lipids) as visit:
        conditions.problem(chart, "lipids", "55822004", visit.start.date(), visit=visit)
        medications.prescription(chart, "atorvastatin", "atorvastatin", "refills-left", visit)


def _merged_duplicate(chart: Chart) -> None:
    """A second record opened by mistake, since merged: it is inactive and says what replaced it."""
    person = chart.person
    chart.add(
        "Patient",
        DUPLICATE,
        {
            "identifier": [{"use": "old", "system": "urn:fhir-server:federal:mrn:Z102", "value": "00019999"}],
            "active": False,
            "name": [{"use": "old", "family": person.family, "given": ["Dan"]}],
            "gender": person.gender,
            "birthDate": chart.clock.born(person.age, *person.birthday).isoformat(),
            "link": [{"other": reference(person), "type": "replaced-by"}],
        },
        profiles=("us-core-patient",),
    )


def _hannah(chart: Chart) -> None:
    enrollment.dependent(chart, DANIEL, "NFTH", plan="select")
    adult = _birthday(chart, 18)
    former = relatives.relative(
        chart,
        "former-proxy",
        DANIEL,
        "NFTH",
        ("former-proxy",),
        is_active=False,
        ended_days_ago=(chart.clock.today - adult).days,
    )
    consents.proxy(chart, former, status="inactive", days_ago=1_000)
    chart.resources[-1]["provision"]["period"]["end"] = adult.isoformat()
    consents.terms(chart, days_ago=10)
    allergies.none_known(chart)
    immunizations.childhood_series(chart)
    with routine.checkup(chart, "college", 100, "Physical for college. Asks about contraception, private."):
        pass
    medications.prescription(chart, "contraception", "norethindrone", "refills-left", labels=("R", "SEX"))


def _birthday(chart: Chart, age: int) -> date:
    born = birth_date(chart.person, chart.clock)
    return born.replace(year=born.year + age)


PEOPLE = (Member(DANIEL, _daniel), Member(HANNAH, _hannah))
