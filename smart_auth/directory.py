"""What the pages need to know of patients, asked of the FHIR server that hands this in.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PatientName:
    """A patient as people tell one from another: logical id, name as written, birth date (`1980-07-04`) if known."""

    id: str
    name: str
    birth_date: str | None = None


@dataclass(frozen=True, slots=True)
class EncounterName:
    """An encounter: logical id, and its date and kind in a few words."""

    id: str
    text: str


class Directory(Protocol):
    """Looks up patients. `fhir_user` is relative (`Practitioner/p7`)."""

    async def patients(self, ids: Sequence[str]) -> list[PatientName]:
        """Those of these patients that there are, in the order given."""
        ...

    async def related_patients(self, fhir_user: str, words: str) -> list[PatientName]:
        """Patients in care relation with a practitioner whose names begin with these words or who were born on the
        date among them; without words, some of all. At most 50.
        """
        ...

    async def is_related(self, fhir_user: str, patient: str) -> bool:
        """Whether a practitioner has a care relation with this patient."""
        ...

    async def encounters(self, patient: str) -> list[EncounterName]:
        """The patient's latest encounters that one in whose care the patient is may see, newest first. At most 50."""
        ...

    async def patient_exists(self, id: str) -> bool:
        """Whether there is such a patient now."""
        ...
