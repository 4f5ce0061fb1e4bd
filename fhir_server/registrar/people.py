"""Who a registration is about, in the record: the Patient, the Person behind it, and the sponsor beside it.

https://hl7.org/fhir/R4/person.html, https://hl7.org/fhir/R4/relatedperson.html
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from fhir_server.care import registration_resources as made
from fhir_server.care.registration_case import Case
from fhir_server.care.registration_tasks import DOD_ID_SYSTEM, relationship_of
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document
from fhir_server.interactions.context import RequestContext
from fhir_server.record_writer import RecordWriter
from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.registration import RegistrarConflict

DOD = DOD_ID_SYSTEM

_LEADS_AWAY = ("refer", "replaced-by")
"""Types of `Patient.link` whose other end is the record to be used: http://hl7.org/fhir/R4/valueset-link-type.html."""

LATE = (409, 412)
"""Statuses of a write that came after another's."""


@dataclass(frozen=True, slots=True)
class People:
    """Finds and makes them."""

    writer: RecordWriter
    adult_years: int
    today: Callable[[], date]

    async def patient(self, context: RequestContext, enrolled: Enrolled, owner: str) -> str:
        """The id of the one Patient with this DoD ID, made where there is none. Raises RegistrarConflict for two."""
        found = await self.bearers(context, enrolled.dod_id)
        if len(found) > 1:
            raise RegistrarConflict("Two records have one DoD ID number.")
        if found:
            return str(found[0]["id"])
        # Nobody who knows the number can find out the id, and two workers make the same one.
        key = self.writer.server.cursor_key
        id = f"person-{hmac.new(key, f'patient {enrolled.dod_id}'.encode(), hashlib.sha256).hexdigest()[:32]}"
        name = made.human_name(enrolled.family, enrolled.given, enrolled.suffix)
        held = sorted(enrolled.classes(self.today()))
        resource = made.patient(enrolled.dod_id, name, enrolled.birth_date, held[0] if held else None, owner)
        try:
            await self.writer.commit(context, self.writer.put(context, resource, id, creates_only=True))
        except FhirError as error:
            if error.status not in LATE:
                raise
        return id

    async def bearers(self, context: RequestContext, dod_id: str) -> list[Resource]:
        """The Patients with this DoD ID; not the copies of sources, which lead to the record they were sent about."""
        found = await self.writer.found(context, "Patient", [("identifier", f"{DOD}|{dod_id}")])
        return [each for each in found if all(link.get("type") not in _LEADS_AWAY for link in each.get("link", ()))]

    async def identify(self, context: RequestContext, patient: str, identification: str) -> None:
        """The Patient has this card's number (`assigner|number`) among its identifiers."""
        held = await self.writer.read("Patient", patient)
        if held is None:
            return
        assigner, _, number = identification.rpartition("|")
        identifiers = list(held[0].get("identifier", ()))
        if all(each.get("value") != number for each in identifiers):
            identifiers.append(made.card_identifier(number, assigner or "Uniformed Services"))
            changed = held[0] | {"identifier": identifiers}
            await self.writer.commit(context, self.writer.put(context, changed, patient, if_version=held[1]))

    async def relation(
        self, context: RequestContext, task: str, patient: str, sponsor: str, relationship: str
    ) -> list[Document]:
        """The sponsor in the dependent's record, unless they are there already."""
        found = await self.writer.read("Patient", sponsor)
        if found is None or await self._related(context, patient, found[0], task) is not None:
            return []
        resource = made.related_person(patient, found[0], relationship, self.today())
        return [self.writer.put(context, resource, f"{task}-sponsor")]

    async def _related(self, context: RequestContext, patient: str, sponsor: Resource, task: str) -> Resource | None:
        """The RelatedPerson who is this sponsor."""
        held = await self.writer.read("RelatedPerson", f"{task}-sponsor")
        if held is not None:
            return held[0]
        numbers = [each.get("value") for each in sponsor.get("identifier", ()) if each.get("system") == DOD]
        for number in numbers:
            pairs = [("patient", f"Patient/{patient}"), ("identifier", f"{DOD}|{number}")]
            for each in await self.writer.found(context, "RelatedPerson", pairs):
                return each
        return None

    async def family(self, context: RequestContext, case: Case) -> list[Document]:
        """What a completed registration opens: the Persons, and of a dependent the sponsor's relation to them."""
        documents: list[Document] = []
        patient = str(case.patient["id"])
        own = await self._person(context, case.patient)
        if own.get("id") is None:
            documents.append(self.writer.put(context, own, f"{patient}-person", creates_only=True))
        found = None if case.sponsor is None else await self.writer.read("Patient", case.sponsor.partition("/")[2])
        if found is None or case.beneficiary != "dependent":
            return documents
        related = await self._related(context, patient, found[0], case.id)
        if related is None:
            return documents
        place = f"RelatedPerson/{related['id']}"
        held = await self.writer.read("RelatedPerson", str(related["id"]))
        version = None if held is None else held[1]
        documents.append(self.writer.put(context, related | {"active": True}, str(related["id"]), if_version=version))
        sponsor = await self._person(context, found[0])
        id = str(sponsor.get("id") or f"{found[0]['id']}-person")
        documents.append(self.writer.put(context, made.linked(sponsor, place), id))
        if relationship_of(case.task) in ("child", "ward") and not self.is_adult(case.patient):
            consent = made.parental_consent(patient, place, format_instant(now()), self.today())
            documents.append(self.writer.put(context, consent, f"{case.id}-consent"))
        return documents

    async def _person(self, context: RequestContext, patient: Resource) -> Resource:
        """The Person linked to a Patient, or one to be made (it has no id)."""
        found = await self.writer.found(context, "Person", [("link", f"Patient/{patient['id']}")])
        mine = [each for each in found if each.get("active") is not False]
        return mine[0] if mine else made.person(patient)

    def is_adult(self, patient: Resource) -> bool:
        """Whether a grown-up's own word counts; so too where the birth date is not known."""
        born, today = str(patient.get("birthDate") or "0001"), self.today()
        return born <= f"{today.year - self.adult_years:04d}-{today.month:02d}-{today.day:02d}"
