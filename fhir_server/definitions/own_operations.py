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

OWN_OPERATIONS: tuple[OwnOperation, ...] = (
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
