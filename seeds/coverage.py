"""What pays for the care: TRICARE through a sponsor, or VA health care.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-coverage.html
"""

from collections.abc import Mapping

from seeds import ids
from seeds.chart import Chart
from seeds.codes import coding, concept
from seeds.model import BeneficiaryClass, Person, Resource
from seeds.people import day_before, reference

PLANS: Mapping[str, str] = {
    "prime": "TRICARE Prime",
    "select": "TRICARE Select",
    "for-life": "TRICARE For Life",
    "reserve-select": "TRICARE Reserve Select",
    "young-adult": "TRICARE Young Adult",
}

_RELATIONSHIPS: Mapping[BeneficiaryClass, str] = {
    BeneficiaryClass.DEPENDENT_SPOUSE: "spouse",
    BeneficiaryClass.DEPENDENT_CHILD: "child",
    BeneficiaryClass.DEPENDENT_PARENT: "other",
}


def tricare(
    chart: Chart,
    sponsor: Person | None = None,
    plan: str = "prime",
    *,
    key: str = "tricare",
    start_days_ago: int = 1_500,
    end_in_days: int | None = None,
) -> str:
    """TRICARE coverage under the sponsor's number; who has no sponsor is their own."""
    subscriber = sponsor or chart.person
    group = f"{subscriber.branch or 'uniformed'}"
    return _coverage(
        chart,
        key,
        subscriber,
        ("311", "MILITARY", "tricare", "TRICARE"),
        ids.sponsor_number(subscriber.number),
        [("group", group, "Service of the sponsor"), ("plan", plan, PLANS[plan])],
        start_days_ago,
        end_in_days,
    )


def veteran(chart: Chart, *, start_days_ago: int = 900, priority_group: int = 3) -> str:
    """Enrollment in VA health care, with its priority group."""
    return _coverage(
        chart,
        "va-health-care",
        chart.person,
        ("32", "VET", "va-health-care", "VA Health Care"),
        ids.icn(chart.person.number),
        [
            ("group", f"{priority_group}", f"Priority group {priority_group}"),
            ("plan", "medical-benefits", "VA medical benefits package"),
        ],
        start_days_ago,
        None,
    )


def _coverage(
    chart: Chart,
    key: str,
    subscriber: Person,
    payer: tuple[str, str, str, str],
    subscriber_id: str,
    classes: list[tuple[str, str, str]],
    start_days_ago: int,
    end_in_days: int | None,
) -> str:
    typology, program, organization, shown = payer
    person = chart.person
    period = {"start": day_before(chart, start_days_ago).isoformat()}
    if end_in_days is not None:
        period["end"] = chart.clock.day(end_in_days).isoformat()
    relationship = "self" if subscriber is person else _RELATIONSHIPS[person.beneficiary_class]
    member = ids.identifier("MB", "Member number", ids.SPONSOR_SYSTEM, f"{subscriber_id}-{person.number % 100:02d}")
    return chart.add(
        "Coverage",
        key,
        {
            "identifier": [member],
            "status": "active" if end_in_days is None or end_in_days >= 0 else "cancelled",
            "type": {"coding": [coding("sopt", typology), coding("v3-ActCode", program)], "text": shown},
            "subscriber": reference(subscriber) | {"identifier": ids.dod_identifier(subscriber.number)},
            "subscriberId": subscriber_id,
            "beneficiary": chart.patient,
            "relationship": concept("subscriber-relationship", relationship),
            "period": period,
            "payor": [{"reference": f"Organization/{organization}", "display": shown}],
            "class": [_class(*each) for each in classes],
        },
        profiles=("us-core-coverage",),
    )


def _class(kind: str, value: str, shown: str) -> Resource:
    return {"type": concept("coverage-class", kind), "value": value, "name": shown}
