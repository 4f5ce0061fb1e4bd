"""What a patient agreed to: who acts for them, the terms of the portal, sharing, and what shall happen one day.

https://hl7.org/fhir/R4/consent.html; the rules behind them: 42 CFR Part 2 and 38 U.S.C. 7332.
"""

from typing import Literal

from seeds.attachments import pdf_attachment
from seeds.chart import Chart, instant
from seeds.codes import coding, concept
from seeds.model import Labels, Resource

Law = Literal["42CFRPart2", "Title38Section7332"]

TERMS_OF_USE = "urn:fhir-server:federal:terms-of-use"
TERMS_VERSION = "3"

HIDDEN_FROM_PARENTS: Labels = ("ADOL", "SEX", "MH", "SUD")
"""Labels of what the parents of a 13- to 17-year-old do not see."""
SENSITIVITIES: dict[Law, Labels] = {"42CFRPart2": ("SUD",), "Title38Section7332": ("ETH", "HIV", "SICKLE")}
"""Labels of what each law protects."""


def proxy(
    chart: Chart,
    related: str,
    *,
    key: str = "proxy",
    is_limited: bool = False,
    by_power_of_attorney: bool = False,
    days_ago: int = 200,
    status: Literal["active", "inactive"] = "active",
) -> str:
    """The RelatedPerson `related` may see and act for the patient; the Consent's reference.

    An adult gives it themselves; for a child it is the parent's word. `is_limited` leaves out what a teenager keeps
    from their parents, `by_power_of_attorney` says that the patient cannot decide any more.
    """
    is_own_word = chart.person.age >= 18 and not by_power_of_attorney
    provision: Resource = {
        "type": "permit",
        "period": {"start": chart.clock.day(-days_ago).isoformat()},
        "actor": [{"role": concept("v3-RoleCode", "DELEGATEE"), "reference": {"reference": related}}],
        "action": [concept("consentaction", "access"), concept("consentaction", "correct")],
        "purpose": [coding("v3-ActReason", "PWATRNY" if by_power_of_attorney else "FAMRQT")],
    }
    if status == "inactive":
        provision["period"]["end"] = chart.clock.day(-10).isoformat()
    if is_limited:
        denied = [coding("v3-ActCode", label) for label in HIDDEN_FROM_PARENTS]
        provision["provision"] = [{"type": "deny", "securityLabel": denied}]
    elements = _consent(chart, days_ago, "patient-privacy", concept("v3-ActCode", "INFA"), status)
    elements["performer"] = [chart.patient if is_own_word else {"reference": related}]
    elements |= {"policyRule": concept("v3-ActCode", "OPTIN"), "provision": provision}
    return chart.add("Consent", key, elements)


def terms(chart: Chart, *, version: str = TERMS_VERSION, days_ago: int = 30) -> str:
    """The patient accepted the conditions of use of the portal, in this version."""
    elements = _consent(chart, days_ago, "patient-privacy", concept("consentcategorycodes", "npp"))
    elements |= {"policy": [{"uri": f"{TERMS_OF_USE}:{version}"}], "provision": {"type": "permit"}}
    return chart.add("Consent", f"terms-{version}", elements)


def hie_opt_out(chart: Chart, *, days_ago: int = 400) -> str:
    """Nothing goes to private partners of the exchange; treatment inside the agencies is not touched."""
    partners = {"display": "Private partners of the joint exchange"}
    elements = _consent(chart, days_ago, "patient-privacy", concept("loinc", "59284-0"))
    elements["policyRule"] = concept("v3-ActCode", "OPTOUT")
    elements["provision"] = {
        "type": "deny",
        "actor": [{"role": concept("v3-ParticipationType", "IRCP"), "reference": partners}],
        "action": [concept("consentaction", "disclose")],
    }
    return chart.add("Consent", "opt-out", elements)


def disclosure(
    chart: Chart,
    law: Law,
    *,
    recipient: str | None = None,
    key: str = "disclosure",
    days_ago: int = 90,
    status: Literal["active", "inactive", "rejected"] = "active",
) -> str:
    """The patient lets what the law protects be disclosed to `recipient`, their facility where not said otherwise.

    `rejected` says that they were asked and refused.
    """
    permits = status != "rejected"
    provision: Resource = {
        "type": "permit" if permits else "deny",
        "period": {"start": chart.clock.day(-days_ago).isoformat(), "end": chart.clock.day(365).isoformat()},
        "actor": [
            {
                "role": concept("v3-ParticipationType", "IRCP"),
                "reference": {"reference": recipient or f"Organization/{chart.facility.key}"},
            }
        ],
        "action": [concept("consentaction", "disclose"), concept("consentaction", "use")],
        "securityLabel": [coding("v3-ActCode", label) for label in SENSITIVITIES[law]],
        "purpose": [coding("v3-ActReason", reason) for reason in ("TREAT", "HPAYMT", "HOPERAT")],
    }
    if status == "inactive":
        provision["period"]["end"] = chart.clock.day(-20).isoformat()
    elements = _consent(chart, days_ago, "patient-privacy", concept("loinc", "64292-6"), status)
    elements |= {"policyRule": concept("v3-ActCode", law), "provision": provision}
    return chart.add("Consent", key, elements, labels=("R", law))


def advance_directive(chart: Chart, text: str, *, days_ago: int = 300) -> str:
    """A living will as a document, and the Consent that says it holds; the Consent's reference."""
    title = "Living will"
    written = chart.clock.at(-days_ago, 14, 0, chart.facility.zone)
    attachment = pdf_attachment(chart, "living-will", title, text, written)
    document = chart.add(
        "DocumentReference",
        "living-will",
        {
            "status": "current",
            "type": concept("loinc", "86533-7"),
            "subject": chart.patient,
            "date": instant(written),
            "author": [chart.patient],
            "custodian": {"reference": f"Organization/{chart.facility.key}"},
            "description": title,
            "content": [{"attachment": attachment}],
        },
    )
    elements = _consent(chart, days_ago, "adr", concept("consentcategorycodes", "acd"))
    elements |= {"sourceReference": {"reference": document}, "policy": [{"uri": "urn:fhir-server:federal:living-will"}]}
    return chart.add("Consent", "advance-directive", elements)


def _consent(chart: Chart, days_ago: int, scope: str, category: Resource, status: str = "active") -> Resource:
    return {
        "status": status,
        "scope": concept("consentscope", scope),
        "category": [category],
        "patient": chart.patient,
        "dateTime": instant(chart.clock.at(-days_ago, 14, 0, chart.facility.zone)),
        "performer": [chart.patient],
        "organization": [{"reference": f"Organization/{chart.facility.key}"}],
    }
