"""Whether two MedicationRequests mean the same medicine.

https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.medication_x_; pure.
"""

from dataclasses import dataclass
from typing import Any

from fhir_server.care.medications import Bases
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.reference import located

CODED, REFERRED = "medicationCodeableConcept", "medicationReference"


@dataclass(frozen=True, slots=True)
class Medicine:
    """How a request says what is to be taken: by a reference, by codes (system and code), in words."""

    reference: str | None = None
    codes: frozenset[tuple[str, str]] = frozenset()
    words: frozenset[str] = frozenset()


def medicine_of(request: Resource, bases: Bases) -> Medicine:
    """The medicine of a MedicationRequest; of one that it contains, the code."""
    reference = request.get(REFERRED)
    if reference is None:
        return _coded(request.get(CODED, {}))
    words = _words(reference.get("display"))
    text = reference.get("reference")
    if isinstance(text, str) and text.startswith("#"):
        inside: Resource = next((each for each in request.get("contained", ()) if each.get("id") == text[1:]), {})
        held = _coded(inside.get("code", {}))
        return Medicine(None, held.codes, held.words | words)
    if isinstance(text, str):
        return Medicine(located(text, bases), words=words)
    identifier = reference.get("identifier", {})
    return Medicine(codes=frozenset({_code(identifier, "value")}) if identifier else frozenset(), words=words)


def is_same(asked: Medicine, known: Medicine) -> bool:
    """Whether what is asked for is the known medicine, and is called nothing else.

    All that it says must stand in the other: a right code under another medicine's name is another medicine. Words by
    themselves are enough only where the other has no more.
    """
    if asked.reference != known.reference or not asked.codes <= known.codes or not asked.words <= known.words:
        return False
    if known.reference is not None:
        return True
    return bool(asked.codes) if known.codes else bool(asked.words)


def is_same_product(ordered: Medicine, asked: Medicine) -> bool:
    """Whether an order is of the medicine that was asked for, whatever words its writer has for it."""
    if ordered.reference is not None or asked.reference is not None:
        return ordered.reference == asked.reference
    if ordered.codes or asked.codes:
        return not ordered.codes.isdisjoint(asked.codes)
    return not ordered.words.isdisjoint(asked.words)


def _coded(concept: Any) -> Medicine:
    codings = concept.get("coding", ())
    codes = frozenset(_code(each, "code") for each in codings if "code" in each)
    words = _words(concept.get("text"), *(each.get("display") for each in codings))
    return Medicine(None, codes, words)


def _code(coding: Any, name: str) -> tuple[str, str]:
    return str(coding.get("system", "")), str(coding.get(name, ""))


def _words(*texts: object) -> frozenset[str]:
    return frozenset(" ".join(text.split()).casefold() for text in texts if isinstance(text, str))
