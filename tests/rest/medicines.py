"""Orders of medicines, what is dispensed on them and what is asked for, as small resources."""

from datetime import UTC, datetime, timedelta
from typing import Any

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"
LISINOPRIL: dict[str, Any] = {"coding": [{"system": RXNORM, "code": "314076", "display": "Lisinopril 10 MG"}]}
OXYCODONE: dict[str, Any] = {"coding": [{"system": RXNORM, "code": "1049621", "display": "Oxycodone 5 MG"}]}
REMAINING = "urn:fhir-server:federal:refills-remaining"


def day(offset: int) -> str:
    """The date so many days from now."""
    return (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()


def order(id: str | None, repeats: int | None = 2, of: str = "anna", ends: int = 90, **more: Any) -> dict[str, Any]:
    """An order that may be filled 1 + `repeats` times until so many days from now."""
    request: dict[str, Any] = {"validityPeriod": {"start": day(-200), "end": day(ends)}}
    if repeats is not None:
        request["numberOfRepeatsAllowed"] = repeats
    made = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": LISINOPRIL,
        "subject": {"reference": f"Patient/{of}"},
        "requester": {"reference": "Practitioner/p7"},
        "dispenseRequest": request,
        **more,
    }
    return made if id is None else made | {"id": id}


def dispense(prescription: str | None, id: str | None = None, of: str = "anna", **more: Any) -> dict[str, Any]:
    """What was dispensed on an order."""
    made: dict[str, Any] = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": LISINOPRIL,
        "subject": {"reference": f"Patient/{of}"},
    }
    if prescription is not None:
        made["authorizingPrescription"] = [{"reference": f"MedicationRequest/{prescription}"}]
    if id is not None:
        made["id"] = id
    return made | more


def refill(focus: str, of: str = "anna", **more: Any) -> dict[str, Any]:
    """A Task that asks for a refill."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODES, "code": "fulfill"}]},
        "focus": {"reference": f"MedicationRequest/{focus}" if focus.replace("-", "").isalpha() else focus},
        "for": {"reference": f"Patient/{of}"},
        "requester": {"reference": f"Patient/{of}"},
        **more,
    }


def renewal(prior: str | None, of: str = "anna", **more: Any) -> dict[str, Any]:
    """A proposal that asks for a new order."""
    made = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "proposal",
        "medicationCodeableConcept": LISINOPRIL,
        "subject": {"reference": f"Patient/{of}"},
        "requester": {"reference": f"Patient/{of}"},
        **more,
    }
    if prior is not None and "priorPrescription" not in more:
        made["priorPrescription"] = {"reference": f"MedicationRequest/{prior}"}
    return made


def left(task: dict[str, Any]) -> int | None:
    """How many refills a resource says are left."""
    found = [each["valueInteger"] for each in task.get("extension", ()) if each["url"] == REMAINING]
    return found[0] if found else None
