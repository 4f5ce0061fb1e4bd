"""Registrations as they stand in the record, and where staff decide them.

https://hl7.org/fhir/R4/task.html#search, https://hl7.org/fhir/R4/practitionerrole.html
"""

import hashlib
from dataclasses import dataclass

from fhir_server.care import registration_resources as made
from fhir_server.care.contested import related_of
from fhir_server.care.registration import Beneficiary
from fhir_server.care.registration_case import AGENCY, Case
from fhir_server.care.registration_tasks import (
    REGISTRATION,
    REVIEW,
    SYSTEM,
    beneficiary_of,
    owner_of,
    patient_of,
    reason_of,
    referenced,
    requester_of,
    task_kind,
)
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.interactions.care_places import roles
from fhir_server.interactions.context import RequestContext
from fhir_server.record_writer import RecordWriter
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.store import resources
from smart_auth.identity.registration import OpenTask, RegistrarConflict

CODE = ("code", f"{SYSTEM}|registration")
OPEN = ("status", "requested,received,on-hold,accepted")
"""Search criteria of registrations, and of those that have not ended."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Reads them."""

    writer: RecordWriter

    async def open_of(
        self, context: RequestContext, patient: str, beneficiary: Beneficiary, requester: str
    ) -> str | None:
        """The id of the registration of a Patient as this, begun by this one, that has not ended."""
        found = await self._open_of(context, patient)
        mine = (each for each in found if beneficiary_of(each, None) == beneficiary)
        return min((str(each["id"]) for each in mine if requester_of(each) == requester), default=None)

    async def all_open_of(self, context: RequestContext, patient: str) -> list[str]:
        """The ids of the registrations of a Patient that have not ended."""
        return sorted(str(each["id"]) for each in await self._open_of(context, patient))

    async def _open_of(self, context: RequestContext, patient: str) -> list[Resource]:
        found = await self.writer.found(context, "Task", [CODE, ("patient", f"Patient/{patient}"), OPEN])
        return [each for each in found if task_kind(each) == REGISTRATION]

    async def free_id(self, registration: str) -> str:
        """The id of the Task of a registration: the next one, where the last has ended."""
        digest = hashlib.sha256(registration.encode()).hexdigest()[:20]
        number = 1
        while (found := await self.writer.read("Task", f"reg-{digest}-{number}")) is not None:
            if found[0].get("status") in OPEN[1].split(","):
                break
            number += 1
        return f"reg-{digest}-{number}"

    async def case(self, task: str) -> Case:
        """A registration with all that decides it. Raises RegistrarConflict where there is no such registration."""
        found = await self.writer.read("Task", task)
        patient = None if found is None else await self.writer.read("Patient", patient_of(found[0]) or "-")
        if found is None or patient is None or task_kind(found[0]) != REGISTRATION:
            raise RegistrarConflict("There is no such registration.")
        whose = str(patient[0]["id"])
        context = self.writer.context("portal")
        checks = await self.writer.found(context, "VerificationResult", [("target", f"Patient/{whose}")])
        if (requester_of(found[0]) or "").startswith("Practitioner/"):
            checks = await self._since_it_began(task, checks)
        parts = await self.writer.found(context, "Task", [("part-of", f"Task/{task}")])
        # Whoever else makes such a Task, at a place of their own, reviews nothing here.
        own = [each for each in parts if task_kind(each) == REVIEW and related_of(each) is None]
        reviews = [each for each in own if _place_of(each) == _place_of(found[0])]
        places = [place for each in found[0].get("input", ()) for place in places_of(each.get("valueReference"))]
        proofs = [each for place in places if (each := await self.writer.read(*_split(place))) is not None]
        return Case(
            task,
            found[0],
            found[1],
            patient[0],
            tuple(checks),
            tuple(reviews),
            # Staff are shown the proofs, so that no registration may name what is in another's record.
            tuple([each for each, _ in proofs if _is_document_of(each, whose) and await self.file(each, whose)]),
        )

    async def _since_it_began(self, task: str, checks: list[Resource]) -> list[Resource]:
        """Whoever begins it must not have confirmed the person by themselves before: what is older does not count."""
        first = await resources.read_version(self.writer.server.database, "Task", task, 1)
        began = None if first is None or first.body is None else decode(first.body)["meta"]["lastUpdated"]
        return [each for each in checks if began is not None and each["meta"]["lastUpdated"] > began]

    async def file(self, document: Resource, patient: str) -> Resource | None:
        """The Binary of a document of this Patient (an id); without it there is nothing to look at."""
        for id in made.files_of(document):
            found = await self.writer.read("Binary", id)
            if found is not None and made.is_file_of(found[0], patient):
                return found[0]
        return None

    async def places(self, fhir_user: str) -> tuple[str, ...]:
        """The organisations where a practitioner works, and the practitioner."""
        found = await roles(self.writer.server.database, to_milliseconds(now()), fhir_user)
        return (*found.organisations, *found.own)


def open_task(case: Case) -> OpenTask:
    """It as staff are shown it."""
    name: Resource = next(iter(case.patient.get("name", ())), {})
    shown = " ".join([*name.get("given", ()), name.get("family", ""), *name.get("suffix", ())]).strip()
    proofs = tuple((made.proof_kind(each) or "", f"DocumentReference/{each['id']}") for each in case.proofs)
    born = str(case.patient.get("birthDate", ""))
    return OpenTask(case.id, shown, born, case.beneficiary, case.status, reason_of(case.task), proofs)


def _place_of(task: Resource) -> str:
    return owner_of(task) or AGENCY


def _is_document_of(resource: Resource, patient: str) -> bool:
    return resource["resourceType"] == "DocumentReference" and patient in referenced(resource.get("subject"), "Patient")


def places_of(references: object) -> list[str]:
    """The relative references among these."""
    several = references if isinstance(references, list) else [references]
    return [str(each["reference"]) for each in several if isinstance(each, dict) and "/" in str(each.get("reference"))]


def _split(place: str) -> tuple[str, str]:
    type, _, id = place.partition("/")
    return type, id
