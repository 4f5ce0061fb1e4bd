"""Who sponsors whom, and who somebody is, by the registry of eligibility."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from fhir_server.care.beneficiary_class import CLASS_RULES, may_sponsor
from fhir_server.care.registration import Beneficiary, ProofResult
from fhir_server.care.registration_tasks import dod_ids
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from smart_auth.identity.eligibility import EligibilityRegistry, Enrolled, RegistryUnavailable
from smart_auth.identity.names import same_name


@dataclass(frozen=True, slots=True)
class RegistrySponsoring:
    """Sponsoring (fhir_server/interactions/sponsoring.py) over a registry; people are told by their DoD ID numbers."""

    registry: EligibilityRegistry
    today: Callable[[], date] = field(default=lambda: datetime.now(UTC).date())

    async def names(self, sponsor: Resource, dependent: Resource, relationship: str | None) -> bool:
        """Raises FhirError 503 where the registry does not answer."""
        numbers, those = sorted(dod_ids(sponsor)), dod_ids(dependent)
        if len(numbers) != 1 or not those:
            return False
        try:
            enrolled = await self.registry.by_dod_id(numbers[0])
            found = await self.registry.dependents_of(numbers[0])
        except RegistryUnavailable:
            text = "Who is enrolled cannot be looked up at the moment: try again later."
            raise outcome.UNAVAILABLE(text) from None
        held = frozenset() if enrolled is None else enrolled.classes(self.today())
        if not may_sponsor(each for each in CLASS_RULES if each in held):
            return False
        return any(each.dod_id in those and relationship in (None, each.relationship) for each in found)

    async def result(self, patient: Resource, beneficiary: Beneficiary) -> ProofResult:
        """What the registry says of a Patient who registers as this, found by the one DoD ID number."""
        numbers = sorted(dod_ids(patient))
        try:
            enrolled = await self.registry.by_dod_id(numbers[0]) if len(numbers) == 1 else None
        except RegistryUnavailable:
            return "unavailable"
        if enrolled is None or not _is_same(patient, enrolled):
            return "discrepancy"
        held = enrolled.classes(self.today())
        is_wanted = any(CLASS_RULES[each].registers_as == beneficiary for each in CLASS_RULES if each in held)
        return "proven" if is_wanted else "not-eligible"


def _is_same(patient: Resource, enrolled: Enrolled) -> bool:
    """Whether a name and the birth date of the record are those of the registry."""
    if patient.get("birthDate") != enrolled.birth_date.isoformat():
        return False
    return any(
        same_name(_typed(each), enrolled.family, enrolled.given, enrolled.suffix) for each in patient.get("name", ())
    )


def _typed(name: Resource) -> str:
    """A HumanName as somebody types it."""
    return " ".join([*name.get("given", ()), name.get("family", ""), *name.get("suffix", ())]).strip()
