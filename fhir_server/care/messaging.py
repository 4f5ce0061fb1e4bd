"""Secure messages: what a message needs before it is sent, what an answer takes from what it answers, and that a sent
one stays as it is.

https://hl7.org/fhir/R4/communication.html, docs/adr/0035-messages.md
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.core.resource import Resource
from fhir_server.definitions.unreleased import DRAFT_STATUS

SENT_STATUS = "completed"
_SENDING = frozenset({"completed", "in-progress"})
_MARKED_WRONG = "entered-in-error"
_ALSO_CHANGED = frozenset({"status", "_status", "statusReason", "meta", "id", "text"})
_FROM_PARENT = ("topic", "category")
_OF_PAYLOAD = frozenset({"contentString", "contentAttachment", "contentReference"})
_CONTENTS = frozenset({"contentString", "contentAttachment"})
_ATTACHMENT = frozenset({"contentType", "language", "data", "url", "size", "hash", "title", "creation"})
_FILED = frozenset({"valueAttachment", "valueBase64Binary", "valueSampledData", "valueSignature"})
"""Elements of extensions in which anything could be hidden from whoever looks at files."""

_MOST_WORDS = 100_000


def is_draft(message: Resource) -> bool:
    """Whether a message is still being written."""
    return message.get("status") == DRAFT_STATUS


def refuse_status(message: Resource) -> None:
    """Raise FhirError 422 for a status that no message of a person's has."""
    if not is_draft(message) and message.get("status") not in _SENDING:
        text = f"A message is '{DRAFT_STATUS}' while it is written, and '{SENT_STATUS}' when it is to be sent."
        raise outcome.MESSAGE_INCOMPLETE(text, "Communication.status")


def refuse_change(former: Resource, message: Resource | None, is_register: bool) -> None:
    """Raise FhirError 422 where a sent message would be changed or deleted; who keeps registers (`is_register`) may
    mark it as entered in error.
    """
    if is_draft(former):
        return
    if is_register and message is not None and message.get("status") == _MARKED_WRONG:
        names = (former.keys() | message.keys()) - _ALSO_CHANGED
        if all(former.get(name) == message.get(name) for name in names):
            return
    text = "A sent message stays as it is. Write another one that answers it; that it was read is marked by $mark-read."
    raise outcome.MESSAGE_SENT(text, "Communication.status")


def answering(message: Resource, parent: Resource | None, others: list[Resource]) -> Resource:
    """The message with what it leaves to what it answers: topic and category, and as recipients `others`."""
    if parent is None:
        return message
    taken = {name: parent[name] for name in _FROM_PARENT if name not in message and name in parent}
    if not message.get("recipient") and others:
        taken["recipient"] = others
    return message | taken


def incomplete(message: Resource) -> list[Issue]:
    """What a message lacks that is to be sent, an issue for each element."""
    found: list[Issue] = []
    needed = (
        ("recipient", bool(message.get("recipient")), "Say to whom the message goes."),
        ("topic", _says_something(message.get("topic")), "Say in a few words what the message is about."),
        ("payload", _has_text(message), "Write something: a payload with a contentString."),
    )
    for name, is_there, text in needed:
        if not is_there:
            found.append(outcome.MESSAGE_INCOMPLETE.issue(text, f"Communication.{name}"))
    return found


def _says_something(concept: Any) -> bool:
    if not isinstance(concept, dict):
        return False
    texts = [concept.get("text"), *(each.get("code") for each in concept.get("coding", ()) if isinstance(each, dict))]
    return any(isinstance(text, str) and text.strip() for text in texts)


def _has_text(message: Resource) -> bool:
    texts = (each.get("contentString") for each in message.get("payload", ()))
    return any(isinstance(text, str) and text.strip() for text in texts)


def refuse_payload(message: Resource) -> None:
    """Raise FhirError 422 for content that is neither text nor a file that was looked at: it could be anything."""
    length = 0
    for position, each in enumerate(message.get("payload", ())):
        element = f"Communication.payload[{position}]"
        if not each.keys() <= _CONTENTS or len(each.keys() & _OF_PAYLOAD) != 1:
            text = "A payload of a message is a contentString or a contentAttachment, without anything beside it."
            raise outcome.MESSAGE_CONTENT(text, element)
        length += len(each.get("contentString", ""))
        attachment = each.get("contentAttachment")
        if attachment is not None and not attachment.keys() <= _ATTACHMENT:
            text = f"An attachment of a message has no other elements than {', '.join(sorted(_ATTACHMENT))}."
            raise outcome.MESSAGE_CONTENT(text, f"{element}.contentAttachment")
    if length > _MOST_WORDS:
        raise outcome.MESSAGE_CONTENT(f"A message has {_MOST_WORDS:,} characters at most.", "Communication.payload")
    if _holds_files({name: value for name, value in message.items() if name != "payload"}):
        text = "Files of a message are attached in its payload, and nowhere else."
        raise outcome.MESSAGE_CONTENT(text, "Communication.extension")
    for name in ("contained", "modifierExtension", "implicitRules"):
        if name in message:
            raise outcome.MESSAGE_CONTENT(f"A message has no '{name}'.", f"Communication.{name}")


def _holds_files(value: Any) -> bool:
    if isinstance(value, dict):
        return any(name in _FILED or _holds_files(each) for name, each in value.items())
    return isinstance(value, list) and any(map(_holds_files, value))


def sent(message: Resource, moment: str) -> Resource:
    """The message as it is sent at this instant; who received it, and when, is marked beside it."""
    kept = {name: value for name, value in message.items() if name not in ("received", "_received", "_sent", "_status")}
    return kept | {"status": SENT_STATUS, "sent": moment}


def drafted(message: Resource) -> Resource:
    """The message while it is written: neither sent nor received."""
    left_out = ("sent", "_sent", "received", "_received")
    return {name: value for name, value in message.items() if name not in left_out}


def named(place: str, displays: Mapping[str, str]) -> Resource:
    """A Reference to somebody on this server, with the name that stands in the record: nobody writes another's."""
    display = displays.get(place)
    return {"reference": place} | ({"display": display} if display else {})


def display_of(resource: Resource) -> str:
    """What a person, team or place is called; empty where nothing says."""
    name = resource.get("name")
    if isinstance(name, str):
        return name
    if isinstance(name, list) and name and isinstance(name[0], dict):
        chosen = name[0]
        if isinstance(chosen.get("text"), str):
            return str(chosen["text"])
        parts = (*chosen.get("prefix", ()), *chosen.get("given", ()), chosen.get("family"))
        return " ".join(part for part in parts if isinstance(part, str))
    return ""


def stranger(position: int) -> FhirError:
    """The refusal of a recipient to whom this message cannot go, whoever that is."""
    text = (
        "Messages go to the care team of a military or federal facility that cares for the patient, and from there to "
        "the patient and the relatives in this record. This recipient is none of them."
    )
    return outcome.MESSAGE_RECIPIENT(text, f"Communication.recipient[{position}]")


def thread_not_there() -> FhirError:
    """The refusal of an answer to what is no message of this record that its writer sees."""
    text = "There is no such message in this record that you take part in."
    return outcome.MESSAGE_THREAD(text, "Communication.inResponseTo")


def others_of(parent: Resource, own: Iterable[str]) -> list[Resource]:
    """To whom an answer goes that names nobody: who sent the message, or its recipients where the writer sent it."""
    mine = frozenset(own)
    sender = parent.get("sender") or {}
    found = [sender] if sender and sender.get("reference") not in mine else list(parent.get("recipient", ()))
    return [{"reference": each["reference"]} for each in found if isinstance(each.get("reference"), str)]
