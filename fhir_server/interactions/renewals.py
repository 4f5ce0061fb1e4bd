"""Renewals: proposals by which patients ask for a new order in the place of another, and the orders that follow.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from fhir_server.care import renewals
from fhir_server.care.medications import FORBIDS, IN_FORCE, all_named, is_open, is_order, is_renewal, named
from fhir_server.care.renewals import PRIOR
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.interactions.facts import Change
from fhir_server.interactions.medicine_facts import REQUEST, TASK
from fhir_server.interactions.medicine_work import Work

_OWN_STEPS = frozenset({("draft", "active"), ("draft", "cancelled"), ("active", "cancelled")})
_BY_STAFF = ("basedOn", "recorder", "performer", "dispenseRequest", "groupIdentifier")
"""What those who decide a renewal say, in the order that follows it."""
_UNKNOWN = "Name in priorPrescription the order: a reference to a MedicationRequest of the same patient."


async def check_request(work: Work, change: Change) -> None:
    """Raise FhirError 422 or 403 where a patient asks for a renewal that is not to be had, or staff decide one as it is
    not decided; an order that follows another ends that, and what asked for it.
    """
    if work.access.kind == "patient" and change.resource is not None:
        await _check_asked(work, change, change.resource)
    if work.access.kind != "practitioner":
        return
    former, request = change.former, change.resource
    if former is not None and is_renewal(former):
        if request is None:
            text = "A renewal is not deleted: deny it with the status 'cancelled' and a statusReason."
            raise outcome.MEDICINE_STEP(text, f"{REQUEST}.status")
        _decide(work, change, former, request)
    elif former is not None and request is not None and is_order(former) and not is_order(request):
        name = "intent" if former.get("intent") != request.get("intent") else FORBIDS
        raise outcome.MEDICINE_STEP(f"'{name}' of an order stays what it is.", f"{REQUEST}.{name}")
    elif request is not None and is_order(request) and _comes_in_force(former, request):
        await _follow(work, change, request)


async def _check_asked(work: Work, change: Change, request: Resource) -> None:
    former = change.former
    if request.get(FORBIDS) is True:
        text = "A renewal asks for a medicine, never that it is not given. Leave 'doNotPerform' out."
        raise outcome.MEDICINE_REQUEST(text, f"{REQUEST}.{FORBIDS}")
    if former is not None:
        if former.get("intent") != "proposal" or not work.speaks(former, "requester"):
            text = "You may take back what you asked for; what was ordered is changed by your care team."
            raise outcome.MEDICINE_KEPT(text, REQUEST)
        before, status = str(former.get("status")), str(request.get("status"))
        if status == before:
            return
        if (before, status) not in _OWN_STEPS:
            text = f"You may cancel a renewal that is not decided; its status is '{before}'."
            raise outcome.MEDICINE_STEP(text, f"{REQUEST}.status")
        if status == "cancelled":
            _end_task(work, change.document.id, request, "cancelled")
            return
    elif request.get("status") not in ("active", "draft"):
        text = "Ask for a renewal with the status 'active', or keep it as 'draft' first."
        raise outcome.MEDICINE_REQUEST(text, f"{REQUEST}.status")
    for name in _BY_STAFF:
        if name in request:
            text = f"'{name}' is for those who decide the renewal. Leave it out."
            raise outcome.MEDICINE_REQUEST(text, f"{REQUEST}.{name}")
    work.refuse_others_words(request, "requester")
    await _check_renewable(work, change, request)


async def _check_renewable(work: Work, change: Change, request: Resource) -> None:
    look = work.picture
    if "priorPrescription" not in request:
        raise outcome.MEDICINE_REQUEST(f"You may ask to renew an order of yours. {_UNKNOWN}", PRIOR)
    id = named(request["priorPrescription"], REQUEST, work.context.own_bases)
    patient = named(request.get("subject"), "Patient", work.context.own_bases)
    order = None if id is None else await look.reachable(change.document, id, patient)
    if id is None or order is None or patient is None:
        raise outcome.MEDICINE_UNKNOWN(_UNKNOWN, PRIOR)
    renewals.refuse_second(id, look.requests(patient, but=change.document.id), work.context.own_bases)
    tasks = look.tasks(id, "refill").values()
    renewals.refuse_renewal(id, request, order, look.dispenses(id), tasks, work.context.own_bases, work.now)


def _comes_in_force(former: Resource | None, order: Resource) -> bool:
    if order.get("status") not in IN_FORCE:
        return False
    was_in_force = former is not None and is_order(former) and former.get("status") in IN_FORCE
    links = ("priorPrescription", "basedOn", "subject")
    return not was_in_force or former is None or any(former.get(name) != order.get(name) for name in links)


def _decide(work: Work, change: Change, former: Resource, proposal: Resource) -> None:
    look, id = work.picture, change.document.id
    patient = named(former.get("subject"), "Patient", work.context.own_bases)
    if patient is None:
        return
    is_approved = any(
        is_order(each)
        and each.get("status") in IN_FORCE
        and id in all_named(each.get("basedOn"), REQUEST, work.context.own_bases)
        for each in look.requests(patient, but=id).values()
    )
    if renewals.refuse_decision(former, proposal, is_approved):
        work.tell("renewal-denied", id, str(proposal.get("status")), patient)
        _end_task(work, id, proposal, "rejected")


async def _follow(work: Work, change: Change, order: Resource) -> None:
    """An order comes into force: in the place of another, because of a renewal, or back again."""
    look, own = work.picture, change.document.id
    patient = named(order.get("subject"), "Patient", work.context.own_bases)
    if patient is None:
        return
    others = look.requests(patient, but=own)
    renewals.refuse_successor(own, others, work.context.own_bases)
    prior = named(order.get("priorPrescription"), REQUEST, work.context.own_bases)
    former = None if prior is None else await look.reachable(change.document, prior, patient)
    if prior is not None and (former is None or prior == own):
        raise outcome.MEDICINE_UNKNOWN(_UNKNOWN, PRIOR)
    for id in all_named(order.get("basedOn"), REQUEST, work.context.own_bases):
        proposal = await look.reachable(change.document, id, patient)
        before = look.before(id)
        if proposal is None or before is None:
            text = f"MedicationRequest/{id} is no request of this patient's. Name in basedOn what the order follows."
            raise outcome.MEDICINE_UNKNOWN(text, f"{REQUEST}.basedOn")
        if is_renewal(before):
            renewals.refuse_approval(id, before, order, work.context.own_bases)
            _approve(work, own, id, proposal, patient)
    if prior is not None and former is not None:
        renewals.refuse_successor(prior, others, work.context.own_bases)
        _end_prior(work, prior, former, patient)


def _approve(work: Work, order: str, id: str, proposal: Resource, patient: str) -> None:
    is_planned = work.picture.planned(REQUEST, id) is not None
    if (REQUEST, id) in work.documents or (is_planned and proposal.get("status") != "completed"):
        text = f"MedicationRequest/{id} is approved by this order: one Bundle does nothing else with it."
        raise outcome.RENEWAL_DECIDED(text, f"{REQUEST}.basedOn")
    work.change(REQUEST, id, proposal | {"status": "completed"}, patient)
    work.tell("renewal-approved", id, "completed", patient)
    _end_task(work, id, proposal, "completed", order)


def _end_prior(work: Work, id: str, order: Resource, patient: str) -> None:
    if not is_order(order) or order.get("status") not in IN_FORCE:
        return
    if work.picture.planned(REQUEST, id) is not None:
        text = f"MedicationRequest/{id} would stay in force beside this order: end it in the same Bundle."
        raise outcome.RENEWAL_DECIDED(text, PRIOR)
    work.change(REQUEST, id, order | {"status": "completed"}, patient)


def _end_task(work: Work, proposal: str, request: Resource, status: str, order: str = "") -> None:
    """End the Tasks that ask somebody to decide the renewal as that is decided."""
    patient = named(request.get("subject"), "Patient", work.context.own_bases)
    for id, task in work.picture.tasks(proposal, "renewal").items():
        if patient is None or not is_open(task) or named(task.get("for"), "Patient", work.context.own_bases) != patient:
            continue
        made = task | {"status": status, "lastModified": work.instant}
        if "statusReason" in request:
            made["statusReason"] = request["statusReason"]
        if order:
            result = {"type": {"text": "New prescription"}, "valueReference": {"reference": f"{REQUEST}/{order}"}}
            made["output"] = [*task.get("output", ()), result]
        work.change(TASK, id, made, patient)
