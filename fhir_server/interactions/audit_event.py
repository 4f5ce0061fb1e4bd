"""AuditEvents as they are drawn from the rows of the audit log, one for each patient that a row concerns.

https://hl7.org/fhir/R4/auditevent.html, https://profiles.ihe.net/ITI/BALP/ (Basic Audit Log Patterns 1.1)
"""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from fhir_server.core.audit_entry import AuditEntry, unversioned
from fhir_server.core.instant import format_instant
from fhir_server.core.resource import Resource
from fhir_server.interactions.audit_codes import DICOM, subtypes_of, type_of
from fhir_server.search.parameter_types.date import to_datetime

BALP = "https://profiles.ihe.net/ITI/BALP"
CLIENTS = "urn:fhir-server:client"
SUBJECTS = "urn:fhir-server:account"
CHAINS = "urn:fhir-server:audit-chain"
ROLES = "urn:fhir-server:role"
REQUESTS = f"{BALP}/CodeSystem/BasicAuditEntityType"

MAX_SHOWN = 100
"""Resources of a search that its AuditEvent lists; the row has all."""

_ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ENTITY_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_SOURCE = {"system": DICOM, "code": "110153", "display": "Source Role ID"}
_DESTINATION = {"system": DICOM, "code": "110152", "display": "Destination Role ID"}
_APPLICATION = {"system": DICOM, "code": "110150", "display": "Application"}
_CUSTODIAN = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "custodian",
    "display": "Custodian",
}
_RECIPIENT = {"system": _PARTICIPATION, "code": "IRCP", "display": "information recipient"}
_AUTHOR = {"system": _PARTICIPATION, "code": "AUT", "display": "author (originator)"}
_BY_TOKEN = {"system": f"{BALP}/CodeSystem/UserAgentTypes", "code": "UserOauthAgent"}
_ORGANIZATION = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-RoleClass",
    "code": "PROV",
    "display": "healthcare provider",
}
_SERVER = {
    "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
    "code": "4",
    "display": "Application Server",
}
_PURPOSES = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_MASKED = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}

_PROFILES = {
    "create": "Create",
    "read": "Read",
    "vread": "Read",
    "update": "Update",
    "patch": "Update",
    "delete": "Delete",
    "search-type": "Query",
    "search-system": "Query",
}
"""BALP's patterns of what succeeded; there is none for histories."""

_WHO_SENDS = {
    "Read": (_DESTINATION, _SOURCE),
    "Delete": (_APPLICATION, _CUSTODIAN),
}
"""What client and server are in a pattern. In the others the client is the source, as of what it asks."""


@dataclass(frozen=True, slots=True)
class Event:
    """One AuditEvent to be: a row's entry, and which of the patients it concerns; None where it concerns none."""

    row_id: str
    entry: AuditEntry
    position: int = 0

    @property
    def id(self) -> str:
        """The logical id."""
        return f"{self.row_id}-{self.position}"

    @property
    def patient(self) -> str | None:
        """The id of the patient it concerns."""
        return self.entry.patients[self.position] if self.entry.patients else None


@dataclass(frozen=True, slots=True)
class View:
    """For whom events are drawn. A patient (`is_narrowed`) is not shown what others asked for, nor from where.

    `subject` is who looks; `base` the FHIR base as they write it.
    """

    base: str
    subject: str = ""
    is_narrowed: bool = False

    def sees_all_of(self, entry: AuditEntry) -> bool:
        """Whether nothing of it is cut."""
        return not self.is_narrowed or (entry.subject != "" and entry.subject == self.subject)


def events_of(row_id: str, entry: AuditEntry) -> list[Event]:
    """The events a row stands for."""
    return [Event(row_id, entry, position) for position in range(max(len(entry.patients), 1))]


def names_its_places(entry: AuditEntry) -> bool:
    """Whether each of its places is known to be one of each of its patients."""
    return len(entry.patients) <= 1 or len(entry.places) <= 1


def audit_event(event: Event, view: View) -> Resource:
    """The AuditEvent."""
    entry = event.entry
    recorded = format_instant(to_datetime(entry.at))
    happening = (entry.kind, entry.interaction)
    drawn: Resource = {
        "resourceType": "AuditEvent",
        "id": event.id,
        "meta": {"versionId": "1", "lastUpdated": recorded, **_profile(event)},
        "type": type_of(happening),
        "subtype": list(subtypes_of(happening)),
        "action": entry.action or "E",
        "recorded": recorded,
        "outcome": entry.outcome,
    }
    if entry.text:
        drawn["outcomeDesc"] = entry.text
    elif entry.outcome != "0":
        drawn["outcomeDesc"] = f"HTTP {entry.status}" + (f", outcome {entry.number}" if entry.number else "")
    purposes = _purposes(entry)
    if purposes:
        drawn["purposeOfEvent"] = purposes
    drawn["agent"] = _agents(entry, view)
    chain = {"system": CHAINS, "value": event.row_id.partition("-")[0]}
    drawn["source"] = {"observer": {"identifier": chain, "display": "fhir-server"}, "type": [_SERVER]}
    entities = _entities(event, view)
    if entities:
        drawn["entity"] = entities
    return drawn


def _pattern(entry: AuditEntry) -> str:
    return _PROFILES.get(entry.interaction, "") if entry.kind == "rest" else ""


def _profile(event: Event) -> dict[str, list[str]]:
    pattern = _pattern(event.entry)
    # A pattern of BALP is of what succeeded, and of one resource or query.
    if not pattern or event.entry.outcome != "0" or (pattern != "Query" and len(event.entry.places) != 1):
        return {}
    whose = "Patient" if event.patient else ""
    return {"profile": [f"{BALP}/StructureDefinition/IHE.BasicAudit.{whose}{pattern}"]}


def _agents(entry: AuditEntry, view: View) -> list[dict[str, Any]]:
    pattern = _pattern(entry)
    as_client, as_server = _WHO_SENDS.get(pattern, (_SOURCE, _DESTINATION))
    has_user = bool(entry.fhir_user or (entry.subject and entry.subject != entry.client))
    client: dict[str, Any] = {
        "type": {"coding": [as_client]},
        "who": {"identifier": {"system": CLIENTS, "value": entry.client}} if entry.client else {"display": "unknown"},
        "requestor": not has_user,
    }
    if entry.address:
        network = {"address": entry.address, "type": "2"} if view.sees_all_of(entry) else {"_address": _MASKED}
        client["network"] = network
    agents = [client]
    if has_user:
        agents.append(_user(entry, view, _AUTHOR if pattern in ("Create", "Update", "Delete") else _RECIPIENT))
    elif pattern != "Delete":
        client |= _by_token(entry, view)
    if entry.agency:
        who = {"identifier": {"system": "urn:ietf:rfc:3986", "value": entry.agency}}
        agents.append({"type": {"coding": [_ORGANIZATION]}, "who": who, "requestor": False})
    agents.append(
        {
            "type": {"coding": [as_server]},
            "who": {"identifier": {"system": "urn:ietf:rfc:3986", "value": view.base}},
            "requestor": False,
            "network": {"address": view.base, "type": "5"},
        }
    )
    return agents


def _user(entry: AuditEntry, view: View, part: dict[str, str]) -> dict[str, Any]:
    user: dict[str, Any] = {"type": {"coding": [part, _BY_TOKEN] if entry.token else [part]}}
    if entry.role:
        user["role"] = [{"coding": [{"system": ROLES, "code": entry.role}]}]
    account = {"identifier": {"system": SUBJECTS, "value": entry.subject}}
    user["who"] = {"reference": entry.fhir_user} if entry.fhir_user else account
    if entry.subject and view.sees_all_of(entry):
        user["altId"] = entry.subject
    user["requestor"] = True
    return user | _by_token(entry, view)


def _by_token(entry: AuditEntry, view: View) -> dict[str, Any]:
    """By which token, and for what purposes, an agent acted."""
    found: dict[str, Any] = {}
    if entry.token and view.sees_all_of(entry):
        found["policy"] = [f"urn:ietf:params:oauth:jti:{entry.token}"]
    purposes = _purposes(entry)
    if purposes:
        found["purposeOfUse"] = purposes
    return found


def _purposes(entry: AuditEntry) -> list[dict[str, Any]]:
    codes = dict.fromkeys((*entry.purposes, "BTG") if entry.emergency else entry.purposes)
    return [{"coding": [{"system": _PURPOSES, "code": code}]} for code in codes]


def _entities(event: Event, view: View) -> list[dict[str, Any]]:
    entry = event.entry
    entities: list[dict[str, Any]] = []
    if event.patient:
        what = {"reference": f"Patient/{event.patient}"}
        entities.append({"what": what, "type": _entity_type("1", "Person"), "role": _entity_role("1", "Patient")})
    shows_places = view.sees_all_of(entry) or names_its_places(entry)
    if entry.is_search:
        entities.append(_query(entry, view))
        # A code of its own for each: of type 2, BALP has only the query.
        entities += [_shown(place) for place in entry.places[:MAX_SHOWN]] if shows_places else []
    elif shows_places:
        entities += [_object(place) for place in entry.places]
    if entry.request_id:
        request = {"identifier": {"value": entry.request_id}}
        entities.append({"what": request, "type": {"system": REQUESTS, "code": "XrequestId"}})
    return entities


def _query(entry: AuditEntry, view: View) -> dict[str, Any]:
    query: dict[str, Any] = {"type": _entity_type("2", "System Object"), "role": _entity_role("24", "Query")}
    if not view.sees_all_of(entry):
        return query | {"_query": _MASKED}
    text = entry.query or entry.type
    return query | ({"query": b64encode(text.encode()).decode()} if text else {"_query": _MASKED})


def _object(place: str) -> dict[str, Any]:
    what = {"reference": place}
    return {"what": what, "type": _entity_type("2", "System Object"), "role": _entity_role("4", "Domain Resource")}


def _shown(place: str) -> dict[str, Any]:
    type = {"system": "http://hl7.org/fhir/resource-types", "code": unversioned(place).partition("/")[0]}
    return {"what": {"reference": place}, "type": type, "role": _entity_role("4", "Domain Resource")}


def _entity_type(code: str, display: str) -> dict[str, str]:
    return {"system": _ENTITY_TYPES, "code": code, "display": display}


def _entity_role(code: str, display: str) -> dict[str, str]:
    return {"system": _ENTITY_ROLES, "code": code, "display": display}
