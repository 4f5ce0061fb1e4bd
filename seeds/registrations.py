"""How people come into the portal: a Task for the registration, and the check against the eligibility system.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/verificationresult.html
"""

from datetime import datetime, timedelta
from typing import Literal

from seeds import messages
from seeds.attachments import pdf_attachment
from seeds.chart import Chart, instant
from seeds.codes import concept
from seeds.model import Resource

State = Literal["requested", "received", "accepted", "on-hold", "rejected", "completed"]

_WHY: dict[State, str] = {
    "on-hold": "deers-discrepancy: the date of birth differs from the one the eligibility system has.",
    "rejected": "not-eligible: the eligibility system has no entitlement for this person.",
}
_ASKED_DAYS_AGO = 12


def task(chart: Chart, state: State, *, days_ago: int = _ASKED_DAYS_AGO, proof: str | None = None) -> str:
    """The registration of this person, as far as it has come; the Task's reference.

    `proof` is the title of a document handed in, such as `DD Form 214`; it gets a review of its own.
    """
    zone = chart.facility.zone
    asked = chart.clock.at(-days_ago, 16, 30, zone)
    changed = asked + timedelta(days=1 if state in ("requested", "received") else 3)
    elements: Resource = {
        "status": state,
        "intent": "order",
        "code": concept("portal-task", "registration"),
        "focus": chart.patient,
        "for": chart.patient,
        "authoredOn": instant(asked),
        "lastModified": instant(changed),
        "requester": _requester(chart),
        "owner": {"reference": f"Organization/{chart.facility.key}"},
    }
    if state in _WHY:
        elements["statusReason"] = {"text": _WHY[state]}
    if proof is not None:
        handed_in = _proof(chart, proof, asked)
        elements["input"] = [{"type": {"text": "Proof"}, "valueReference": {"reference": handed_in}}]
    reference = chart.add("Task", "registration", elements)
    if state not in ("requested", "received"):
        _verified(chart, instant(changed), state)
    if proof is not None:
        _review(chart, handed_in, state, instant(asked), instant(changed))
    if state == "completed":
        text = "Your registration is complete. You can sign in now."
        messages.notice(chart, "registration", "Registration complete", text, when=changed)
    return reference


def _requester(chart: Chart) -> Resource:
    """A sponsor begins the registration of those who depend on them; everybody else their own."""
    sponsor = chart.person.sponsor
    return {"reference": f"Patient/{sponsor}"} if sponsor else chart.patient


def _verified(chart: Chart, when: str, state: State) -> str:
    is_valid = state not in _WHY
    elements = {
        "target": [chart.patient],
        "targetLocation": ["Patient.identifier", "Patient.name", "Patient.birthDate"],
        "need": concept("need", "initial"),
        "status": "validated" if is_valid else "val-fail",
        "statusDate": when,
        "validationType": concept("validation-type", "primary"),
        "validationProcess": [concept("validation-process", "primary")],
        "lastPerformed": when,
        "primarySource": [
            {
                "who": {"display": "Defense Enrollment Eligibility Reporting System"},
                "type": [concept("primary-source-type", "auth-source")],
                "communicationMethod": [concept("verificationresult-communication-method", "pull")],
                "validationStatus": concept("validation-status", "successful" if is_valid else "failed"),
                "validationDate": when,
            }
        ],
    }
    return chart.add("VerificationResult", "registration-check", elements)


def _proof(chart: Chart, title: str, when: datetime) -> str:
    text = f"{title} of {chart.patient['display']}. An invented document, for tests."
    attachment = pdf_attachment(chart, "proof", title, text, when)
    return chart.add(
        "DocumentReference",
        "proof",
        {
            "status": "current",
            "type": {"text": title},
            "subject": chart.patient,
            "date": instant(when),
            "author": [chart.patient],
            "description": title,
            "content": [{"attachment": attachment}],
        },
    )


def _review(chart: Chart, proof: str, state: State, asked: str, changed: str) -> str:
    status = {"completed": "completed", "rejected": "rejected"}.get(state, "requested")
    elements = {
        "partOf": [{"reference": f"Task/{chart.person.key}-registration"}],
        "status": status,
        "intent": "order",
        "code": concept("portal-task", "proof-review"),
        "focus": {"reference": proof},
        "for": chart.patient,
        "authoredOn": asked,
        "lastModified": changed,
        "owner": {"reference": f"Organization/{chart.facility.key}"},
    }
    return chart.add("Task", "proof-review", elements)
