"""What the sign-in pages ask of the records: names of patients, care relations, encounters.

It is the Directory of smart_auth (smart_auth/directory.py says what each method means).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.care.human_name import name_in_use
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id
from fhir_server.interactions import search
from fhir_server.interactions.care_relation import names_related, related_patients
from fhir_server.interactions.context import RequestContext, Server
from fhir_server.policy import Sight
from fhir_server.store import related
from smart_auth.access import AccessContext, ResourceScope
from smart_auth.directory import EncounterName, PatientName

MOST_SHOWN = 50

_DATE = re.compile(r"\d{4}(-\d\d){0,2}", re.ASCII).fullmatch
_MAX_WORDS = 8
_PICKER = "picker"


@dataclass(frozen=True, slots=True)
class RecordDirectory:
    """Looks up patients in the records of this server."""

    server: Server

    async def patients(self, ids: Sequence[str]) -> list[PatientName]:
        """Those of these patients that there are, in the order given. Raises FhirError 503 without a database."""
        wanted = [id for id in dict.fromkeys(ids) if is_id(id)]
        found = await related.bodies(self.server.database, "Patient", wanted)
        return [_patient_name(decode(found[id][1])) for id in wanted if id in found]

    async def related_patients(self, fhir_user: str, words: str) -> list[PatientName]:
        """Patients in care relation with a practitioner, by beginnings of names and by birth date; at most 50."""
        sight = Sight(_practitioner(fhir_user, "Patient"), await related_patients(self.server, fhir_user))
        found = await self._found(sight, "Patient", [*_criteria(words), ("_sort", "family")])
        return [_patient_name(each) for each in found]

    async def is_related(self, fhir_user: str, patient: str) -> bool:
        """Whether a practitioner has a care relation with this patient."""
        return await names_related(self.server, fhir_user, patient)

    async def encounters(self, patient: str) -> list[EncounterName]:
        """The patient's latest encounters that one in whose care the patient is may see, newest first; at most 50."""
        if not is_id(patient):
            return []
        # A restricted visit is in no list: already its date and kind say what it is restricted for.
        sight = Sight(_practitioner(_PICKER, "Encounter"), frozenset({patient}))
        found = await self._found(sight, "Encounter", [("patient", patient), ("_sort", "-date")])
        return [EncounterName(each["id"], _encounter_text(each)) for each in found]

    async def patient_exists(self, id: str) -> bool:
        """Whether there is such a patient now."""
        return bool(await self.patients([id]))

    async def _found(self, sight: Sight, type: str, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        context = RequestContext(self.server, _PICKER, self.server.own_bases[0], lenient=True, sight=sight)
        try:
            answer = await search.search(context, type, [*pairs, ("_count", str(MOST_SHOWN))])
        except FhirError as error:
            if error.status >= 500:
                raise
            # What was typed cannot be searched for, so it is nobody's name.
            return []
        bundle = decode(answer.body or b"{}")
        return [each["resource"] for each in bundle.get("entry", ()) if each["resource"]["resourceType"] == type]


def _practitioner(fhir_user: str, type: str) -> AccessContext:
    scope = ResourceScope("user", type, frozenset("rs"))
    return AccessContext(fhir_user, _PICKER, "practitioner", (scope,), fhir_user=fhir_user)


def _criteria(words: str) -> list[tuple[str, str]]:
    """`ada 1980-07-04` as criteria; what has a meaning of its own in a search is only a letter here."""
    typed = words.split()[:_MAX_WORDS]
    return [("birthdate", each) if _DATE(each) else ("name", re.sub(r"([\\$,|])", r"\\\1", each)) for each in typed]


def _patient_name(patient: dict[str, Any]) -> PatientName:
    name = name_in_use(patient) or f"Patient {patient['id']}"
    return PatientName(patient["id"], name, patient.get("birthDate"))


def _encounter_text(encounter: dict[str, Any]) -> str:
    day = str(encounter.get("period", {}).get("start", ""))[:10]
    kinds = [*encounter.get("type", ()), {"coding": [encounter.get("class", {})]}]
    said = [text for kind in kinds for text in (kind.get("text"), *_displays(kind)) if text]
    return ", ".join(part for part in (day, said[0] if said else "encounter") if part)


def _displays(concept: dict[str, Any]) -> list[str]:
    return [each["display"] for each in concept.get("coding", ()) if each.get("display")]
