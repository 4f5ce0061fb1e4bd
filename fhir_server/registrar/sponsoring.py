"""Who sponsors whom by the registry of eligibility."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from fhir_server.care.beneficiary_class import CLASS_RULES, may_sponsor
from fhir_server.care.registration_tasks import dod_ids
from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from smart_auth.identity.eligibility import EligibilityRegistry, RegistryUnavailable


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
        return any(each.dod_id in those and each.relationship == relationship for each in found)
