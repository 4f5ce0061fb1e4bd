"""Refills and what is dispensed on them: Tasks by which patients ask, their steps, and MedicationDispenses.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/medicationdispense.html
"""

from fhir_server.care import refills
from fhir_server.care.medications import all_named, answers, counts, is_open, named, task_asks
from fhir_server.care.registration_tasks import task_kind
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Put
from fhir_server.interactions.facts import Change
from fhir_server.interactions.medicine_facts import DISPENSE, REQUEST, TASK
from fhir_server.interactions.medicine_work import Work
from fhir_server.search.parameter_types.date import stretch

_PHARMACYS = ("output", "partOf", "basedOn", "businessStatus", "executionPeriod")
"""What those who carry out a refill write into its Task."""


async def check_task(work: Work, change: Change) -> None:
    """Raise FhirError 422 or 403 where a Task asks for a refill that is not to be had, or for a step not to be taken;
    what patients ask for says how many are left.
    """
    former, task = change.former, change.resource
    kinds = {None if each is None else task_kind(each) for each in (former, task)}
    if kinds != {None} or work.access.kind not in ("patient", "practitioner"):
        return
    was_refill = former is not None and task_asks(former) == "refill"
    if task is None:
        if was_refill:
            raise outcome.MEDICINE_STEP("A refill is ended by its status; it is not deleted.", "Task.status")
    elif former is not None and work.access.kind == "patient":
        _check_own_step(work, former, task)
    elif former is not None and was_refill:
        order = named(former.get("focus"), REQUEST, work.context.own_bases)
        dispenses = work.picture.dispenses(order) if order is not None else {}
        refills.refuse_step(former, task, dispenses, work.context.own_bases)
    elif task_asks(task) == "refill" and (is_open(task) or work.access.kind == "patient"):
        await _check_asked(work, change, task)


def _check_own_step(work: Work, former: Resource, task: Resource) -> None:
    """Patients take back a refill of their own that nobody works on yet, and change nothing else of a Task."""
    if task_asks(former) != "refill" or not work.speaks(former, "requester"):
        raise outcome.MEDICINE_KEPT("Of Tasks, you may change the refills that you asked for.", "Task")
    before, status = former.get("status"), task.get("status")
    if status != before and (before, status) != ("requested", "cancelled"):
        text = f"You may cancel a refill while its status is 'requested'; it is '{before}' now."
        raise outcome.MEDICINE_STEP(text, "Task.status")


async def _check_asked(work: Work, change: Change, task: Resource) -> None:
    is_patient = work.access.kind == "patient"
    if is_patient:
        _check_form(work, task)
    id, bases = named(task.get("focus"), REQUEST, work.context.own_bases), work.context.own_bases
    patient = named(task.get("for"), "Patient", bases)
    if patient is None:
        text = "Say in 'for' whose medicine it is: a reference to the Patient."
        raise outcome.MEDICINE_REQUEST(text, "Task.for")
    order = None if id is None else await work.picture.reachable(change.document, id, patient)
    if id is None or order is None:
        text = "Name in 'focus' the order: a reference to a MedicationRequest of the Patient of 'for'."
        raise outcome.MEDICINE_UNKNOWN(text, "Task.focus")
    others = work.picture.tasks(id, "refill", but=change.document.id).values()
    left = refills.refuse_refill(id, order, work.picture.dispenses(id), others, bases, work.now)
    if is_patient and isinstance(change.document, Put):
        work.contents.append((change.document, refills.with_remaining(task, left, order)))


def _check_form(work: Work, task: Resource) -> None:
    for name, code in (("intent", "order"), ("status", "requested")):
        if task.get(name) != code:
            raise outcome.MEDICINE_REQUEST(f"Ask for a refill with the {name} '{code}'.", f"Task.{name}")
    for name in _PHARMACYS:
        if name in task:
            text = f"'{name}' of a refill is written by those who carry it out."
            raise outcome.MEDICINE_REQUEST(text, f"Task.{name}")
    work.refuse_others_words(task, "requester")


async def check_dispense(work: Work, change: Change) -> None:
    """What was dispensed answers the Task that asks for it. Raises FhirError 422 where a practitioner dispenses more
    than was ordered, or takes what was dispensed off its order.
    """
    former, dispense = change.former, change.resource
    bases = work.context.own_bases
    before = set() if former is None else set(all_named(former.get("authorizingPrescription"), REQUEST, bases))
    after = () if dispense is None else all_named(dispense.get("authorizingPrescription"), REQUEST, bases)
    if work.access.kind == "practitioner" and former is not None:
        for id in sorted(before):
            refills.refuse_unlinking(id, former, dispense, id in after)
    if dispense is None or not counts(dispense):
        return
    is_counted = former is not None and counts(former) and former.get("subject") == dispense.get("subject")
    if work.access.kind == "practitioner":
        _check_references(dispense)
        for id in after:
            if not is_counted or id not in before:
                patient = named(dispense.get("subject"), "Patient", bases)
                order = await work.picture.reachable(change.document, id, patient)
                refills.refuse_dispensing(id, order, work.picture.dispenses(id))
    if not is_counted or former is None or former.get("status") != dispense.get("status"):
        for id in after:
            _answer(work, change.document.id, dispense, id)


def _check_references(dispense: Resource) -> None:
    for position, each in enumerate(dispense.get("authorizingPrescription", ())):
        if not each.get("reference") or each["reference"].startswith("#"):
            text = "Name the order by its reference, so that what is dispensed on it can be counted."
            raise outcome.MEDICINE_REQUEST(text, f"{DISPENSE}.authorizingPrescription[{position}].reference")


def _answer(work: Work, id: str, dispense: Resource, order: str) -> None:
    """Let the Task that asks for it know what was, or is being, dispensed."""
    bases, dispenses = work.context.own_bases, work.picture.dispenses(order)
    patient = named(dispense.get("subject"), "Patient", bases)
    waiting: list[tuple[bool, str, Resource]] = []
    for task_id, task in work.picture.tasks(order, "refill").items():
        answered = answers(task, bases)
        taken = any(each in dispenses and counts(dispenses[each]) for each in answered)
        is_theirs = named(task.get("for"), "Patient", bases) == patient
        fits = id in answered or (not taken and not _is_earlier(dispense, task))
        if is_theirs and is_open(task) and fits and (TASK, task_id) not in work.documents:
            waiting.append((id not in answered, task_id, task))
    if waiting and patient is not None:
        _, task_id, task = min(waiting, key=lambda each: each[:2])
        is_done = dispense.get("status") == "completed"
        work.change(TASK, task_id, refills.answered(task, id, is_done, work.instant), patient)


def _is_earlier(dispense: Resource, task: Resource) -> bool:
    """Whether it was handed over before anybody asked: what is written down later answers nothing."""
    handed, asked = (stretch(str(each)) for each in (dispense.get("whenHandedOver"), task.get("authoredOn")))
    return handed is not None and asked is not None and handed[1] < asked[0]
