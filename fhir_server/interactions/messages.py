"""What every write of a message keeps to, whoever writes and by whatever interaction: care.messaging has the rules.

People's messages are completed here: who speaks and to whom in the record's own words, what an answer leaves out, when
it was sent, files moved out of it, and who is told by mail. https://hl7.org/fhir/R4/communication.html
"""

from dataclasses import replace

from fhir_server.care import messaging
from fhir_server.core import outcome
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Notice, Put, WritePlan
from fhir_server.definitions.attached import FILE
from fhir_server.interactions import facts, message_files
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Change, place_of
from fhir_server.interactions.message_recipients import Recipients, recipients_of, told_of
from fhir_server.policy import row_filter, visible
from fhir_server.policy_writes import is_person, spoken_for
from fhir_server.store import resources, turns

TYPE = "Communication"
TYPES = frozenset({TYPE, FILE})


async def ruled(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan whose messages are complete, with their files and the notices of those that are sent by it.

    Raises FhirError 422 for what breaks a rule of messages, 503 where files cannot be scanned now.
    """
    access = context.sight.access
    if access is None or context.is_own:
        return plan
    files = await turns.seen(context.server.database, message_files.keys(context, plan))
    plan, changed = await facts.changes(context, replace(plan, turns=plan.turns + files), {TYPE})
    await message_files.refuse_kept(context, plan)
    await message_files.refuse_uploads(context, plan)
    for change in changed:
        try:
            if change.former is not None:
                messaging.refuse_change(change.former, change.resource, is_register=not is_person(access))
                _refuse_others_draft(context, change)
            if isinstance(change.document, Put) and is_person(access):
                plan = await _completed(context, plan, change.document, change.former)
        except FhirError as error:
            raise error.at(f"{TYPE}/{change.document.id}") from None
    return plan


def _refuse_others_draft(context: RequestContext, change: Change) -> None:
    """Whoever writes a draft changes, sends and deletes it, nobody else: the family sees it, and it would go out in the
    name of somebody who never wrote that.
    """
    access = context.sight.access
    if access is None or not is_person(access):
        return
    speaks_for = context.sight.places if access.kind == "practitioner" else spoken_for(context.sight)
    if place_of(context, (change.former or {}).get("sender")) not in speaks_for:
        text = "A draft is changed, sent and deleted by whoever writes it."
        raise outcome.FORBIDDEN_CONTENT(text, f"{TYPE}.sender")


async def _completed(context: RequestContext, plan: WritePlan, put: Put, former: Resource | None) -> WritePlan:
    message = put.resource
    messaging.refuse_status(message)
    messaging.refuse_payload(message)
    subject = _subject(context, message)
    message = _with_sender(context, message, former)
    parent = await _answered(context, message, subject)
    if parent is not None:
        own = (*_own(context), (message.get("sender") or {}).get("reference", ""))
        message = messaging.answering(message, parent, messaging.others_of(parent, own))
    is_sent = not messaging.is_draft(message)
    issues = messaging.incomplete(message) if is_sent else []
    if issues:
        raise FhirError(outcome.MESSAGE_INCOMPLETE.status, issues)
    found = await recipients_of(context, message, subject, parent)
    kept = former.get("sender") if former is not None else None
    message = _named(context, message, found) | ({"sender": kept} if kept else {})
    moment = now()
    message = messaging.sent(message, format_instant(moment)) if is_sent else messaging.drafted(message)
    filed = await message_files.filed(context, plan, message, put.id, subject)
    changed = replace(put, resource=filed.message)
    plan = replace(plan, documents=tuple(changed if each is put else each for each in plan.documents))
    plan = facts.with_resource(context, plan, changed, filed.message)
    plan = facts.with_added(plan, filed.files)
    if is_sent and (former is None or messaging.is_draft(former)):
        told = await told_of(context, found, (message.get("sender") or {}).get("reference", ""))
        notices = tuple(Notice(f"message/{put.id}/{place}", "message", place) for place in told)
        plan = replace(plan, notices=plan.notices + notices)
    return plan


def _subject(context: RequestContext, message: Resource) -> str:
    """The id of the patient in whose record the message is."""
    found = place_of(context, message.get("subject"))
    if found is None or not found.startswith("Patient/"):
        raise outcome.MESSAGE_INCOMPLETE("Name the Patient in whose record the message is.", f"{TYPE}.subject")
    return found.removeprefix("Patient/")


def _own(context: RequestContext) -> tuple[str, ...]:
    """The places that are the caller."""
    access = context.sight.access
    if access is None:
        return ()
    if access.kind == "practitioner":
        return context.sight.places
    acted_for = (*access.patients, *(each.patient for each in context.sight.proxied))
    return tuple(filter(None, (access.fhir_user, *(f"Patient/{id}" for id in acted_for))))


def _with_sender(context: RequestContext, message: Resource, former: Resource | None) -> Resource:
    """Who names nobody speaks for themselves; whether somebody named may be, policy_writes has asked."""
    access = context.sight.access
    if former is not None and place_of(context, former.get("sender")) == place_of(context, message.get("sender")):
        return message | ({"sender": former["sender"]} if "sender" in former else {})
    if "sender" in message or access is None:
        return message
    if access.fhir_user is None:
        raise outcome.MESSAGE_INCOMPLETE("Say who sends the message.", f"{TYPE}.sender")
    return message | {"sender": {"reference": access.fhir_user}}


async def _answered(context: RequestContext, message: Resource, subject: str) -> Resource | None:
    """The message that this one answers: of the same record, sent, and seen by the writer."""
    named = message.get("inResponseTo", ())
    seen = visible(context.sight, TYPE, "r")
    parent: Resource | None = None
    for each in named:
        place = place_of(context, each)
        if place is None or not place.startswith(f"{TYPE}/") or seen is None:
            raise messaging.thread_not_there()
        id = place.partition("/")[2]
        row = await resources.read(context.server.database, TYPE, id, row_filter(seen))
        answered = None if row is None else (await facts.stored(context, TYPE, id)).resource
        if answered is None or messaging.is_draft(answered) or row is None or subject not in row.owners:
            raise messaging.thread_not_there()
        parent = parent or answered
    return parent


def _named(context: RequestContext, message: Resource, found: Recipients) -> Resource:
    """The message in which people and places are called what the record calls them."""
    named = dict(message)
    for name in ("sender", "subject"):
        place = place_of(context, message.get(name))
        if place is not None:
            named[name] = messaging.named(place, found.displays)
    if message.get("recipient"):
        named["recipient"] = [messaging.named(place, found.displays) for place in found.places]
    return named
