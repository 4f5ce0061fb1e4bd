"""The codes of an AuditEvent's type and subtypes, by what an entry of the audit log says happened.

https://hl7.org/fhir/R4/valueset-audit-event-type.html, https://hl7.org/fhir/R4/valueset-audit-event-sub-type.html
"""

from collections.abc import Iterator

from fhir_server.core.audit_entry import EntryKind

Coding = dict[str, str]

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
OWN_EVENTS = "urn:fhir-server:audit-event"
"""Our own names of what happens at sign-in, beside the codes of others, which do not tell all of them apart."""

_REST = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "Restful Operation",
}
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
_AUTHENTICATION = {"system": DICOM, "code": "110114", "display": "User Authentication"}
_ALERT = {"system": DICOM, "code": "110113", "display": "Security Alert"}
_ACTIVITY = {"system": DICOM, "code": "110100", "display": "Application Activity"}
_LOGIN = {"system": DICOM, "code": "110122", "display": "Login"}
_LOGOUT = {"system": DICOM, "code": "110123", "display": "Logout"}
_START = {"system": DICOM, "code": "110120", "display": "Application Start"}
_OVERRIDE = {"system": DICOM, "code": "110127", "display": "Emergency Override Started"}
_ROLES = {"system": DICOM, "code": "110136", "display": "Security Roles Changed"}
_ATTRIBUTES = {"system": DICOM, "code": "110137", "display": "User Security Attributes Changed"}
_EXPORT = {"system": DICOM, "code": "110106", "display": "Export"}
_GET_TOKEN = {"system": "urn:ihe:event-type-code", "code": "ITI-71", "display": "Get Access Token"}

_SIGN_IN: dict[str, tuple[Coding, tuple[Coding, ...]]] = {
    "login": (_AUTHENTICATION, (_LOGIN,)),
    "login-failed": (_AUTHENTICATION, (_LOGIN,)),
    "logout": (_AUTHENTICATION, (_LOGOUT,)),
    "token": (_AUTHENTICATION, (_GET_TOKEN,)),
    "token-refused": (_AUTHENTICATION, (_GET_TOKEN,)),
    "grant": (_AUTHENTICATION, ()),
    "grant-refused": (_AUTHENTICATION, ()),
    "revoke": (_AUTHENTICATION, ()),
    "emergency": (_ALERT, (_OVERRIDE,)),
    "register": (_ACTIVITY, ()),
    "launch": (_ACTIVITY, ()),
    "page-refused": (_AUTHENTICATION, ()),
    "throttled": (_AUTHENTICATION, ()),
    "unavailable": (_AUTHENTICATION, ()),
    # Not Security Alert, whose subtypes these are in DICOM: who looks for alerts is to find alerts.
    "logon": (_ACTIVITY, (_ATTRIBUTES,)),
    "card": (_AUTHENTICATION, ()),
    "registration": (_ACTIVITY, (_ATTRIBUTES,)),
    "contact": (_ACTIVITY, ()),
    "conditions": (_ACTIVITY, ()),
    "proxy": (_ACTIVITY, (_ROLES,)),
    "step-up": (_AUTHENTICATION, ()),
    "provider": (_AUTHENTICATION, ()),
}

_RESTFUL = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "history-system",
    "create",
    "search-type",
    "search-system",
    "batch",
    "transaction",
    "operation",
    "capabilities",
)

EXPORTS = ("everything", "summary", "record-pdf", "ccd", "docref")
"""The operations that hand out a record."""

Happening = tuple[EntryKind, str]
"""The kind of an entry, and its interaction."""

HAPPENINGS: tuple[Happening, ...] = (
    *(("rest", each) for each in _RESTFUL),
    *(("sign-in", each) for each in _SIGN_IN),
    ("alert", "burst-of-refusals"),
    ("chain", "chain-started"),
    *(("export", each) for each in EXPORTS),
)


def type_of(happening: Happening) -> Coding:
    """AuditEvent.type."""
    kind, interaction = happening
    match kind:
        case "rest":
            return _REST
        case "alert":
            return _ALERT
        case "export":
            return _EXPORT
        case "sign-in":
            return _SIGN_IN.get(interaction, (_ACTIVITY, ()))[0]
    return _ACTIVITY


def subtypes_of(happening: Happening) -> tuple[Coding, ...]:
    """AuditEvent.subtype, our own name last."""
    kind, interaction = happening
    if kind == "rest":
        return ({"system": _INTERACTIONS, "code": interaction},)
    others: tuple[Coding, ...] = (_START,) if kind == "chain" else ()
    if kind == "sign-in":
        others = _SIGN_IN.get(interaction, (_ACTIVITY, ()))[1]
    if kind == "export":
        others = ({"system": _INTERACTIONS, "code": "operation"},)
    return (*others, {"system": OWN_EVENTS, "code": interaction})


def coded(element: str, system: str | None, code: str) -> Iterator[Happening]:
    """What has a coding as its `type` or `subtype`; a `system` of None stands for any, an empty code for all of it."""
    for happening in HAPPENINGS:
        codings = (type_of(happening),) if element == "type" else subtypes_of(happening)
        if any(system in (None, each["system"]) and code in ("", each["code"]) for each in codings):
            yield happening
