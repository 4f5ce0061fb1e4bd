"""Secure messages between patients, those who act for them, and care teams; notices and reminders of the portal.

A message is a Communication that names the one it answers: https://hl7.org/fhir/R4/communication.html. It is unread
for as long as it has no `received`, and a draft while its status is `preparation`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from seeds.attachments import pdf_attachment
from seeds.chart import Chart, instant
from seeds.codes import concept
from seeds.model import Labels, Resource

Sender = Literal["patient", "team", "proxy"]

READ_AFTER = timedelta(minutes=35)
ANSWERED_AFTER = timedelta(hours=14)
"""The time between two messages of a thread, where the thread is old enough for it."""


def thread(
    chart: Chart,
    key: str,
    topic: str,
    category: str,
    entries: Sequence[tuple[Sender, str]],
    *,
    about: str | None = None,
    attachment: tuple[str, str] | None = None,
    days_ago: int = 3,
    unread: bool = False,
    draft: bool = False,
    labels: Labels = (),
) -> list[str]:
    """The messages `<key>-1`, `<key>-2`, ... each an answer to the one before; their references.

    `category` is a code of `message-category`. `about` is what the first one is about, such as a note. `attachment`
    is the title and the text of a PDF that comes with the first. `unread` and `draft` are said of the last.
    """
    began = chart.clock.at(-days_ago, 19, 12, chart.facility.zone)
    gap = min(ANSWERED_AFTER, timedelta(days=max(days_ago - 1, 0), hours=1) / max(len(entries) - 1, 1))
    written: list[str] = []
    for position, (sender, text) in enumerate(entries):
        is_last = position == len(entries) - 1
        sent = began + position * gap
        elements = _message(chart, topic, category, sender, _proxy_writes(entries))
        if written:
            elements["inResponseTo"] = [{"reference": written[-1]}]
        elif about is not None:
            elements["about"] = [{"reference": about}]
        if is_last and draft:
            elements["status"] = "preparation"
        else:
            elements["sent"] = instant(sent)
            if not (is_last and unread):
                elements["received"] = instant(sent + READ_AFTER)
        elements["payload"] = [{"contentString": text}]
        if attachment is not None and position == 0:
            file = pdf_attachment(chart, key, *attachment, sent, labels=labels)
            elements["payload"].append({"contentAttachment": file})
        written.append(chart.add("Communication", f"{key}-{position + 1}", elements, labels=labels))
    return written


def notice(
    chart: Chart, key: str, topic: str, text: str, *, about: str | None = None, when: datetime | None = None
) -> str:
    """What the portal tells a patient, two days ago where not said otherwise; nobody is expected to answer."""
    sent = when or chart.clock.at(-2, 8, 5, chart.facility.zone)
    elements: Resource = {
        "status": "completed",
        "category": [concept("communication-category", "notification")],
        "priority": "routine",
        "medium": [concept("v3-ParticipationMode", "ELECTRONIC")],
        "subject": chart.patient,
        "topic": {"text": topic},
        "sent": instant(sent),
        "recipient": [chart.patient],
        "sender": _organization(chart),
        "payload": [{"contentString": text}],
    }
    if about is not None:
        elements["about"] = [{"reference": about}]
    return chart.add("Communication", f"{key}-notice", elements)


def reminder(chart: Chart, key: str, text: str, in_days: int, *, about: str | None = None) -> str:
    """A reminder the patient set for themselves, due `in_days` from today at 8 in the morning of their facility."""
    zone = chart.facility.zone
    elements: Resource = {
        "status": "active",
        "category": [concept("communication-category", "reminder")],
        "medium": [concept("v3-ParticipationMode", "ELECTRONIC")],
        "subject": chart.patient,
        "payload": [{"contentString": text}],
        "occurrenceDateTime": instant(chart.clock.at(in_days, 8, 0, zone)),
        "authoredOn": instant(chart.clock.at(-6, 20, 15, zone)),
        "requester": chart.patient,
        "recipient": [chart.patient],
    }
    if about is not None:
        elements["about"] = [{"reference": about}]
    return chart.add("CommunicationRequest", f"{key}-reminder", elements)


def team(chart: Chart) -> Resource:
    """The patient's care team, to whom messages go; their facility, where no team is written down."""
    for each in chart.resources:
        if each["resourceType"] == "CareTeam":
            return {"reference": f"CareTeam/{each['id']}", "display": each.get("name", "Care team")}
    return _organization(chart)


def _organization(chart: Chart) -> Resource:
    return {"reference": f"Organization/{chart.facility.key}", "display": chart.facility.name}


def _proxy(chart: Chart) -> Resource:
    """Who acts for the patient. Raises ValueError where the record names nobody."""
    for each in chart.resources:
        if each["resourceType"] == "RelatedPerson":
            return {"reference": f"RelatedPerson/{each['id']}"}
    raise ValueError(f"{chart.person.key} has no RelatedPerson who could write")


def _proxy_writes(entries: Sequence[tuple[Sender, str]]) -> bool:
    return any(sender == "proxy" for sender, _ in entries)


def _message(chart: Chart, topic: str, category: str, sender: Sender, by_proxy: bool) -> Resource:
    patients_side = _proxy(chart) if by_proxy else chart.patient
    is_answer = sender == "team"
    return {
        "status": "completed",
        "category": [concept("message-category", category)],
        "priority": "routine",
        "medium": [concept("v3-ParticipationMode", "ONLINEWRIT")],
        "subject": chart.patient,
        "topic": {"text": topic},
        "recipient": [patients_side if is_answer else team(chart)],
        "sender": {"reference": f"Practitioner/{chart.clinician.key}"} if is_answer else patients_side,
    }
