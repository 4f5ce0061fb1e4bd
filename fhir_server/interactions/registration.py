"""What every write of a registration's Task must keep to, whoever writes and by whatever interaction; and of the
VerificationResults by which staff let it go on.

The steps are those of care.registration. A Task is written only over the version that was looked at, so that of two
decisions at the same time one stands and the other is a 412.
"""

from dataclasses import replace

from fhir_server.care.contested import related_of
from fhir_server.care.registration import TRANSITIONS, Beneficiary, may_follow
from fhir_server.care.registration_case import agency_of
from fhir_server.care.registration_tasks import (
    REGISTRATION,
    SYSTEM,
    beneficiary_of,
    changed_elements,
    moment,
    owner_of,
    part_of,
    patient_of,
    referenced,
    relationship_of,
    requester_of,
    sponsor_of,
    task_kind,
)
from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Absence, Claim, Delete, Document, Expect, Put, WritePlan
from fhir_server.interactions.care_places import roles
from fhir_server.interactions.context import RequestContext
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.store import related, resources
from fhir_server.store.related import Naming
from smart_auth.access import AccessContext
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED

_MOST_VERIFICATIONS = 100
_MOST_TASKS = 1_000
_BEGINNINGS = frozenset({"requested", "received"})
_JUDGED = frozenset({"Task", "VerificationResult"})
_OVER = tuple(f"status|{each}|" for each, following in TRANSITIONS.items() if not following)
_ASKS = frozenset({"patient", "practitioner"})
"""Kinds of callers of whom one has one registration of a person open at a time."""
_PORTALS = ("output", "partOf", "basedOn", "focus")
"""What the portal alone writes into a registration's Task when it begins."""


async def checked(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan, each Task of a registration bound to the version that was looked at.

    Raises FhirError 422 for a step that may not follow and for a dependent's registration begun by the dependent, 403
    for callers who do not decide this one.
    """
    access = context.sight.access
    if access is None or all(document.type not in _JUDGED for document in plan.documents):
        return plan
    for each in plan.documents:
        if each.type == "VerificationResult" and access.kind == "practitioner":
            await _check_confirming(context, access, each)
    begun: list[tuple[str, str]] = []
    documents = [
        await _checked(context, access, each, begun) if each.type == "Task" else each for each in plan.documents
    ]
    return _with_one_open(replace(plan, documents=tuple(documents)), begun)


def _with_one_open(plan: WritePlan, begun: list[tuple[str, str]]) -> WritePlan:
    """The plan under the condition that what begins by it does not go on already, looked at as it is written."""
    if len(set(begun)) < len(begun):
        raise outcome.REGISTRATION_STEP("One Bundle begins a registration twice.", "Task.for")
    claims = tuple(Claim(f"registration of {patient} by {requester}") for patient, requester in begun)
    absences = tuple(Absence("Task", _open_filter(patient, requester)) for patient, requester in begun)
    return replace(plan, claims=(*plan.claims, *claims), absences=(*plan.absences, *absences))


def _open_filter(patient: str, requester: str) -> dict[str, object]:
    """Of the registrations of a patient (an id) that somebody began and that have not ended."""
    tokens = [f"patient|Patient/{patient}", f"requester|{requester}", f"code|{REGISTRATION}|{SYSTEM}"]
    return {"t": {"$all": tokens, "$nin": list(_OVER)}}


async def _check_confirming(context: RequestContext, access: AccessContext, document: Document) -> None:
    """Who confirms a person, or takes that back, decides the registrations that wait for it."""
    database = context.server.database
    row = await resources.read(database, document.type, document.id, document.within or {})
    said = [decode(row.body)] if row is not None and row.body is not None else []
    if isinstance(document, Put):
        said.append(document.resource)
    people = sorted({id for each in said for id in referenced(each.get("target"), "Patient")})
    if not people:
        return
    naming = Naming("Task", tuple(f"patient|Patient/{id}" for id in people), without=_OVER)
    for task in await _tasks(context, naming):
        if task_kind(task) == REGISTRATION:
            await _check_place(context, access, task)
            _check_other(access, task)


async def _tasks(context: RequestContext, naming: Naming) -> list[Resource]:
    database = context.server.database
    rows = await related.owned_rows(database, naming, _MOST_TASKS)
    found = await related.bodies(database, "Task", [each.id for each in rows])
    return [decode(body) for _, (_, body) in sorted(found.items())]


async def _checked(
    context: RequestContext, access: AccessContext, document: Document, begun: list[tuple[str, str]]
) -> Document:
    """`begun` gains patient and requester of the registration that it begins, where it begins one."""
    row = None
    if not isinstance(document, Put) or document.expect is not Expect.NOTHING:
        # What is out of the writer's reach is answered by the store, as if it were not there.
        row = await resources.read(context.server.database, "Task", document.id, document.within or {})
    former = None if row is None or row.body is None else decode(row.body)
    if isinstance(document, Delete):
        if former is not None and task_kind(former) is not None and access.kind not in ("admin", "system"):
            raise outcome.REGISTRATION_KEPT("A registration is ended by its status; it is not deleted.")
        return document
    if former is None:
        if task_kind(document.resource) is not None:
            await _check_beginning(context, access, document.resource)
            if task_kind(document.resource) == REGISTRATION and access.kind in _ASKS:
                begun.append((str(patient_of(document.resource)), str(requester_of(document.resource))))
        return document
    if task_kind(former) is None and task_kind(document.resource) is None:
        return document
    await _check_step(context, access, former, document.resource)
    if document.if_version is not None or row is None:
        return document
    return replace(document, if_version=row.version)


async def _check_beginning(context: RequestContext, access: AccessContext, task: Resource) -> None:
    status = str(task.get("status"))
    if status not in TRANSITIONS:
        raise outcome.REGISTRATION_STEP(f"A registration has no status '{status[:32]}'.", "Task.status")
    if access.kind == "system":
        return
    if status not in _BEGINNINGS:
        raise outcome.REGISTRATION_STEP("A registration begins as 'requested' or 'received'.", "Task.status")
    if access.kind == "patient":
        await _check_own(context, access, task)
    else:
        await _check_of_staff(context, access, task)
    if task_kind(task) == REGISTRATION and access.kind in _ASKS:
        await _check_first(context, task)


async def _check_of_staff(context: RequestContext, access: AccessContext, task: Resource) -> None:
    """Staff begin in their own name, so that somebody else decides it, and nobody's family but the registry's."""
    if access.kind == "practitioner":
        await _check_place(context, access, task)
        if requester_of(task) != access.fhir_user:
            text = "Name yourself as requester: somebody else decides what you begin."
            raise outcome.REGISTRATION_KEPT(text, "Task.requester")
    if task_kind(task) == REGISTRATION:
        await _check_sponsored(context, task)
        return
    whole = await _whole(context, task)
    if whole is not None and access.kind == "practitioner":
        # A second look is had where the registration waits.
        await _check_place(context, access, whole)


async def _whole(context: RequestContext, review: Resource) -> Resource | None:
    """The registration that a review is part of."""
    whole = part_of(review)
    row = None if whole is None else await resources.read(context.server.database, "Task", whole)
    return None if row is None or row.body is None else decode(row.body)


async def _check_sponsored(context: RequestContext, task: Resource) -> None:
    """Of a dependent the sponsor is named, whom the registry must know as such; of nobody else."""
    patient, sponsor = await _patient(context, patient_of(task)), sponsor_of(task)
    if beneficiary_of(task, patient) == "dependent":
        if sponsor is None:
            text = "Name the sponsor's Patient in an input 'Sponsor': a dependent registers by one."
            raise outcome.REGISTRATION_SPONSOR(text, "Task.input")
        await _check_sponsor(context, task, await _patient(context, sponsor), patient)
    elif sponsor is not None:
        raise outcome.REGISTRATION_SPONSOR("Nobody but a dependent registers by a sponsor.", "Task.input")


async def _check_first(context: RequestContext, task: Resource) -> None:
    """One registration of a person is open by the same requester, who is told which."""
    naming = Naming("Task", (f"patient|Patient/{patient_of(task)}",), without=_OVER)
    for each in await _tasks(context, naming):
        if task_kind(each) == REGISTRATION and requester_of(each) == requester_of(task):
            text = f"Task/{each['id']} is your registration of this person, and has not ended."
            raise outcome.REGISTRATION_STEP(text, "Task.for")


async def _check_own(context: RequestContext, access: AccessContext, task: Resource) -> None:
    """Patients begin a registration as the one who asks for it, and a dependent's as its sponsor."""
    own = access.patients[0] if access.patients else ""
    requester = requester_of(task)
    if task_kind(task) != REGISTRATION or task.get("status") != "requested" or requester != f"Patient/{own}":
        text = "You may ask for a registration: a Task of status 'requested' with yourself as requester."
        raise outcome.REGISTRATION_KEPT(text, "Task.requester")
    beneficiary = patient_of(task)
    patient = await _patient(context, beneficiary)
    said = beneficiary_of(task, patient)
    if beneficiary == own and said == "dependent":
        text = "A dependent's registration is begun by the sponsor, or by staff in person."
        raise outcome.REGISTRATION_SPONSOR(text, "Task.requester")
    if said == "active-duty" or (beneficiary != own and said != "dependent"):
        # The first asks for no proof but the card, the others for none of the relationship.
        text = "Say in an input 'Beneficiary' as what: retiree or veteran for yourself, dependent for somebody else."
        raise outcome.REGISTRATION_KEPT(text, "Task.input")
    for name in _PORTALS:
        if name in task:
            raise outcome.REGISTRATION_KEPT(f"'{name}' of a registration is written by the server.", f"Task.{name}")
    asked_by = patient if beneficiary == own else await _patient(context, own)
    if beneficiary != own:
        await _check_sponsor(context, task, asked_by, patient)
    _check_owner(task, said, patient, asked_by)


async def _patient(context: RequestContext, id: str | None) -> Resource | None:
    row = None if id is None else await resources.read(context.server.database, "Patient", id)
    return None if row is None or row.body is None else decode(row.body)


async def _check_sponsor(
    context: RequestContext, task: Resource, sponsor: Resource | None, dependent: Resource | None
) -> None:
    """Whatever does not fit is answered as the page answers it: the same for all, so that nobody's kin is told."""
    sponsoring, relationship = context.server.sponsoring, relationship_of(task)
    if sponsoring is None or sponsor is None or dependent is None or relationship is None:
        raise outcome.REGISTRATION_KEPT(CREDENTIAL_NOT_RECOGNIZED, "Task.for")
    if not await sponsoring.names(sponsor, dependent, relationship):
        raise outcome.REGISTRATION_KEPT(CREDENTIAL_NOT_RECOGNIZED, "Task.for")


def _check_owner(task: Resource, said: Beneficiary, *people: Resource | None) -> None:
    """It waits where the person or the sponsor is enrolled, or at the agency: nobody else's staff are to decide it."""
    places = {_place(each.get("managingOrganization")) for each in people if each is not None}
    if owner_of(task) not in (places - {None}) | {agency_of(said)}:
        text = f"Name the organisation where you are enrolled, or {agency_of(said)}."
        raise outcome.REGISTRATION_STEP(text, "Task.owner")


def _place(reference: object) -> str | None:
    found = reference.get("reference") if isinstance(reference, dict) else None
    return found if isinstance(found, str) else None


async def _check_place(context: RequestContext, access: AccessContext, task: Resource) -> None:
    """Staff decide what waits where they work, by their roles of today."""
    owner = owner_of(task)
    moment_now = to_milliseconds(now())
    found = await roles(context.server.database, moment_now, access.fhir_user or "")
    if owner is None or owner not in (*found.own, *found.organisations):
        text = "This registration waits at an organisation where you have no role now."
        raise outcome.REGISTRATION_KEPT(text, "Task.owner")


def _check_other(access: AccessContext, task: Resource) -> None:
    """Whoever began something does not decide it: two people look at whatever lets somebody in."""
    if access.fhir_user is not None and requester_of(task) == access.fhir_user:
        text = "You began this yourself: another practitioner of the organisation decides it."
        raise outcome.REGISTRATION_KEPT(text, "Task.requester")


async def _check_step(context: RequestContext, access: AccessContext, former: Resource, task: Resource) -> None:
    if access.kind not in ("practitioner", "admin", "system"):
        raise outcome.REGISTRATION_KEPT("Registrations are decided by the staff of the organisation that owns them.")
    if access.kind == "practitioner":
        await _check_place(context, access, former)
    status, before = str(task.get("status")), str(former.get("status"))
    is_review = task_kind(former) != REGISTRATION
    if access.kind == "practitioner" and is_review and status != before:
        whole = await _whole(context, former)
        for each in (whole, former if related_of(former) is not None else None):
            if each is not None:
                _check_other(access, each)
    if task_kind(task) != task_kind(former) or not may_follow(before, status, is_review):
        text = f"'{before}' is not followed by '{status[:32]}' here."
        raise outcome.REGISTRATION_STEP(text, "Task.status")
    if access.kind == "system":
        return
    for name in changed_elements(former, task):
        raise outcome.REGISTRATION_STEP(f"'{name}' of a registration stays what it was.", f"Task.{name}")
    if is_review or before == status:
        return
    if status == "completed":
        # The account, the family and the notice come with it, and only the server knows whether anything is lacking.
        text = "The server completes a registration itself, once nothing is lacking: decide the review of its proof."
        raise outcome.REGISTRATION_STEP(text, "Task.status")
    if before == "on-hold" and status in ("received", "accepted"):
        await _check_verified(context, former)


async def _check_verified(context: RequestContext, task: Resource) -> None:
    """What was on hold goes on only after somebody confirmed the person since."""
    naming = Naming("VerificationResult", (f"target|Patient/{patient_of(task)}",))
    rows = await related.owned_rows(context.server.database, naming, _MOST_VERIFICATIONS)
    since = moment(task.get("lastModified"))
    found = await related.bodies(context.server.database, "VerificationResult", [row.id for row in rows])
    for _, body in found.values():
        result = decode(body)
        if result.get("status") == "validated" and moment(result.get("statusDate")) >= since:
            return
    text = "Write a VerificationResult of status 'validated' for this Patient first, of now."
    raise outcome.REGISTRATION_STEP(text, "Task.status")
