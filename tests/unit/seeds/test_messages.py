"""Threads of messages, notices and reminders."""

import base64
from datetime import datetime

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.validation.validate import validate
from seeds import messages
from seeds.chart import Chart
from tests.unit.seeds.care_chart import chart, named, only

QUESTION: tuple[messages.Sender, str] = ("patient", "May I take it at night?")
ANSWER: tuple[messages.Sender, str] = ("team", "Yes.")


def faults(record: Chart) -> list[str]:
    return [issue.text for each in record.resources for issue in validate(decode(encode(each)))]


def test_each_message_answers_the_one_before_and_comes_later() -> None:
    record = chart()
    team = record.add("CareTeam", "team", {"status": "active", "name": "Team", "subject": record.patient})
    messages.thread(record, "q", "My medicine", "medication", [QUESTION, ANSWER, QUESTION])
    first, second, third = only(record, "Communication")
    assert "inResponseTo" not in first
    assert second["inResponseTo"] == [{"reference": f"Communication/{first['id']}"}]
    assert third["inResponseTo"] == [{"reference": f"Communication/{second['id']}"}]
    sent = [datetime.fromisoformat(each["sent"]) for each in (first, second, third)]
    assert sent == sorted(sent)
    assert sent[-1].date() < record.clock.today
    assert first["recipient"][0]["reference"] == team
    assert second["recipient"] == [record.patient]
    assert faults(record) == []


@pytest.mark.parametrize("days_ago", [1, 2, 30])
def test_a_young_thread_ends_before_today(days_ago: int) -> None:
    record = chart()
    messages.thread(record, "q", "My medicine", "medication", [QUESTION, ANSWER] * 3, days_ago=days_ago)
    assert max(each["sent"] for each in only(record, "Communication"))[:10] < record.clock.today.isoformat()


def test_an_unread_message_was_sent_and_not_received() -> None:
    record = chart()
    messages.thread(record, "q", "My medicine", "medication", [QUESTION, ANSWER], unread=True)
    read, unread = only(record, "Communication")
    assert "received" in read
    assert "sent" in unread and "received" not in unread


def test_a_draft_is_in_preparation_and_was_not_sent() -> None:
    record = chart()
    messages.thread(record, "q", "My medicine", "medication", [QUESTION], draft=True)
    (draft,) = only(record, "Communication")
    assert draft["status"] == "preparation"
    assert "sent" not in draft and "received" not in draft


def test_who_acts_for_the_patient_writes_and_gets_the_answer_in_their_own_name() -> None:
    record = chart()
    proxy = record.add("RelatedPerson", "mother", {"patient": record.patient})
    messages.thread(record, "q", "School", "general", [("proxy", "Please sign."), ANSWER])
    asked, answered = only(record, "Communication")
    assert asked["sender"] == {"reference": proxy}
    assert answered["recipient"] == [{"reference": proxy}]
    assert asked["subject"] == record.patient


def test_nobody_writes_for_a_patient_who_has_no_proxy() -> None:
    with pytest.raises(ValueError, match="no RelatedPerson"):
        messages.thread(chart(), "q", "School", "general", [("proxy", "Please sign.")])


def test_an_attachment_is_a_pdf_in_a_binary_of_the_patient() -> None:
    record = chart()
    messages.thread(record, "q", "Form", "general", [QUESTION], attachment=("Form", "Please sign."))
    (binary,) = only(record, "Binary")
    (message,) = only(record, "Communication")
    attachment = message["payload"][1]["contentAttachment"]
    assert attachment["url"] == f"Binary/{binary['id']}"
    content = base64.b64decode(binary["data"])
    assert content.startswith(b"%PDF-") and len(content) == attachment["size"]
    assert binary["securityContext"] == {"reference": f"Patient/{record.person.key}"}
    assert faults(record) == []


def test_a_notice_comes_from_the_facility_and_a_reminder_is_due_in_the_morning() -> None:
    record = chart()
    notice = named(record, messages.notice(record, "results", "New result", "A result is there.", about="Patient/x"))
    reminder = named(record, messages.reminder(record, "refill", "Order the refill.", 3))
    assert notice["sender"]["reference"] == "Organization/cabrillo-naval"
    assert notice["about"] == [{"reference": "Patient/x"}]
    assert reminder["occurrenceDateTime"] == "2026-11-23T08:00:00-08:00"
    assert faults(record) == []
