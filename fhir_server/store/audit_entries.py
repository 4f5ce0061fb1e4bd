"""Audit entries made of what a request did, of how it was refused, and of what happened at sign-in.

https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/security.html#AccessDenied
"""

from typing import Protocol

import msgspec

from fhir_server.core.audit_entry import AuditEntry, EntryKind
from fhir_server.core.trail import Accessed
from fhir_server.definitions.withheld import struck_query
from fhir_server.policy import Sight

_REFUSED_STATUS = {
    "login-failed": 401,
    "token-refused": 400,
    "grant-refused": 403,
    "page-refused": 400,
    "throttled": 429,
    "unavailable": 503,
}
_FAILED_STATUS = {"card": 401, "step-up": 401, "provider": 401, "logon": 401, "contact": 403, "conditions": 403}
"""Of what may succeed or fail: the status where it failed and is not 400."""

_ACTIONS = {
    "create": "C",
    "update": "U",
    "patch": "U",
    "delete": "D",
    "read": "R",
    "vread": "R",
    "history-instance": "R",
    "history-type": "R",
    "history-system": "R",
}
"""What was attempted, by the name of the interaction; anything else is executed."""
_LONGEST_TEXT = 500


class Asked(msgspec.Struct, frozen=True):
    """A request as its path tells it. `place` is empty where the path names no resource; `address` is the client's."""

    request_id: str
    interaction: str
    type: str = ""
    place: str = ""
    address: str = ""


class SignInEvent(Protocol):
    """smart_auth.audit.AuthEvent, by its shape."""

    @property
    def kind(self) -> str:
        """`login`, `token-refused`, ..."""

    @property
    def at(self) -> int:
        """Seconds since 1970."""

    @property
    def outcome(self) -> str:
        """`ok` or `failed`."""

    @property
    def account(self) -> str | None:
        """The account's id."""

    @property
    def client_id(self) -> str | None:
        """The client's id."""

    @property
    def fhir_user(self) -> str | None:
        """Who the account is, relative (`Practitioner/p7`)."""

    @property
    def patient(self) -> str | None:
        """The id of the patient in context."""

    @property
    def text(self) -> str:
        """What happened, without secrets."""

    @property
    def request_id(self) -> str:
        """The id of the HTTP request, empty outside of one."""


def accessed(sight: Sight, asked: Asked, at: int, access: Accessed) -> AuditEntry:
    """The entry of one access of a request."""
    return _entry(
        sight,
        asked,
        at,
        kind="export" if access.exported else "rest",
        interaction=access.exported or access.interaction,
        action="E" if access.interaction.startswith("search") else access.action,
        type=access.type,
        places=access.places,
        patients=tuple(dict.fromkeys(access.patients)),
        query=struck_query(access.query or ""),
        status=access.status,
    )


def refused(sight: Sight, asked: Asked, at: int, status: int, number: int) -> AuditEntry:
    """The entry of a request that was refused as a whole, or failed."""
    return _entry(
        sight,
        asked,
        at,
        interaction=asked.interaction,
        action=_ACTIONS.get(asked.interaction, "E"),
        type=asked.type,
        places=(asked.place,) if asked.place else (),
        status=status,
        number=number,
    )


def sign_in(event: SignInEvent) -> AuditEntry:
    """The entry of an event of the authorization server."""
    failed = _REFUSED_STATUS.get(event.kind) or _FAILED_STATUS.get(event.kind, 400)
    is_failure = event.outcome != "ok" or event.kind in _REFUSED_STATUS
    concerned = dict.fromkeys(filter(None, (event.patient, _as_patient(event.fhir_user))))
    return AuditEntry(
        at=event.at * 1000,
        kind="sign-in",
        subject=event.account or "",
        client=event.client_id or "",
        fhir_user=event.fhir_user or "",
        interaction=event.kind,
        action="E",
        patients=tuple(concerned),
        status=failed if is_failure else 200,
        emergency=event.kind == "emergency",
        text=event.text[:_LONGEST_TEXT],
        request_id=event.request_id,
    )


def alert(refusal: AuditEntry, count: int, text: str) -> AuditEntry:
    """The entry of a burst of refusals, of which `refusal` is the last."""
    return AuditEntry(
        at=refusal.at,
        kind="alert",
        subject=refusal.subject,
        client=refusal.client,
        role=refusal.role,
        fhir_user=refusal.fhir_user,
        agency=refusal.agency,
        address=refusal.address,
        request_id=refusal.request_id,
        interaction="burst-of-refusals",
        action="E",
        status=refusal.status,
        text=text,
        count=count,
    )


def _entry(
    sight: Sight,
    asked: Asked,
    at: int,
    *,
    kind: EntryKind = "rest",
    interaction: str,
    action: str,
    type: str,
    places: tuple[str, ...],
    status: int,
    patients: tuple[str, ...] = (),
    query: str = "",
    number: int = 0,
) -> AuditEntry:
    access = sight.access
    return AuditEntry(
        at=at,
        kind=kind,
        subject=access.subject if access else "",
        client=access.client_id if access else "",
        role=access.kind if access else "",
        fhir_user=(access.fhir_user or "") if access else "",
        agency=(access.agency or "") if access else "",
        purposes=access.purposes if access else (),
        emergency=access.emergency if access else False,
        token=access.token_id if access else "",
        address=asked.address,
        interaction=interaction,
        action=action,
        type=type,
        places=places,
        patients=patients,
        query=query,
        status=status,
        number=number,
        request_id=asked.request_id,
    )


def _as_patient(fhir_user: str | None) -> str | None:
    type, _, id = (fhir_user or "").partition("/")
    return id if type == "Patient" else None
