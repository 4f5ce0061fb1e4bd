"""Reminders that patients set for themselves: what one must say, and when it is due.

https://hl7.org/fhir/R4/communicationrequest.html
"""

from datetime import datetime

from fhir_server.core import outcome
from fhir_server.core.instant import format_instant, parse_instant
from fhir_server.core.resource import Resource

CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/communication-category"
_KEPT = ("id", "meta", "status", "category", "subject", "topic", "payload", "occurrenceDateTime", "authoredOn")
_KEPT_ALSO = ("requester", "recipient", "medium", "about", "priority", "statusReason", "identifier")
_MOST_WORDS = 2_000


def is_reminder(request: Resource) -> bool:
    """Whether a CommunicationRequest is a reminder."""
    codings = [coding for each in request.get("category", ()) for coding in each.get("coding", ())]
    return any((each.get("system"), each.get("code")) == (CATEGORY_SYSTEM, "reminder") for each in codings)


def due(request: Resource) -> datetime | None:
    """When an active reminder is due; None where it is none, or says no moment."""
    text = request.get("occurrenceDateTime")
    if request.get("status") != "active" or not is_reminder(request) or not isinstance(text, str):
        return None
    return parse_instant(text)


def of_patient(request: Resource, former: Resource | None, patient: str, moment: datetime) -> Resource:
    """The reminder as a patient (an id) sets it: for themselves, in words alone, at a moment that is still to come.

    Raises FhirError 422 naming what is missing or does not belong there.
    """
    place = f"CommunicationRequest.{next((name for name in request if not _is_taken(name)), '')}"
    if place != "CommunicationRequest.":
        raise outcome.REMINDER(f"A reminder takes {', '.join(_KEPT[3:8])} and little else.", place)
    if not is_reminder(request):
        text = f"Patients set reminders: a category with the code 'reminder' of {CATEGORY_SYSTEM}."
        raise outcome.REMINDER(text, "CommunicationRequest.category")
    if request.get("status") not in ("active", "revoked"):
        raise outcome.REMINDER(
            "A reminder is 'active', or 'revoked' once you want it no more.", "CommunicationRequest.status"
        )
    payload = request.get("payload", ())
    words = [each.get("contentString", "") for each in payload]
    if not words or not all(each.keys() == {"contentString"} for each in payload) or not "".join(words).strip():
        text = "Say in words what you want to be reminded of: a payload with a contentString."
        raise outcome.REMINDER(text, "CommunicationRequest.payload")
    if len("".join(words)) > _MOST_WORDS:
        raise outcome.REMINDER(f"A reminder has {_MOST_WORDS:,} characters at most.", "CommunicationRequest.payload")
    when = due(request)
    if former is not None and not _is_theirs(former, patient):
        text = "Somebody else asked for this: a patient changes the reminders that they set, and no other."
        raise outcome.REMINDER(text, "CommunicationRequest.requester")
    same = former is not None and former.get("occurrenceDateTime") == request.get("occurrenceDateTime")
    if request["status"] == "active" and (when is None or (when <= moment and not same)):
        text = "Say when, as a moment to come with its time zone: 2027-01-31T08:00:00-05:00."
        raise outcome.REMINDER(text, "CommunicationRequest.occurrenceDateTime")
    own = {"reference": f"Patient/{patient}"}
    for name in ("requester", "recipient"):
        named = request.get(name, own)
        if [each.get("reference") for each in (named if isinstance(named, list) else [named])] != [own["reference"]]:
            raise outcome.REMINDER("You remind yourself, and nobody else.", f"CommunicationRequest.{name}")
    return request | {"requester": own, "recipient": [own]}


def _is_theirs(request: Resource, patient: str) -> bool:
    requester = request.get("requester") or {}
    return is_reminder(request) and requester.get("reference") in (None, f"Patient/{patient}")


def _is_taken(name: str) -> bool:
    return name == "resourceType" or name in _KEPT or name in _KEPT_ALSO


def fired(request: Resource, moment: datetime) -> tuple[Resource, Resource]:
    """The reminder once it was given, and the Communication that gave it; its id is the same whoever makes it."""
    given = {
        "resourceType": "Communication",
        "status": "completed",
        "category": request.get("category"),
        "subject": request.get("subject"),
        "recipient": request.get("recipient", []),
        "basedOn": [{"reference": f"CommunicationRequest/{request['id']}"}],
        "topic": request.get("topic", {"text": "Reminder"}),
        "payload": [
            {"contentString": each["contentString"]} for each in request.get("payload", ()) if "contentString" in each
        ],
        "sent": format_instant(moment),
    }
    given = {name: value for name, value in given.items() if value}
    source = request.get("meta", {}).get("source")
    security = request.get("meta", {}).get("security")
    meta = ({"source": source} if source else {}) | ({"security": security} if security else {})
    return request | {"status": "completed"}, given | ({"meta": meta} if meta else {})
