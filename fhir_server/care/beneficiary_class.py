"""Why somebody is in the record: the classes of beneficiary, what follows from each, and which hold on a day.

Codes are those of CodeSystem urn:fhir-server:federal:beneficiary-class. https://hl7.org/fhir/R4/coverage.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from fhir_server.core.resource import Resource

BeneficiaryClass = Literal[
    "active-duty",
    "reserve",
    "national-guard",
    "retiree",
    "dependent-spouse",
    "dependent-child",
    "dependent-parent",
    "veteran",
]

CLASS_EXTENSION = "urn:fhir-server:federal:beneficiary-class-of"
"""On a Patient: the class that was given last. On a Coverage: the class that it stands for, while it lasts."""

CLASS_SYSTEM = "urn:fhir-server:federal:beneficiary-class"

DISPLAYS: Mapping[BeneficiaryClass, str] = {
    "active-duty": "Active duty member",
    "reserve": "Member of a Reserve component",
    "national-guard": "Member of the National Guard",
    "retiree": "Retired member",
    "dependent-spouse": "Dependent: spouse",
    "dependent-child": "Dependent: child",
    "dependent-parent": "Dependent: parent",
    "veteran": "Veteran",
}


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What somebody of a class may.

    `signs_in_by_card`: they hold a CAC by their class. `may_sponsor`: others depend on them. `registers_as` is the way
    in that is theirs. `has_premium_by_card`: whoever signs in by card has the higher level without further proof.
    """

    signs_in_by_card: bool
    may_sponsor: bool
    registers_as: Literal["active-duty", "retiree", "dependent", "veteran"]
    has_premium_by_card: bool


_SERVING = ClassRule(signs_in_by_card=True, may_sponsor=True, registers_as="active-duty", has_premium_by_card=True)
_DEPENDENT = ClassRule(signs_in_by_card=False, may_sponsor=False, registers_as="dependent", has_premium_by_card=False)

CLASS_RULES: Mapping[BeneficiaryClass, ClassRule] = {
    "active-duty": _SERVING,
    "reserve": _SERVING,
    "national-guard": _SERVING,
    "retiree": ClassRule(signs_in_by_card=False, may_sponsor=True, registers_as="retiree", has_premium_by_card=False),
    "dependent-spouse": _DEPENDENT,
    "dependent-child": _DEPENDENT,
    "dependent-parent": _DEPENDENT,
    "veteran": ClassRule(signs_in_by_card=False, may_sponsor=False, registers_as="veteran", has_premium_by_card=False),
}

_BY_RELATIONSHIP: Mapping[str, BeneficiaryClass] = {
    "spouse": "dependent-spouse",
    "child": "dependent-child",
    "other": "dependent-parent",
    "parent": "dependent-parent",
}
_VETERANS = ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "VET")
_FEDERAL = frozenset({_VETERANS, ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "MILITARY")})


def is_class(code: str) -> bool:
    """Whether this is a code of a class of beneficiary."""
    return code in CLASS_RULES


def classes(patient: Resource, coverages: Iterable[Resource], day: date) -> frozenset[BeneficiaryClass]:
    """The classes in force on a day (UTC): those of the patient's coverages, to the last days of their periods.

    Of a record without any such Coverage the Patient's own word counts; after the end of all there is no class.
    """
    held = [each for each in coverages if each.get("status") == "active" and comes_with_class(each)]
    own = class_of(patient)
    if not held:
        return frozenset() if own is None else frozenset({own})
    found = (covered_class(each, own) for each in held if covers(each, day))
    return frozenset(each for each in found if each is not None)


def rules(of: Iterable[BeneficiaryClass]) -> tuple[ClassRule, ...]:
    """What follows from each of several classes: whoever has two may what either may."""
    return tuple(CLASS_RULES[each] for each in of)


def may_sponsor(of: Iterable[BeneficiaryClass]) -> bool:
    """Whether others may depend on somebody of these classes."""
    return any(rule.may_sponsor for rule in rules(of))


def class_of(resource: Resource) -> BeneficiaryClass | None:
    """The class that the resource's own extension says."""
    for extension in resource.get("extension", ()):
        if extension.get("url") == CLASS_EXTENSION:
            code = extension.get("valueCoding", {}).get("code")
            return next((each for each in CLASS_RULES if each == code), None)
    return None


def comes_with_class(coverage: Resource) -> bool:
    """Whether somebody has this Coverage because of their class: TRICARE or the VA's, no private insurance."""
    return class_of(coverage) is not None or not _FEDERAL.isdisjoint(_codings(coverage.get("type")))


def covered_class(coverage: Resource, of_patient: BeneficiaryClass | None) -> BeneficiaryClass | None:
    """The class that a Coverage stands for: what it says itself, else what follows from its kind and relationship.

    A member's own TRICARE tells no class of its own: then the Patient's counts. A veteran has none by that class; it is
    from before, and nobody knows of which.
    """
    said = class_of(coverage)
    if said is not None:
        return said
    if _VETERANS in _codings(coverage.get("type")):
        return "veteran"
    for _, code in _codings(coverage.get("relationship")):
        if code in _BY_RELATIONSHIP:
            return _BY_RELATIONSHIP[code]
    return None if of_patient == "veteran" else of_patient


def covers(coverage: Resource, day: date) -> bool:
    """Whether its period holds on a day; both ends are inclusive, and a month or year is all of its days."""
    period = coverage.get("period", {})
    start, end = str(period.get("start", ""))[:10], str(period.get("end", ""))[:10]
    text = day.isoformat()
    return start <= text[: len(start)] and (not end or text[: len(end)] <= end)


def class_extension(of: BeneficiaryClass) -> Resource:
    """The extension that says a class."""
    return {"url": CLASS_EXTENSION, "valueCoding": {"system": CLASS_SYSTEM, "code": of, "display": DISPLAYS[of]}}


def _codings(concept: Resource | None) -> list[tuple[str, str]]:
    return [(each.get("system", ""), each.get("code", "")) for each in (concept or {}).get("coding", ())]
