"""What every record begins with: the Patient, coverage, relatives, care team and the phase of life in the record."""

from datetime import timedelta

from seeds import careteams, coverage, people, relatives, service
from seeds.chart import Chart
from seeds.model import BeneficiaryClass, Person
from seeds.people import PLAIN, Identity

PARENT_CODES = {"female": "NMTH", "male": "NFTH"}

_PHASES = {
    BeneficiaryClass.ACTIVE_DUTY: "active-duty",
    BeneficiaryClass.RESERVE: "reserve-component",
    BeneficiaryClass.NATIONAL_GUARD: "reserve-component",
    BeneficiaryClass.RETIREE: "retired",
    BeneficiaryClass.VETERAN: "veteran",
}


def member(
    chart: Chart,
    *,
    plan: str = "prime",
    team: tuple[str, ...] = (),
    identity: Identity = PLAIN,
    years_of_service: int = 6,
    days_of_service: int = 0,
    acts_for: tuple[str, ...] = (),
) -> None:
    """Who is in the record by their own service: active, Reserve, Guard, or retired from it.

    `days_of_service` is said instead of years by who came lately. `acts_for` are references of the RelatedPersons they
    are in others' records.
    """
    person = chart.person
    people.patient(chart, identity)
    coverage.tricare(chart, plan=plan)
    relatives.account(chart, acts_for)
    careteams.team(chart, team)
    entered = chart.clock.day(-(days_of_service or 365 * years_of_service))
    phase = _PHASES[person.beneficiary_class]
    if person.branch is None:
        raise ValueError(f"{person.key} serves in no branch")
    if person.beneficiary_class is BeneficiaryClass.RETIREE:
        left = chart.clock.day(-365 * 4)
        service.phase(chart, "active-duty", entered, left)
        service.phase(chart, phase, left + timedelta(days=1))
        service.episode(chart, "service", person.branch, entered, left, separation="033")
    else:
        service.phase(chart, phase, entered)
        service.episode(chart, "service", person.branch, entered)


def dependent(
    chart: Chart,
    sponsor: Person,
    relationship: str,
    *,
    plan: str = "prime",
    team: tuple[str, ...] = (),
    identity: Identity = PLAIN,
) -> str:
    """A spouse, child or parent through a sponsor; `relationship` is what the sponsor is to them (v3-RoleCode, such as
    `NMTH` or `SPS`). The reference of the RelatedPerson that the sponsor is in this record."""
    people.patient(chart, identity)
    coverage.tricare(chart, sponsor, plan)
    is_child = chart.person.beneficiary_class is BeneficiaryClass.DEPENDENT_CHILD
    roles: tuple[relatives.Role, ...] = ("sponsor", "parent") if is_child else ("sponsor",)
    found = relatives.relative(chart, "sponsor", sponsor, relationship, roles)
    shown = f"{' '.join(sponsor.given)} {sponsor.family}"
    careteams.team(chart, team, caregivers=((found, shown),) if is_child else ())
    service.phase(chart, "dependent", people.day_before(chart, 1_500))
    return found


def veteran(
    chart: Chart,
    *,
    years_ago: int,
    years_of_service: int,
    team: tuple[str, ...] = (),
    identity: Identity = PLAIN,
    priority_group: int = 3,
    separation: str = "035",
    deployments: tuple[tuple[int, int, str], ...] = (),
) -> None:
    """A veteran in VA care who left the service `years_ago`.

    `deployments` are (began, ended, country) in days before today, with the country as ISO 3166-1's three letters.
    """
    person = chart.person
    people.patient(chart, identity)
    coverage.veteran(chart, start_days_ago=365 * years_ago - 90, priority_group=priority_group)
    relatives.account(chart)
    careteams.team(chart, team, name="Patient aligned care team")
    left = chart.clock.day(-365 * years_ago)
    entered = chart.clock.day(-365 * (years_ago + years_of_service))
    if person.branch is None:
        raise ValueError(f"{person.key} served in no branch")
    service.phase(chart, "veteran", left + timedelta(days=1))
    abroad = tuple(
        service.deployment(chart, f"deployment-{number}", chart.clock.day(-began), chart.clock.day(-ended), country)
        for number, (began, ended, country) in enumerate(deployments, start=1)
    )
    service.episode(chart, "service", person.branch, entered, left, separation=separation, deployments=abroad)
