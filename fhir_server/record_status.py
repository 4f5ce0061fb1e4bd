"""Status over time: a new class of beneficiary in one record, whole or not at all.

docs/people/status.md; docs/adr/0026
"""

from dataclasses import dataclass
from datetime import date

from fhir_server.care.beneficiary_class import BeneficiaryClass, class_of, classes, comes_with_class
from fhir_server.care.status_change import begun, changed_patient, coverage_id, ended, stands_for
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document
from fhir_server.interactions.context import RequestContext
from fhir_server.record_writer import RecordWriter


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands: the Patient, its coverages from the earliest on, and the classes in force on a day."""

    patient: Resource
    coverages: tuple[Resource, ...]
    classes: frozenset[BeneficiaryClass]


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """Reads and changes the class of beneficiaries."""

    writer: RecordWriter

    async def standing(self, context: RequestContext, patient: str, day: date) -> Standing | None:
        """Where a patient stands on a day; None where there is no such Patient. Raises FhirError 503."""
        kept = await self.writer.read("Patient", patient)
        if kept is None:
            return None
        coverages = await self._coverages(context, patient)
        return Standing(kept[0], tuple(coverages), classes(kept[0], coverages, day))

    async def change(
        self,
        context: RequestContext,
        patient: str,
        new_class: BeneficiaryClass,
        start: date,
        *,
        icn: str | None = None,
        sponsor: str | None = None,
    ) -> None:
        """Give a patient a class from a day on; the old coverage holds to the day before. Made twice it is one change.

        `sponsor` is the id of the Patient on whom a new dependent depends. Raises FhirError 422 where there is no such
        Patient, or the sponsor is none; 412 where somebody else changed the record in the meantime; 503.
        """
        documents = await self._documents(context, patient, new_class, start, icn, sponsor)
        if documents:
            await self.writer.commit(context, *documents)

    async def _documents(
        self,
        context: RequestContext,
        patient: str,
        new_class: BeneficiaryClass,
        start: date,
        icn: str | None,
        sponsor: str | None,
    ) -> list[Document]:
        kept = await self.writer.read("Patient", patient)
        of_sponsor = None if sponsor is None else await self.writer.read("Patient", sponsor)
        if kept is None or (sponsor is not None and of_sponsor is None):
            raise outcome.BENEFICIARY_STATUS("There is no such Patient whose status could change.")
        resource, version = kept
        former = [each for each in await self._coverages(context, patient) if comes_with_class(each)]
        own, documents = class_of(resource), list[Document]()
        stays = next((each for each in former if stands_for(each, new_class, start, own)), None)
        new_id = coverage_id(patient, new_class, start)
        for coverage in former:
            changed = None if coverage is stays or coverage["id"] == new_id else ended(coverage, start, own)
            if changed is not None:
                documents.append(self.writer.put(context, changed, coverage["id"], if_version=_version(coverage)))
        if stays is None:
            new = begun(resource, new_class, start, former, icn, None if of_sponsor is None else of_sponsor[0])
            # There already: the same change was made before, and taken back by another one since.
            before = next((_version(each) for each in former if each["id"] == new_id), None)
            documents.append(self.writer.put(context, new, new_id, if_version=before, creates_only=before is None))
        changed_to = changed_patient(resource, new_class, icn)
        if documents or changed_to != resource:
            documents.append(self.writer.put(context, changed_to, patient, if_version=version))
        return documents

    async def _coverages(self, context: RequestContext, patient: str) -> list[Resource]:
        found = await self.writer.found(context, "Coverage", [("beneficiary", f"Patient/{patient}")])
        return sorted(found, key=lambda each: (str(each.get("period", {}).get("start", "")), each["id"]))


def _version(resource: Resource) -> int:
    return int(resource["meta"]["versionId"])
