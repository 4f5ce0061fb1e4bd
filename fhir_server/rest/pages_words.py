"""What a resource is, in a few words of its own, for a list on a page.

https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Mapping
from typing import Any

MAX_WORDS_CHARS = 120

# The first that a resource has says most about it: what it is called, then what it is about, then of what kind it is.
_ELEMENTS = (
    "name",
    "title",
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "medicationReference",
    "productCodeableConcept",
    "description",
    "topic",
    "subject",
    "type",
    "serviceType",
    "specialty",
    "category",
    "scope",
    "class",
    "relationship",
    "outcome",
    "target",
)

_VALUES = ("valueQuantity", "valueCodeableConcept", "valueString", "valueInteger", "valueBoolean", "valueDateTime")

# The moment that a resource is about, before the one at which it was written down.
_MOMENTS = (
    "effectiveDateTime",
    "effectivePeriod",
    "occurrenceDateTime",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "period",
    "start",
    "sent",
    "authoredOn",
    "whenHandedOver",
    "started",
    "planningHorizon",
    "recordedDate",
    "date",
    "dateTime",
    "created",
    "recorded",
    "birthDate",
)


def words_for(resource: Mapping[str, Any]) -> str:
    """The name, code or kind of a resource as its author wrote it, with its value; empty where it has none of them."""
    named = next(filter(None, (_said(resource.get(element)) for element in _ELEMENTS)), "")
    value = next((_said(resource[element]) for element in _VALUES if element in resource), "")
    said = ": ".join(filter(None, (named, value)))
    return said if len(said) <= MAX_WORDS_CHARS else f"{said[:MAX_WORDS_CHARS]}…"


def when_of(resource: Mapping[str, Any]) -> str:
    """When what a resource tells of was or will be, as its author wrote it; empty where it does not say."""
    for element in _MOMENTS:
        match resource.get(element):
            case str(moment) | {"start": str(moment)}:
                return moment
    return ""


def _said(value: Any) -> str:
    """What a text, HumanName, CodeableConcept, Coding, Reference or Quantity reads like; of several, the first."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case {"value": number}:
            return f"{value.get('comparator', '')}{number} {value.get('unit', value.get('code', ''))}".strip()
        case [*several]:
            return next(filter(None, map(_said, several)), "")
        case {"text": str(text)} | {"display": str(text)}:
            return text
        case {"family": str(family)}:
            given = [name for name in value.get("given", ()) if isinstance(name, str)]
            return " ".join((*given, family))
        case {"coding": coding}:
            return _said(coding)
        case {"code": str(text)} | {"reference": str(text)}:
            return text
    return ""
