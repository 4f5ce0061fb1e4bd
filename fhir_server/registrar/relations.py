"""Relationships that were contested: what staff decide of them comes about once, from wherever they said it.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/relatedperson.html
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.care.contested import OVER, carried_out, is_carried_out, names, related_of
from fhir_server.care.human_name import name_in_use
from fhir_server.care.registration import REVIEW_TRANSITIONS
from fhir_server.care.registration_tasks import REVIEW, SYSTEM, owner_of, patient_of, requester_of
from fhir_server.care.relationships import to_patient
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import active_consents
from fhir_server.record_writer import RecordWriter
from fhir_server.registrar.people import LATE
from smart_auth.identity.registration import BegunByThem, OpenRelation, RegistrarConflict

_REVIEWS = ("code", f"{SYSTEM}|{REVIEW}")
_OPEN = ("status", "requested,received")
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Relations:
    """Reads and follows up the Tasks by which staff look at a contested relationship."""

    writer: RecordWriter

    async def waiting(self, context: RequestContext, places: Sequence[str]) -> list[OpenRelation]:
        """Those that wait at these organisations."""
        if not places:
            return []
        pairs = [_REVIEWS, _OPEN, ("owner", ",".join(places)), ("_sort", "authored-on")]
        found = []
        for task in await self.writer.found(context, "Task", pairs):
            related = await self.writer.read("RelatedPerson", related_of(task) or "-")
            patient = await self.writer.read("Patient", patient_of(task) or "-")
            if related is not None and patient is not None:
                who, whose = name_in_use(related[0]) or "", name_in_use(patient[0]) or ""
                found.append(OpenRelation(str(task["id"]), who, to_patient(related[0]), whose))
        return found

    async def decide(
        self, context: RequestContext, task: str, is_accepted: bool, by: str, places: Sequence[str]
    ) -> None:
        """The relationship is proved again, or it is none. Raises RegistrarConflict where it is not theirs to say."""
        found = await self.writer.read("Task", task)
        if found is None or related_of(found[0]) is None or owner_of(found[0]) not in places:
            raise RegistrarConflict("This relationship waits at another organisation.")
        if requester_of(found[0]) == by:
            raise BegunByThem("You asked for this look yourself: another practitioner decides it.")
        status = "completed" if is_accepted else "rejected"
        if not any(name == found[0].get("status") and status in to for name, to in REVIEW_TRANSITIONS.items()):
            raise RegistrarConflict("This relationship is decided already.")
        changed = found[0] | {"status": status, "lastModified": format_instant(now())}
        try:
            await self.writer.commit(context, self.writer.put(context, changed, task, if_version=found[1]))
        except FhirError as error:
            if error.status not in LATE:
                raise
            raise RegistrarConflict("Somebody else has just decided this.") from error
        await self.follow(task)

    async def follow(self, task: str) -> None:
        """Carry out what was decided, once. Raises RegistrarConflict where others keep writing."""
        for _ in range(_TRIES):
            found = await self.writer.read("Task", task)
            if found is None or found[0].get("status") not in OVER or is_carried_out(found[0]):
                return
            if related_of(found[0]) is None:
                return
            try:
                await self._carry_out(*found)
                return
            except FhirError as error:
                if error.status not in LATE:
                    raise
        raise RegistrarConflict("Others keep changing this relationship.")

    async def _carry_out(self, task: Resource, version: int) -> None:
        context, id = self.writer.context("portal"), str(related_of(task))
        held = await self.writer.read("RelatedPerson", id)
        documents: list[Document] = [self.writer.put(context, carried_out(task), str(task["id"]), if_version=version)]
        is_accepted = task.get("status") == "completed" and not await self._is_contested_anew(context, task)
        if held is not None and (held[0].get("active") is True) != is_accepted:
            documents.append(self.writer.put(context, held[0] | {"active": is_accepted}, id, if_version=held[1]))
        if task.get("status") == "rejected":
            documents += await self._ended(context, str(patient_of(task)), id)
        await self.writer.commit(context, *documents)

    async def _is_contested_anew(self, context: RequestContext, task: Resource) -> bool:
        """Whether the same relationship waits for another look."""
        pairs = [_REVIEWS, _OPEN, ("patient", f"Patient/{patient_of(task)}")]
        found = await self.writer.found(context, "Task", pairs)
        return any(related_of(each) == related_of(task) and each["id"] != task["id"] for each in found)

    async def _ended(self, context: RequestContext, patient: str, related: str) -> list[Document]:
        """The Consents that let them act, no longer active."""
        server = self.writer.server
        found = (await active_consents(server, (patient,)))[patient]
        return [
            self.writer.put(
                context, {**each, "status": "inactive"}, str(each["id"]), if_version=int(each["meta"]["versionId"])
            )
            for each in found
            if names(each, related, server.own_bases)
        ]
