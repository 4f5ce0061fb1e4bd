"""Who may see and change what: from an AccessContext to the rows of a type, as a condition inside every query.

https://hl7.org/fhir/R4/security.html#authorization,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from dataclasses import dataclass
from typing import Literal

from smart_auth.access import AccessContext

Permission = Literal["c", "r", "u", "d", "s"]


@dataclass(frozen=True, slots=True)
class Sight:
    """Who asks, as far as rows are concerned; made once for a request.

    Without `access` it is the operator of a server without sign-in, who sees everything. `related` are the ids of the
    patients a practitioner has a care relation with.
    """

    access: AccessContext | None = None
    related: frozenset[str] = frozenset()

    @property
    def caller(self) -> str:
        """Whom a page link is bound to: nobody else can open it."""
        if self.access is None:
            return "everyone"
        return f"{self.access.client_id} {self.access.subject} {self.access.patient or ''}"


OPERATOR = Sight()
