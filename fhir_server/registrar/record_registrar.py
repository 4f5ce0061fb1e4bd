"""Registrations in the record: begun, reviewed and followed up to their end, from wherever a step came.

A page, a write by REST and a worker that died half-way lead to the same end: what follows is found out from the record
alone, ids are made from what they are about, and each step is over the version that was looked at.
"""

import asyncio
import logging
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from fhir_server.care import registration_resources as made
from fhir_server.care.beneficiary_class import CLASS_RULES
from fhir_server.care.contested import OVER, is_carried_out, related_of
from fhir_server.care.registration import (
    TRANSITIONS,
    Decision,
    Reason,
    Verification,
    steps,
)
from fhir_server.care.registration_case import AGENCY, Case, agency_of
from fhir_server.care.registration_tasks import (
    REVIEW,
    SYSTEM,
    class_of,
    is_confirmed,
    moved,
    patient_of,
    reason_of,
    relationship_of,
    requester_of,
)
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document
from fhir_server.interactions.context import RequestContext
from fhir_server.record_status import RecordStatus
from fhir_server.record_writer import RecordWriter
from fhir_server.registrar.cases import CODE, OPEN, Cases, open_task, places_of
from fhir_server.registrar.people import DOD, LATE, People
from fhir_server.registrar.relations import Relations
from fhir_server.registrar.sponsoring import RegistrySponsoring
from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proven
from smart_auth.identity.registration import (
    Application,
    BegunByThem,
    OpenRelation,
    OpenTask,
    Progress,
    Proof,
    RegistrarConflict,
    StaffDecision,
)

_PORTAL = "portal"
_SWEEP_SECONDS = 5.0
_RECENT = timedelta(seconds=60)
_LONG = timedelta(days=7)
"""How far back a whole sweep looks for decisions that no worker was there to carry out."""
_WHOLE_SWEEPS = 120
"""Sweeps after which every open registration is looked at, and not only what changed of late."""
_TRIES = 5
_AWAY = 503

_log = logging.getLogger("fhir_server")


@dataclass(frozen=True, slots=True)
class RecordRegistrar:
    """Registrar over the record. From `adult_years` on a dependent's own word counts.

    `sponsoring` is asked once more before a dependent's registration completes; without it none does.
    """

    writer: RecordWriter
    adult_years: int = 18
    sponsoring: RegistrySponsoring | None = None
    today: Callable[[], date] = field(default=lambda: datetime.now(UTC).date())

    async def patient_for(self, enrolled: Enrolled) -> str:
        """The id of the one Patient with this DoD ID; made where there is none. Raises RegistrarConflict for two."""
        return await self._people.patient(self._context(_PORTAL), enrolled, AGENCY)

    async def dod_id_of(self, patient: str) -> str | None:
        """The DoD ID number of a Patient, None where it has none."""
        found = await self.writer.read("Patient", patient)
        numbers = [] if found is None else found[0].get("identifier", ())
        return next((str(each.get("value")) for each in numbers if each.get("system") == DOD), None)

    async def begin(self, application: Application) -> Progress:
        """Make the Task, or take up the open one of this person, and follow it up."""
        context, result = self._context(application.by or _PORTAL, application.by), application.result
        owner = await self._owner(application)
        patient = await self._people.patient(context, result.enrolled, owner)
        requester = application.by or f"Patient/{application.sponsor_patient or patient}"
        # What somebody else began goes its own way: its proofs are not this one's.
        found = await self._cases.open_of(context, patient, application.beneficiary, requester)
        id = found or await self._cases.free_id(f"{application.registration} {application.beneficiary} {requester}")
        documents: list[Document] = []
        if found is None:
            awaits = application.awaits_confirmation
            task = made.registration(
                application.beneficiary,
                patient,
                requester,
                owner,
                self._now,
                awaits=awaits,
                relationship=application.relationship,
                sponsor=application.sponsor_patient if application.by is not None else None,
            )
            documents.append(self.writer.put(context, task, id, creates_only=True))
        is_by_staff = (application.by or "").startswith("Practitioner/")
        check = self.writer.put(context, _check(patient, result, self._now), f"{id}-check")
        if not is_by_staff:
            documents.append(check)
        if application.sponsor_patient is not None and application.relationship is not None:
            documents += await self._people.relation(
                context, id, patient, application.sponsor_patient, application.relationship
            )
        try:
            await self.writer.commit(context, *documents)
        except FhirError as error:
            # Another worker has begun the same: there is one Task all the same.
            if error.status not in LATE or await self.writer.read("Task", id) is None:
                raise
        if is_by_staff:
            # Of these only what came later counts.
            await self.writer.commit(context, check)
        return await self.follow(id)

    async def hand_in(self, task: str, proof: Proof) -> Progress:
        """Keep a proof and ask for its review."""
        case = await self._cases.case(task)
        if not TRANSITIONS[case.status]:
            raise RegistrarConflict("This registration has ended.")
        context, patient = self._context(f"Patient/{case.patient['id']}"), str(case.patient["id"])
        if await self._is_handed_in(case, proof):
            return await self.follow(task)
        name = f"{task}-{proof.kind}-{len(case.proofs) + 1}"
        author = case.sponsor or f"Patient/{patient}"
        file = made.binary(patient, proof.media_type, proof.content)
        size = len(proof.content)
        document = made.document(patient, author, proof.kind, f"Binary/{name}", proof.media_type, size, self._now)
        inputs = [*case.task.get("input", ()), _proof_input(f"DocumentReference/{name}")]
        asked = made.review(task, patient, f"DocumentReference/{name}", case.owner, self._now)
        put = self.writer.put
        await self._commit(
            context,
            put(context, case.task | {"input": inputs}, task, if_version=case.version),
            put(context, file, name, creates_only=True),
            put(context, document, name, creates_only=True),
            put(context, asked, f"{name}-review", creates_only=True),
        )
        return await self.follow(task)

    async def decide(self, task: str, decision: StaffDecision, by: str) -> Progress:
        """Carry out what staff decided. Raises RegistrarConflict where it is not theirs, or there is nothing to do."""
        case = await self._cases.case(task)
        context = self._context(by, by)
        if case.owner not in await self._cases.places(by):
            raise RegistrarConflict("This registration waits at another organisation.")
        if not TRANSITIONS[case.status]:
            raise RegistrarConflict("This registration has ended.")
        if decision != "reject" and requester_of(case.task) == by:
            raise BegunByThem("You began this registration yourself: another practitioner decides it.")
        put, documents = self.writer.put, list[Document]()
        waiting = [each for each in case.reviews if each.get("status") in ("requested", "received")]
        if decision == "confirm-person":
            found = made.verification(str(case.patient["id"]), "validated", None, self._now, by)
            documents.append(put(context, found, f"{task}-confirmed"))
        elif decision == "reject":
            documents += [_ended(self, context, each, "cancelled") for each in waiting]
            reason: Reason = "proof-missing" if waiting or case.proofs else "not-eligible"
            rejected = moved(case.task, "rejected", reason, self._now)
            documents.append(put(context, rejected, task, if_version=case.version))
            documents.append(self._notice(context, case, "rejected"))
        else:
            status = "completed" if decision == "accept-proof" else "rejected"
            documents += [_ended(self, context, each, status) for each in waiting]
        if not documents:
            raise RegistrarConflict("No proof waits for a review.")
        await self._commit(context, *documents)
        return await self.follow(task)

    async def complete(self, task: str) -> Progress:
        """The person has confirmed: the registration ends where nothing else is lacking."""
        case = await self._cases.case(task)
        if not is_confirmed(case.task) and TRANSITIONS[case.status]:
            context = self._context(f"Patient/{case.patient['id']}")
            output = [*case.task.get("output", ()), made.confirmed()]
            document = self.writer.put(context, case.task | {"output": output}, task, if_version=case.version)
            await self._commit(context, document)
        return await self.follow(task)

    async def cancel(self, task: str) -> Progress:
        """End what is on hold, with the reason that it was on hold for. Raises RegistrarConflict where it goes on."""
        case = await self._cases.case(task)
        if case.status == "cancelled":
            return _progress(case)
        if "cancelled" not in TRANSITIONS[case.status]:
            return await self.follow(task)
        context, version = self._context(_PORTAL), case.version
        waiting = [each for each in case.reviews if each.get("status") in ("requested", "received")]
        ended = moved(case.task, "cancelled", reason_of(case.task), self._now)
        await self._commit(
            context,
            *(_ended(self, context, each, "cancelled") for each in waiting),
            self.writer.put(context, ended, task, if_version=version),
            self._notice(context, case, "cancelled"),
        )
        return await self.progress(task)

    async def identify(self, patient: str, identification: str) -> None:
        """Keep the number of a dependent's card (`assigner|number`), once. Raises RegistrarConflict: try again."""
        try:
            await self._people.identify(self._context(_PORTAL), patient, identification)
        except FhirError as error:
            if error.status not in LATE:
                raise
            raise RegistrarConflict("Somebody else has just changed this record.") from error

    async def progress(self, task: str) -> Progress:
        """How far it has come. Raises RegistrarConflict where there is no such registration."""
        found = await self.writer.read("Task", task)
        status = None if found is None else next((each for each in TRANSITIONS if each == found[0].get("status")), None)
        if found is None or status is None:
            raise RegistrarConflict("There is no such registration.")
        return Progress(task, status, reason_of(found[0]), patient_of(found[0]))

    async def open_tasks(self, fhir_user: str) -> list[OpenTask]:
        """Those that wait where this practitioner works."""
        places = await self._cases.places(fhir_user)
        if not places:
            return []
        context = self._context(fhir_user, fhir_user)
        pairs = [CODE, OPEN, ("owner", ",".join(places)), ("_sort", "authored-on")]
        found = await self.writer.found(context, "Task", pairs)
        return [open_task(await self._cases.case(str(each["id"]))) for each in found]

    async def decides(self, fhir_user: str) -> bool:
        """Whether this practitioner has a role today at any organisation."""
        return any(each.startswith("Organization/") for each in await self._cases.places(fhir_user))

    async def open_relations(self, fhir_user: str) -> list[OpenRelation]:
        """Relationships that are contested and wait where this practitioner works."""
        places = await self._cases.places(fhir_user)
        return await Relations(self.writer).waiting(self._context(fhir_user, fhir_user), places)

    async def decide_relation(self, task: str, is_accepted: bool, by: str) -> None:
        """Carry out what staff decided of one. Raises RegistrarConflict where it is not theirs, or decided."""
        places = await self._cases.places(by)
        await Relations(self.writer).decide(self._context(by, by), task, is_accepted, by, places)

    async def proof(self, fhir_user: str, reference: str) -> tuple[str, bytes] | None:
        """Media type and content of a proof of an open registration that waits where this practitioner works."""
        for each in await self.open_tasks(fhir_user):
            if reference in (place for _, place in each.proofs):
                return await self._file(each.task, reference)
        return None

    async def _file(self, task: str, reference: str) -> tuple[str, bytes] | None:
        case = await self._cases.case(task)
        for each in case.proofs:
            if f"DocumentReference/{each['id']}" == reference:
                found = await self._cases.file(each, str(case.patient["id"]))
                return None if found is None else (str(found["contentType"]), b64decode(found.get("data", "")))
        return None

    async def change_status(self, patient: str, beneficiary_class: str, start: date) -> None:
        """A new class of beneficiary from a day on."""
        named = next((each for each in CLASS_RULES if each == beneficiary_class), None)
        if named is None:
            raise RegistrarConflict("There is no such class of beneficiary.")
        await RecordStatus(self.writer).change(self._context(_PORTAL), patient, named, start)

    async def follow(self, task: str) -> Progress:
        """Lead a registration as far as it may go by all that is known of it now."""
        for _ in range(_TRIES):
            case = await self._cases.case(task)
            try:
                if not await self._stepped(case):
                    return _progress(case)
            except FhirError as error:
                if error.status not in LATE:
                    raise
        raise RegistrarConflict("Others keep changing this registration.")

    async def run(self) -> None:
        """Follow up what was decided elsewhere, every five seconds, until cancelled."""
        count = 0
        while True:
            try:
                await self.sweep(is_whole=count % _WHOLE_SWEEPS == 0)
            except Exception:
                _log.warning("registrations cannot be followed up at the moment")
            count += 1
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self, is_whole: bool = True) -> None:
        """Follow up every open registration, or those alone of which something changed within a minute."""
        context = self._context(_PORTAL)
        since = [] if is_whole else [("_lastUpdated", f"ge{format_instant(now() - _RECENT)}")]
        ids = {str(each["id"]) for each in await self.writer.found(context, "Task", [CODE, OPEN, *since])}
        if not is_whole:
            reviews = await self.writer.found(context, "Task", [("code", f"{SYSTEM}|{REVIEW}"), *since])
            ids |= {part.partition("/")[2] for each in reviews for part in places_of(each.get("partOf"))}
            checks = await self.writer.found(context, "VerificationResult", since)
            people = {place.partition("/")[2] for each in checks for place in places_of(each.get("target"))}
            for each in sorted(people):
                ids |= set(await self._cases.all_open_of(context, each))
        await self._sweep_relations(context, is_whole)
        for id in sorted(ids):
            try:
                await self.follow(id)
            except (RegistrarConflict, FhirError):
                _log.warning("a registration could not be followed up: Task/%s", id)

    async def _sweep_relations(self, context: RequestContext, is_whole: bool) -> None:
        """Carry out what was decided of contested relationships; in a whole sweep within _LONG."""
        since = format_instant(now() - (_LONG if is_whole else _RECENT))
        pairs = [("code", f"{SYSTEM}|{REVIEW}"), ("status", ",".join(OVER)), ("_lastUpdated", f"ge{since}")]
        for each in await self.writer.found(context, "Task", pairs):
            if related_of(each) is not None and not is_carried_out(each):
                try:
                    await Relations(self.writer).follow(str(each["id"]))
                except (RegistrarConflict, FhirError):
                    _log.warning("a contested relationship could not be followed up: Task/%s", each["id"])

    async def _stepped(self, case: Case) -> bool:
        """One step on; False where there is none to take."""
        context, target = self._context(_PORTAL), case.next_status
        if not case.checks and await self._is_checked_now(context, case):
            return True
        decision = case.decision
        if target == "completed":
            is_theirs = await self._is_theirs(case)
            if is_theirs is None:
                # The registry does not answer: it is asked again by the next sweep.
                return False
            if not is_theirs:
                target, decision = "on-hold", Decision("on-hold", "deers-discrepancy")
        way = steps(case.status, target) or ()
        reason = decision.reason if not way or way[0] == target else None
        if not way and decision.status != target:
            # Held back until there is something new: it stands as whoever put it there left it.
            return False
        if not way:
            # Still held up, but by something else now.
            is_same = case.status != target or reason == reason_of(case.task) or not TRANSITIONS[case.status]
            if is_same or case.status not in ("received", "on-hold"):
                return False
        status = way[0] if way else case.status
        task = moved(case.task, status, reason, self._now)
        documents: list[Document] = [self.writer.put(context, task, case.id, if_version=case.version)]
        if status == "completed":
            await self._become_veteran(context, case)
            case = await self._cases.case(case.id)
            documents = [self.writer.put(context, task, case.id, if_version=case.version)]
            documents += await self._people.family(context, case)
        if status in ("completed", "rejected"):
            documents.append(self._notice(context, case, status))
        await self.writer.commit(context, *documents)
        return True

    async def _is_checked_now(self, context: RequestContext, case: Case) -> bool:
        """Whether the registry said something now of a registration that came without a check, as by REST."""
        if self.sponsoring is None or not TRANSITIONS[case.status]:
            return False
        result = await self.sponsoring.result(case.patient, case.beneficiary)
        if result == "unavailable":
            return False
        reason: Reason | None = {"discrepancy": "deers-discrepancy", "not-eligible": "not-eligible"}.get(result)  # type: ignore[assignment]
        status: Verification = "validated" if reason is None else "val-fail"
        found = made.verification(str(case.patient["id"]), status, reason, self._now)
        await self.writer.commit(context, self.writer.put(context, found, f"{case.id}-check"))
        return True

    async def _is_theirs(self, case: Case) -> bool | None:
        """Whether the registry names a dependent as the sponsor's today; None where it cannot be asked."""
        if case.beneficiary != "dependent":
            return True
        sponsor = await self.writer.read("Patient", (case.sponsor or "-").partition("/")[2] or "-")
        if sponsor is None:
            return False
        if self.sponsoring is None:
            return None
        try:
            return await self.sponsoring.names(sponsor[0], case.patient, relationship_of(case.task))
        except FhirError as error:
            if error.status != _AWAY:
                raise
            return None

    async def _is_handed_in(self, case: Case, proof: Proof) -> bool:
        """Whether this very file waits already: a step that was cut off is taken again."""
        waiting = {
            place
            for each in case.reviews
            if each.get("status") in ("requested", "received")
            for place in places_of(each.get("focus"))
        }
        for each in case.proofs:
            if f"DocumentReference/{each['id']}" in waiting and made.proof_kind(each) == proof.kind:
                found = await self.writer.read("Binary", str(each["id"]))
                if found is not None and b64decode(found[0].get("data", "")) == proof.content:
                    return True
        return False

    async def _become_veteran(self, context: RequestContext, case: Case) -> None:
        if case.beneficiary == "veteran" and class_of(case.patient) != "veteran":
            await RecordStatus(self.writer).change(context, str(case.patient["id"]), "veteran", self.today())

    def _notice(self, context: RequestContext, case: Case, status: str) -> Document:
        resource = made.notice(str(case.patient["id"]), case.owner, status, self._now)
        return self.writer.put(context, resource, f"{case.id}-notice")

    async def _owner(self, application: Application) -> str:
        """Where it waits: at the place of the staff who begin it, or where the person or the sponsor is enrolled."""
        if application.by is not None and application.by.startswith("Practitioner"):
            places = await self._cases.places(application.by)
            if places and places[0].startswith("Organization/"):
                return places[0]
        found = await self._people.bearers(self._context(_PORTAL), application.result.enrolled.dod_id)
        if not found and application.sponsor_patient is not None:
            sponsor = await self.writer.read("Patient", application.sponsor_patient)
            found = [] if sponsor is None else [sponsor[0]]
        for each in found:
            place = each.get("managingOrganization", {}).get("reference")
            if place:
                return str(place)
        return agency_of(application.beneficiary)

    async def _commit(self, context: RequestContext, *documents: Document) -> None:
        """Raises RegistrarConflict where another was first."""
        try:
            await self.writer.commit(context, *documents)
        except FhirError as error:
            if error.status not in LATE:
                raise
            raise RegistrarConflict("Somebody else has just changed this registration.") from error

    def _context(self, account: str, fhir_user: str | None = None) -> RequestContext:
        return self.writer.context(account, fhir_user)

    @property
    def _cases(self) -> Cases:
        return Cases(self.writer)

    @property
    def _people(self) -> People:
        return People(self.writer, self.adult_years, self.today)

    @property
    def _now(self) -> str:
        return format_instant(now())


def _ended(registrar: RecordRegistrar, context: RequestContext, review: Resource, status: str) -> Document:
    """The review of a proof with its end, over the version that was looked at."""
    version = int(review["meta"]["versionId"])
    changed = review | {"status": status, "lastModified": format_instant(now())}
    return registrar.writer.put(context, changed, str(review["id"]), if_version=version)


def _check(patient: str, result: Proven | Discrepancy | NotEligible, now: str) -> Resource:
    match result:
        case Proven():
            return made.verification(patient, "validated", None, now)
        case Discrepancy():
            return made.verification(patient, "val-fail", "deers-discrepancy", now)
        case NotEligible():
            return made.verification(patient, "val-fail", "not-eligible", now)


def _proof_input(place: str) -> Resource:
    return {"type": {"text": "Proof"}, "valueReference": {"reference": place}}


def _progress(case: Case) -> Progress:
    return Progress(case.id, case.status, reason_of(case.task), str(case.patient["id"]))
