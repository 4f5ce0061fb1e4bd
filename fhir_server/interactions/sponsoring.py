"""Who sponsors whom, as an eligibility system knows it: what interactions ask of whoever composes the server."""

from typing import Protocol

from fhir_server.core.resource import Resource


class Sponsoring(Protocol):
    """Knows which dependents a member or retiree has."""

    async def names(self, sponsor: Resource, dependent: Resource, relationship: str | None) -> bool:
        """Whether the Patient `sponsor` may sponsor today and the Patient `dependent` is theirs, as this (`child`), or
        as whatever where it is None.

        Raises FhirError 503 where it cannot be known now.
        """
        ...
