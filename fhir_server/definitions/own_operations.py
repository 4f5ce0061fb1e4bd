"""The operations that this server offers, as data.

The CapabilityStatement, OpenAPI, the routes and what a call may hold are read from here.

https://hl7.org/fhir/R4/operations.html, https://hl7.org/fhir/R4/operationdefinition.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["system", "type", "instance"]


@dataclass(frozen=True, slots=True)
class Takes:
    """A parameter of an operation: a primitive type, a `Reference`, `CodeableConcept`, `Coding` or `Resource`.

    `most` None: any number.
    """

    name: str
    type: str
    least: int = 0
    most: int | None = 1
    text: str = ""


@dataclass(frozen=True, slots=True)
class OwnOperation:
    """`$code` on `type` at `levels`. One that `changes` what is stored is called by POST alone (R4: affectsState).

    `definition` is the canonical URL of its OperationDefinition. One that `writes` media types answers a document, as
    itself or, to who accepts FHIR alone, as a Binary resource.
    """

    code: str
    type: str
    levels: tuple[Level, ...]
    definition: str
    summary: str
    takes: tuple[Takes, ...] = ()
    changes: bool = False
    writes: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods it is called by."""
        return ("POST",) if self.changes else ("GET", "POST")


_R4 = "http://hl7.org/fhir/OperationDefinition"

_OWN = "urn:fhir-server:operation"

_IHE = "https://profiles.ihe.net/ITI/Scheduling/OperationDefinition"
_WHICH_VISIT = (
    Takes("appointment-reference", "Reference", text="The Appointment, stored or as $find proposed it"),
    Takes("appt-id", "string", text="The same by its id"),
    Takes("appt-resource", "Resource", text="The Appointment itself"),
    Takes("appointment-resource", "Resource", text="The same under IHE's name"),
    Takes("patient-reference", "Reference", text="Whose visit it is, where the Appointment does not say"),
    Takes("patient", "Reference", text="The same under another name"),
    Takes("comment", "string", text="A word to the facility"),
)

_VISITS = (
    OwnOperation(
        "find",
        "Appointment",
        ("type",),
        f"{_IHE}/appointment-find",
        "Visits that could be booked: free slots to come at federal facilities",
        (
            Takes("start", "dateTime", text="From when; now where it is left out"),
            Takes("end", "dateTime", text="Until when; 30 days on where it is left out"),
            Takes("patient", "Reference", text="Whose visit it is to be"),
            Takes("patient-reference", "Reference", text="The same under IHE's name"),
            Takes("practitioner", "Reference", most=None, text="With whom"),
            Takes("organization", "Reference", most=None, text="At which facility"),
            Takes("location", "Reference", most=None, text="Where"),
            Takes("location-reference", "Reference", most=None, text="The same under IHE's name"),
            Takes("service-type", "CodeableConcept", most=None, text="For what service"),
            Takes("specialty", "CodeableConcept", most=None, text="Of which specialty"),
            Takes("visit-type", "CodeableConcept", most=None, text="What kind of visit (Slot.appointmentType)"),
            Takes("reason", "CodeableConcept", most=None, text="Why; it stands in the proposals"),
            Takes("_count", "positiveInt", text="How many at most"),
        ),
    ),
    OwnOperation(
        "hold",
        "Appointment",
        ("type",),
        f"{_IHE}/appointment-hold",
        "Keep a slot for ten minutes",
        _WHICH_VISIT,
        changes=True,
    ),
    OwnOperation(
        "book",
        "Appointment",
        ("type",),
        f"{_IHE}/appointment-book",
        "Book a proposed or held visit; move or cancel a booked one",
        _WHICH_VISIT,
        changes=True,
    ),
)

OWN_OPERATIONS: tuple[OwnOperation, ...] = (
    *_VISITS,
    OwnOperation(
        "mark-read",
        "Communication",
        ("instance",),
        f"{_OWN}:communication-mark-read",
        "Mark a message as read by the caller, or as unread",
        (Takes("read", "boolean", text="false: it is before the caller again"),),
        changes=True,
    ),
    OwnOperation(
        "unread",
        "Communication",
        ("type",),
        f"{_OWN}:communication-unread",
        "The messages to the caller that they have not read, and their number",
        (Takes("_count", "unsignedInt"), Takes("_summary", "code", text="count: the number alone")),
    ),
    OwnOperation(
        "current-medications",
        "Patient",
        ("instance",),
        "urn:fhir-server:operation:current-medications",
        "The orders that are active now, each with the refills that are left and until when",
    ),
    OwnOperation(
        "everything",
        "Patient",
        ("type", "instance"),
        f"{_R4}/Patient-everything",
        "All of a patient's record that the caller may see, in pages. Without an id: of the patient in context.",
        (
            Takes("start", "date", text="Care from this day on; what has no date is in."),
            Takes("end", "date", text="Care until this day; what has no date is in."),
            Takes("_since", "instant", text="Changed after this moment: meta.lastUpdated of an earlier answer."),
            Takes("_type", "code", most=None, text="Types, several apart by commas."),
            Takes("_count", "integer", text="Resources of a page, 200 where it is not given, 1000 at most."),
            Takes("_cursor", "string", text="From a link to a next page; stands alone."),
        ),
    ),
    OwnOperation(
        "summary",
        "Patient",
        ("type", "instance"),
        "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        "The International Patient Summary: a document that needs nothing from outside.",
        (Takes("profile", "canonical", text="Of the Bundle that is wanted; there is one."),),
    ),
    OwnOperation(
        "record-pdf",
        "Patient",
        ("type", "instance"),
        f"{_OWN}:record-pdf",
        "The record as a PDF for a person to read and to keep.",
        writes=("application/pdf",),
    ),
    OwnOperation(
        "ccd",
        "Patient",
        ("type", "instance"),
        f"{_OWN}:ccd",
        "The record as a Continuity of Care Document (C-CDA R2.1).",
        writes=("application/xml",),
    ),
    OwnOperation(
        "docref",
        "DocumentReference",
        ("type",),
        "http://hl7.org/fhir/us/core/OperationDefinition/docref",
        "The documents of a patient: the CCD, made when it is fetched, and stored ones.",
        (
            Takes("patient", "string", 1, text="The id of the Patient."),
            Takes("start", "date", text="Of care from this day on."),
            Takes("end", "date", text="Of care until this day."),
            Takes("type", "CodeableConcept", text="Of the document: `system|code`. Without it and dates, CCDs."),
            Takes("on-demand", "boolean", text="Only what is made when it is fetched."),
            Takes("profile", "canonical", text="Of the DocumentReference that is made."),
        ),
    ),
)
"""In the order in which the CapabilityStatement lists them."""


def own_operations_of(type: str) -> tuple[OwnOperation, ...]:
    """Those that belong to a type."""
    return tuple(each for each in OWN_OPERATIONS if each.type == type)


def called(type: str, level: Level, code: str) -> OwnOperation | None:
    """The operation that a path names; None where there is none."""
    for each in OWN_OPERATIONS:
        if each.code == code and each.type == type and level in each.levels:
            return each
    return None


def paths() -> Iterator[tuple[str, OwnOperation]]:
    """Each path below the base under which an operation is called, with `{id}` for an instance."""
    for each in OWN_OPERATIONS:
        for level in each.levels:
            prefix = {"system": "", "type": f"/{each.type}", "instance": f"/{each.type}/{{id}}"}[level]
            yield f"{prefix}/${each.code}", each
