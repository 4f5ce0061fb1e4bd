"""What `$find`, `$hold` and `$book` of Appointments share: whose visit is asked for, which one, and how it is answered.

https://profiles.ihe.net/ITI/Scheduling/
"""

from dataclasses import dataclass
from typing import Any

from msgspec import structs

from fhir_server.care import visit_places, visit_times
from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues
from fhir_server.interactions import create, read, update
from fhir_server.interactions.context import Answer, Conditions, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.policy import Sight, is_within, permitted
from smart_auth.access import AccessContext, ResourceScope

PROPOSED = "slot."
"""Begins the ids of the Appointments that `$find` proposes and nobody stored; the id of the Slot follows."""

_OF_SLOT = ("serviceCategory", "serviceType", "specialty", "appointmentType")
_SCOPE = ResourceScope("user", "*", frozenset("cruds"))
_REGISTER = Sight(AccessContext("operator", "server", "admin", (_SCOPE,)))
"""The operator of a server without sign-in, whose visits keep to the rules where they ask for an operation."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An Appointment that somebody asks for. `stored` is the one it is of, if there is one that the caller may read;
    `sent` that its content was sent.
    """

    resource: Resource
    stored: Resource | None
    sent: bool


def acting(context: RequestContext) -> RequestContext:
    """The request with a caller for whom the rules of visits hold, and with its answer in full."""
    sight = _REGISTER if context.sight.access is None else context.sight
    return structs.replace(context, sight=sight, prefer_return="representation")


def patient(context: RequestContext, call: Call, permission: str = "c") -> str | None:
    """The place of the Patient whose visit it is: as named, or whose token it is; None where nobody says.

    Raises FhirError 404 for one whose visits are none of the caller's, 403 where the token covers no Appointment.
    """
    named = call.one("patient-reference") or call.one("patient")
    access = context.sight.access
    if named is None:
        only = None if access is None else access.patient
        if only is None and access is not None and access.kind == "patient" and len(access.patients) == 1:
            only = access.patients[0]
        return None if only is None else f"Patient/{only}"
    found = visit_places.place(named, context.own_bases)
    if found is None or not found.startswith("Patient/"):
        raise outcome.BAD_OPERATION_CALL("Name a Patient of this server by its reference.", "patient-reference")
    reach = permitted(context.sight, "Appointment", "c" if permission == "c" else "s")
    id = found.partition("/")[2]
    if not is_within(reach, IndexValues(owners=(id,))):
        raise read.not_found("Patient", id)
    return found


def proposal(slot: Resource) -> Resource:
    """The Appointment that books this slot, as far as the slot says."""
    named = {name: slot[name] for name in _OF_SLOT if name in slot}
    made: Resource = {"resourceType": "Appointment", "status": "proposed", **named, "start": slot["start"]}
    return made | {"end": slot["end"], "slot": [{"reference": f"Slot/{slot['id']}"}], "participant": []}


async def asked(context: RequestContext, call: Call) -> Asked:
    """The Appointment that a call names by reference or id, or sends.

    Raises FhirError 400 where it does neither or both, 404 for one that is none of the caller's.
    """
    content = call.one("appointment-resource") or call.one("appt-resource")
    reference, id = call.one("appointment-reference"), call.one("appt-id")
    if sum(each is not None for each in (content, reference, id)) != 1:
        text = "Send one of 'appointment-reference', 'appt-id' and 'appt-resource' (or 'appointment-resource')."
        raise outcome.BAD_OPERATION_CALL(text, "appt-resource")
    if content is not None:
        return await _sent(context, content)
    if reference is not None:
        place = visit_places.place(reference, context.own_bases) or ""
        type, _, id = place.partition("/")
        if type != "Appointment":
            raise outcome.BAD_OPERATION_CALL("Name an Appointment of this server.", "appointment-reference")
    id = str(id).removeprefix("Appointment/")
    if not is_id(id):
        raise outcome.BAD_OPERATION_CALL("An Appointment's id is letters, digits, '-' and '.'.", "appt-id")
    try:
        stored = await _read(context, "Appointment", id)
    except FhirError as error:
        if error.status != 404 or not id.startswith(PROPOSED) or not is_id(id.removeprefix(PROPOSED)):
            raise
        slot = await _read(context, "Slot", id.removeprefix(PROPOSED))
        if not visit_times.is_timed(slot):
            raise
        return Asked(proposal(slot), None, sent=False)
    return Asked(stored, stored, sent=False)


async def _sent(context: RequestContext, content: Any) -> Asked:
    if not isinstance(content, dict) or content.get("resourceType") != "Appointment":
        raise outcome.BAD_OPERATION_CALL("The resource must be an Appointment.", "appt-resource")
    id = content.get("id")
    if not isinstance(id, str) or not is_id(id) or id.startswith(PROPOSED):
        return Asked(content, None, sent=True)
    try:
        return Asked(content, await _read(context, "Appointment", id), sent=True)
    except FhirError as error:
        if error.status not in (404, 410):
            raise
        return Asked(content, None, sent=True)


async def _read(context: RequestContext, type: str, id: str) -> Resource:
    answer = await read.read(context, type, id)
    found: Resource = decode(answer.body or b"{}")
    return found


def attended(appointment: Resource, who: str | None, comment: Any) -> Resource:
    """The Appointment with its patient, to which everybody in it has agreed: its slot being free is their word."""
    found = dict(appointment)
    sent = found.get("participant")
    participants = [
        each | {"status": "accepted"} if isinstance(each, dict) and each.get("status") != "declined" else each
        for each in (sent if isinstance(sent, list) else [])
    ]
    present = {
        str(each["actor"].get("reference"))
        for each in participants
        if isinstance(each, dict) and isinstance(each.get("actor"), dict)
    }
    if who is not None and who not in present and not any(each.startswith("Patient/") for each in present):
        patient = {"actor": {"reference": who}, "required": "required", "status": "accepted"}
        participants = [patient, *participants]
    if sent is None or isinstance(sent, list):
        found["participant"] = participants
    return found if comment is None else found | {"comment": comment}


async def stored(context: RequestContext, wanted: Asked, resource: Resource) -> Answer:
    """The answer to storing it: as a new Appointment, or over the one it is of, at the version that was seen.

    Raises FhirError as the rules of visits, a create and an update do.
    """
    if wanted.stored is None:
        bare = {name: value for name, value in resource.items() if name != "id"}
        return _answered(context, await create.create(context, "Appointment", bare))
    meta = resource.get("meta")
    version = meta.get("versionId") if wanted.sent and isinstance(meta, dict) else None
    version = version or wanted.stored["meta"]["versionId"]
    whole = resource | {"meta": wanted.stored["meta"]}
    conditions = Conditions(if_match=f'W/"{version}"')
    return _answered(context, await update.update(context, "Appointment", wanted.stored["id"], whole, conditions))


def _answered(context: RequestContext, answer: Answer) -> Answer:
    if answer.body is None:
        return answer
    return structs.replace(answer, body=encode(bundle(context, [decode(answer.body)])))


def bundle(context: RequestContext, found: list[Resource], more: str | None = None) -> Resource:
    """A searchset of these Appointments; `more` says how to come to those that it leaves out, which nobody counted."""
    entries = [
        {"fullUrl": f"{context.base}/Appointment/{each['id']}", "resource": each, "search": {"mode": "match"}}
        for each in found
    ]
    made: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if more is None:
        made["total"] = len(found)
    else:
        issue = outcome.VISIT_MORE.issue(more, severity="information")
        told = outcome.operation_outcome((issue,), context.request_id)
        entries.append({"resource": told, "search": {"mode": "outcome"}})
    return made | {"entry": entries} if entries else made
