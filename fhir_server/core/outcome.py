"""Every way a request can fail, as one exception that knows how it is drawn: an OperationOutcome.

https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/http.html#Status-Codes

Each failure has a stable number, so that a help desk, a log search and a client can name it whatever its words.
The numbers, their statuses and their meanings are printed in docs/errors.md, which a test compares with `NUMBERS`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning", "information"]

NUMBER_SYSTEM = "urn:fhir-server:outcome"
"""The code system of the stable numbers in `issue.details.coding`."""

SLUG_SYSTEM = "urn:fhir-server:refusal"
"""The code system of the words that some refusals have besides (`insufficient-assurance`)."""

NUMBERS: dict[int, tuple[int, str]] = {}
"""Stable number to (HTTP status, meaning); filled by the factories below."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One entry of OperationOutcome.issue. `expression` is a FHIRPath to the element, or a parameter's name.

    `slug` names the refusal in a word (`token-expired`), beside its number.
    """

    code: str
    text: str
    number: int
    severity: Severity = "error"
    expression: str | None = None
    slug: str | None = None


class FhirError(Exception):
    """A refusal on its way to the client; raised where the fact is known and rendered once, by the edge.

    `place` is the resource (`Patient/p1`) that the store refused to write, where it was one of several.
    """

    def __init__(
        self,
        status: int,
        issues: Sequence[Issue],
        headers: Mapping[str, str] | None = None,
        place: str | None = None,
    ) -> None:
        super().__init__(f"{status} {'; '.join(str(issue.number) for issue in issues)}")
        self.status = status
        self.issues = tuple(issues)
        self.headers: Mapping[str, str] = headers or {}
        self.place = place

    def at(self, place: str) -> "FhirError":
        """The same refusal, naming the resource."""
        return FhirError(self.status, self.issues, self.headers, place)


def operation_outcome(issues: Iterable[Issue], request_id: str | None = None) -> dict[str, Any]:
    """The OperationOutcome resource; its id is the request id, which also finds the audit record."""
    drawn: dict[str, Any] = {"resourceType": "OperationOutcome"}
    if request_id:
        drawn["id"] = request_id
    drawn["issue"] = [_drawn(issue) for issue in issues]
    return drawn


def _drawn(issue: Issue) -> dict[str, Any]:
    coding = [{"system": NUMBER_SYSTEM, "code": str(issue.number)}]
    if issue.slug:
        coding.append({"system": SLUG_SYSTEM, "code": issue.slug})
    entry: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"coding": coding, "text": issue.text},
    }
    if issue.expression:
        entry["expression"] = [issue.expression]
    return entry


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of failure: its number, status and issue code. Call it with the words of one occurrence.

    `slug` is a second coding of its issues; an occurrence may say one of its own.
    """

    number: int
    status: int
    code: str
    meaning: str
    headers: Mapping[str, str] = field(default_factory=dict)
    slug: str | None = None

    def __post_init__(self) -> None:
        if self.number in NUMBERS:
            raise ValueError(f"outcome number {self.number} is taken")
        NUMBERS[self.number] = (self.status, self.meaning)

    def issue(
        self, text: str, expression: str | None = None, severity: Severity = "error", slug: str | None = None
    ) -> Issue:
        """An issue of this kind, to be gathered with others."""
        return Issue(self.code, text, self.number, severity, expression, slug or self.slug)

    def __call__(self, text: str, expression: str | None = None, slug: str | None = None) -> FhirError:
        """An error of this kind alone."""
        return FhirError(self.status, (self.issue(text, expression, slug=slug),), self.headers)


# 1xxx: the request as HTTP
MALFORMED_JSON = Failure(1001, 400, "structure", "the body is not JSON")
NOT_UTF8 = Failure(1002, 400, "structure", "the body is not UTF-8")
DUPLICATE_KEY = Failure(1003, 400, "structure", "an object repeats a key")
TOO_DEEP = Failure(1004, 400, "structure", "the body nests too deep")
TOO_LARGE = Failure(1005, 413, "too-long", "the body or the resource is over the size limit")
UNSUPPORTED_MEDIA_TYPE = Failure(1006, 415, "not-supported", "the body has a media type the server does not read")
NOT_ACCEPTABLE = Failure(1007, 406, "not-supported", "no media type the client accepts can be written")
UNKNOWN_ROUTE = Failure(1008, 404, "not-found", "no such path")
METHOD_NOT_ALLOWED = Failure(1009, 405, "not-supported", "the path does not take this method")
UNKNOWN_TYPE = Failure(1010, 404, "not-supported", "not a resource type of R4")
BAD_HEADER = Failure(1011, 400, "value", "a header has a value the server cannot use")
EMPTY_BODY = Failure(1012, 400, "required", "the request needs a body")
NOT_A_FORM = Failure(1013, 400, "structure", "the body of a POST _search is not a form")
NOT_HTTP = Failure(1014, 400, "structure", "the request is not well-formed HTTP")
HEAD_TOO_LARGE = Failure(1015, 431, "too-long", "the request line and headers are over the size limit")

# 2xxx: interactions
NOT_FOUND = Failure(2001, 404, "not-found", "no such resource")
GONE = Failure(2002, 410, "deleted", "the resource was deleted")
VERSION_NOT_FOUND = Failure(2003, 404, "not-found", "no such version of the resource")
VERSION_CONFLICT = Failure(2004, 412, "conflict", "If-Match does not hold: another version is current, or none")
MULTIPLE_MATCHES = Failure(2005, 412, "multiple-matches", "a condition matches more than one resource")
PRECONDITION_FAILED = Failure(2006, 412, "conflict", "the condition of a conditional request does not hold")
TYPE_MISMATCH = Failure(2007, 400, "invalid", "resourceType and the type in the URL differ")
ID_MISMATCH = Failure(2008, 400, "invalid", "the id in the resource and the id in the URL differ, or it is missing")
BAD_ID = Failure(2009, 400, "value", "not a FHIR id")
BAD_BUNDLE = Failure(2010, 400, "invalid", "the Bundle is not a batch or transaction that can be run")
DUPLICATE_ENTRY = Failure(2011, 400, "duplicate", "two entries of a transaction write the same resource")
UNRESOLVED_REFERENCE = Failure(2012, 400, "not-found", "a reference inside the Bundle resolves to nothing")
WRITE_CONFLICT = Failure(2013, 409, "conflict", "other writes to the same resources kept winning")
NOT_SUPPORTED = Failure(2014, 400, "not-supported", "the server does not offer this interaction")
BUSINESS_RULE = Failure(2015, 422, "business-rule", "the content breaks a rule of its type")
OPERATION_UNKNOWN = Failure(2016, 404, "not-supported", "no such operation")
BAD_PATCH = Failure(2017, 400, "structure", "the patch is not a document of its format")
PATCH_MISFIT = Failure(2018, 422, "processing", "an operation of the patch does not fit the resource")
PATCH_TEST_FAILED = Failure(2019, 422, "conflict", "a test of the JSON Patch does not hold")
NOT_PATCHABLE = Failure(2020, 422, "business-rule", "the patch changes what the server keeps: type, id or version")
STALE_NARRATIVE = Failure(2021, 422, "business-rule", "after the patch the narrative would tell of what was before")
BAD_OPERATION_CALL = Failure(2022, 400, "invalid", "a parameter of an operation is unknown, missing or of a wrong form")

# 3xxx: content of resources
NOT_A_RESOURCE = Failure(3001, 400, "structure", "the body is JSON, but not a resource")
UNKNOWN_ELEMENT = Failure(3002, 400, "structure", "the type has no such element")
WRONG_TYPE = Failure(3003, 400, "structure", "an element holds another kind of JSON value than its type has")
REQUIRED_ELEMENT = Failure(3004, 400, "required", "a required element is missing")
TOO_MANY = Failure(3005, 400, "structure", "an element repeats more often than allowed")
EMPTY_VALUE = Failure(3006, 400, "structure", "an empty string, array or object")
BAD_FORMAT = Failure(3007, 400, "value", "a primitive's text breaks the format of its type")
CODE_NOT_ALLOWED = Failure(3008, 422, "code-invalid", "a code is not in the required value set")
CHOICE_TWICE = Failure(3009, 400, "structure", "more than one form of a value[x] element")
MODEL_REFUSED = Failure(3010, 422, "invariant", "the second check of the content refused it")

# 4xxx: search
UNKNOWN_PARAMETER = Failure(4001, 400, "not-supported", "the type has no such search parameter")
UNKNOWN_MODIFIER = Failure(4002, 400, "not-supported", "the search parameter does not take this modifier")
BAD_PARAMETER_VALUE = Failure(4003, 400, "value", "a search parameter has a value it cannot take")
BAD_SORT = Failure(4004, 400, "value", "_sort names what the type cannot be sorted by")
BAD_CURSOR = Failure(4005, 400, "value", "a page link that this server did not make, or that has expired")
TOO_COSTLY = Failure(4006, 400, "too-costly", "the search would take too long or too much memory")

# 5xxx: the server's own state
UNAVAILABLE = Failure(5001, 503, "transient", "the database cannot be reached", {"Retry-After": "2"})
INTERNAL = Failure(5002, 500, "exception", "an error of the server's own")
TIMED_OUT = Failure(5003, 503, "timeout", "the database took too long", {"Retry-After": "5"})
INDEXING = Failure(5004, 503, "transient", "the search values are being made anew", {"Retry-After": "10"})

VAULT_SHUT = Failure(5005, 503, "exception", "what is encrypted cannot be opened", {"Retry-After": "10"})

# 6xxx: access
FORBIDDEN_SCOPE = Failure(6001, 403, "forbidden", "no scope of the access token covers the type or what is asked of it")
FORBIDDEN_EXPLAIN = Failure(6002, 403, "forbidden", "how a search is run is told to administrators alone")

# 601x: who asks (6001 to 6009 say what that one may do)
UNAUTHENTICATED = Failure(6010, 401, "login", "no access token, or one that is not valid")
TOO_MANY_REQUESTS = Failure(6011, 429, "throttled", "the client asks too often")
SIGN_IN_UNAVAILABLE = Failure(
    6012, 503, "transient", "whether tokens were revoked cannot be known now", {"Retry-After": "2"}
)

# 602x: what may be written
FORBIDDEN_WRITE = Failure(6020, 403, "forbidden", "callers of this kind do not write such resources")
FORBIDDEN_CONTENT = Failure(6021, 403, "forbidden", "the resource would lie outside what the caller may write")
FORBIDDEN_ELEMENT = Failure(6022, 403, "forbidden", "an element that the caller may not change")
OTHER_AGENCY = Failure(6023, 403, "forbidden", "the resource came from another agency")
READ_ONLY_ELEMENT = Failure(6024, 422, "business-rule", "an element of their Patient that patients do not change")

# 603x: identifiers that are shown to few
WITHHELD = Failure(6030, 403, "forbidden", "the search asks for an identifier that the caller may not see")

# 604x: the audit log
AUDIT_UNAVAILABLE = Failure(
    6040, 503, "transient", "the audit log cannot be written, so nothing is answered", {"Retry-After": "2"}
)
AUDIT_KEPT = Failure(6041, 405, "not-supported", "audit events are made by the server alone, and never changed")
FORBIDDEN_AUDIT = Failure(6042, 403, "forbidden", "the audit log is shown to officers, and to patients theirs")

# Who signed in is not sure enough for what is asked
INSUFFICIENT_ASSURANCE = Failure(
    6043, 403, "forbidden", "a sign-in of level 1 sees no clinical record", slug="insufficient-assurance"
)
STEP_UP_REQUIRED = Failure(
    6044, 401, "login", "what is asked for takes a sign-in by CAC or PIV card", slug="step-up-required"
)

# 605x: registration of beneficiaries
REGISTRATION_STEP = Failure(6050, 422, "business-rule", "a registration does not go from this status to that one")
REGISTRATION_SPONSOR = Failure(
    6051, 422, "business-rule", "a dependent's registration is begun by the sponsor or by staff"
)
REGISTRATION_KEPT = Failure(6052, 403, "forbidden", "callers of this kind do not decide registrations")
BENEFICIARY_STATUS = Failure(6053, 422, "business-rule", "the change of a beneficiary's status breaks a rule")

# 620x: messages
MESSAGE_INCOMPLETE = Failure(6200, 422, "required", "a message lacks what it needs to be sent")
MESSAGE_SENT = Failure(6201, 422, "business-rule", "a sent message stays as it is")
MESSAGE_RECIPIENT = Failure(6202, 422, "business-rule", "a message goes to the care team and its patient alone")
MESSAGE_THREAD = Failure(6203, 422, "business-rule", "an answer is to a message of the same record")
MESSAGE_CONTENT = Failure(6204, 422, "business-rule", "a message holds what messages of people do not")
ATTACHMENT_LIMIT = Failure(
    6205, 422, "business-rule", "a message has too many or too large files", slug="attachment-limit"
)
ATTACHMENT_KIND = Failure(6206, 422, "business-rule", "a file is not taken, or is not what it says")
ATTACHMENT_KEPT = Failure(6207, 422, "business-rule", "a file of a sent message stays as it is")
ATTACHMENT_SCANNED = Failure(6208, 422, "business-rule", "the scan of files refuses this one")
SCAN_UNAVAILABLE = Failure(6209, 503, "transient", "files cannot be scanned at the moment", {"Retry-After": "30"})

REMINDER = Failure(6210, 422, "business-rule", "a reminder lacks something, or is not for oneself")

# 622x: records that are not here yet
NO_RECORDS = Failure(6220, 200, "informational", "the patient's facility keeps its records elsewhere up to now")
# 615x: medicines
MEDICINE_UNKNOWN = Failure(6150, 422, "business-rule", "a reference names no order of a medicine in this record")
NO_REFILLS_LEFT = Failure(
    6151, 422, "business-rule", "the order cannot be filled again: ask for a renewal", slug="no-refills-left"
)
REFILL_OPEN = Failure(6152, 422, "business-rule", "a refill of the order is being worked on", slug="refill-open")
REFILLS_REMAINING = Failure(
    6153, 422, "business-rule", "the order can still be filled: ask for a refill", slug="refills-remaining"
)
RENEWAL_OPEN = Failure(6154, 422, "business-rule", "a renewal of the order is being decided", slug="renewal-open")
NOT_RENEWABLE = Failure(6155, 422, "business-rule", "the order is not one that is renewed, or not so")
MEDICINE_STEP = Failure(6156, 422, "business-rule", "what was asked for does not go from this status to that one")
MEDICINE_KEPT = Failure(6157, 403, "forbidden", "patients do not decide what they asked for, nor change orders")
DISPENSED_OVER = Failure(6158, 422, "business-rule", "more would be dispensed than the order allows")
DISPENSE_KEPT = Failure(6159, 422, "business-rule", "what was dispensed stays counted with its order")
RENEWAL_DECIDED = Failure(6160, 422, "business-rule", "the renewal was decided, or the order was renewed, already")
MEDICINE_REQUEST = Failure(
    6161, 422, "business-rule", "a request for a medicine has an element that it must not, or lacks one"
)
# 61xx: visits
SLOT_TAKEN = Failure(6101, 409, "conflict", "the slot is not free, or somebody else was faster", slug="slot-taken")
SLOT_IN_USE = Failure(6102, 409, "conflict", "a visit is booked in the slot, which therefore stays as it is")
VISIT_SLOT = Failure(6103, 422, "business-rule", "a visit is booked by slots of one Schedule that are there")
VISIT_FACILITY = Failure(
    6104, 422, "business-rule", "the slot is at no facility of the federal health system that is live"
)
VISIT_TIME = Failure(6105, 422, "business-rule", "the time of a visit is that of its slots")
VISIT_PAST = Failure(6106, 422, "business-rule", "the slot or the visit has begun already")
VISIT_STATUS = Failure(
    6107, 422, "business-rule", "a visit does not go from this status to that one, or not by patients"
)
VISIT_REASON = Failure(6108, 422, "business-rule", "patients say why they cancel a visit")
VISIT_PARTICIPANT = Failure(6109, 422, "business-rule", "who takes part in a visit breaks a rule")
VISIT_OVERLAP = Failure(6110, 422, "business-rule", "a person has one visit at a time")
VISIT_HOLD = Failure(6111, 422, "business-rule", "too many holds at a time, or one of the same slot again")
VISIT_MORE = Failure(6112, 200, "incomplete", "there are more free slots than one answer proposes")
# 618x: a record handed out
RECORD_TOO_LARGE = Failure(6180, 400, "too-costly", "the record is too large for one document")


def not_utf8(offset: int) -> FhirError:
    return NOT_UTF8(f"The body is not UTF-8 (byte {offset}). Send JSON encoded as UTF-8.")


def malformed_json(what: str, line: int, column: int) -> FhirError:
    return MALFORMED_JSON(f"The body is not JSON: {what} (line {line}, column {column}).")


def duplicate_key(name: str) -> FhirError:
    return DUPLICATE_KEY(f"One JSON object has the key '{name[:64]}' twice; only one value can be meant.")


def nested_too_deep(limit: int) -> FhirError:
    return TOO_DEEP(f"The body nests objects and arrays deeper than {limit} levels.")
