"""What the authorization server tells the audit log; the FHIR server hands in who writes it.

https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/valueset-audit-event-type.html
"""

from dataclasses import dataclass
from typing import Literal, Protocol

AuthEventKind = Literal[
    "login",
    "login-failed",
    "logout",
    "token",
    "token-refused",
    "grant",
    "grant-refused",
    "revoke",
    "register",
    "emergency",
    "launch",
    "page-refused",
    "throttled",
    "unavailable",
    "logon",
    "card",
    "registration",
    "contact",
    "conditions",
    "proxy",
    "step-up",
    "provider",
]


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """Something that happened at a sign-in page or an OAuth endpoint.

    `account` and `client_id` are ids, `fhir_user` and `patient` as in an AccessContext: whoever is known at that
    point. `text` says what happened, without secrets. `at` is in seconds since 1970.
    `request_id` is that of the HTTP request, empty outside of one.
    """

    kind: AuthEventKind
    at: int
    outcome: Literal["ok", "failed"] = "ok"
    account: str | None = None
    client_id: str | None = None
    fhir_user: str | None = None
    patient: str | None = None
    text: str = ""
    request_id: str = ""


class AuditTrail(Protocol):
    """Where events are kept."""

    async def record(self, event: AuthEvent) -> None:
        """Keep an event; it is durable when this returns. Raises the store's error where it cannot be kept."""
        ...
