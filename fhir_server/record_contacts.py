"""Contact data in the record: the ContactRecords of smart_auth (smart_auth/identity/contact.py says what it means)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from fhir_server.care.contact import address_in_use, provenance, telecom_value, with_contact
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import Document
from fhir_server.record_writer import RecordWriter
from smart_auth.identity.contact import Contact, ContactChanged

_LOST = frozenset({409, 412})


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class RecordContacts:
    """Reads and writes the Patients of this server."""

    writer: RecordWriter
    today: Callable[[], date] = _today

    async def read(self, patient: str) -> Contact | None:
        """What the Patient says now; None where there is none. Raises FhirError 503."""
        kept = await self.writer.read("Patient", patient)
        return None if kept is None else _contact(kept[0], self.today())

    async def verify(self, account: str, patient: str, contact: Contact) -> None:
        """Write what a patient confirmed or changed, with a Provenance; nothing else of the Patient changes.

        Raises ContactChanged where another write won or there is no such Patient, FhirError 422 for what no resource
        may hold, 503 where it cannot be kept.
        """
        kept = await self.writer.read("Patient", patient)
        if kept is None:
            raise ContactChanged
        resource, version = kept
        changed = with_contact(
            resource, email=contact.email, phone=contact.phone, address=_address(contact), day=self.today()
        )
        context = self.writer.context(account, f"Patient/{patient}", patient)
        documents: list[Document] = []
        if changed != resource:
            documents.append(self.writer.put(context, changed, patient, if_version=version))
            version += 1
        said = provenance(resource, version, bool(documents), format_instant(now()))
        documents.append(self.writer.put(context, said, new_logical_id(), creates_only=True))
        try:
            await self.writer.commit(context, *documents)
        except FhirError as error:
            if error.status in _LOST:
                raise ContactChanged from error
            raise


def _contact(patient: Resource, day: date) -> Contact:
    address = address_in_use(patient, day)
    return Contact(
        email=telecom_value(patient, "email", day),
        phone=telecom_value(patient, "phone", day),
        lines=tuple(address.get("line", ())),
        city=address.get("city", ""),
        state=address.get("state", ""),
        postal_code=address.get("postalCode", ""),
    )


def _address(contact: Contact) -> Resource:
    found = {
        "line": list(contact.lines),
        "city": contact.city,
        "state": contact.state,
        "postalCode": contact.postal_code,
    }
    return {name: value for name, value in found.items() if value}
