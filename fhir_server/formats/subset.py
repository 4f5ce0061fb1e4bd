"""A resource cut down to its summary, its text, its data or named elements, and marked as such.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

from collections.abc import Collection
from typing import Any, Literal

from fhir_server.core.resource import Resource
from fhir_server.definitions.elements import Element, Structure, structure

Summary = Literal["true", "text", "data", "false"]

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
"""What no resource goes without: who it is, and what changes the meaning of the rest."""


def subset(resource: Resource, summary: Summary, elements: Collection[str] = ()) -> Resource:
    """The resource with what `summary` or `elements` (JSON names) asks for, with SUBSETTED among its tags.

    Required elements of the resource stay in any case. Elements keep their order; `resource` is not changed. With
    neither it is given back as it is. A resource inside another (Bundle.entry) stays whole.
    """
    if summary == "false" and not elements:
        return resource
    shape = structure(resource["resourceType"])
    if summary == "data":
        kept = {name: value for name, value in resource.items() if name not in ("text", "_text")}
    elif summary == "true":
        kept = _summarised(resource, shape)
    else:
        names = _ALWAYS | {element.name for element in shape.required} | _required_choices(shape)
        names |= {"text"} if summary == "text" else frozenset(elements)
        kept = {name: value for name, value in resource.items() if name.removeprefix("_") in names}
    return _marked(kept)


def _required_choices(shape: Structure) -> frozenset[str]:
    return frozenset(name for least, names in shape.choices.values() if least for name in names)


def _summarised(value: dict[str, Any], shape: Structure) -> dict[str, Any]:
    """What R4 marks as summary (Σ) and what is required, on every level."""
    required = _required_choices(shape)
    kept: dict[str, Any] = {}
    for name, member in value.items():
        element = shape.elements.get(name.removeprefix("_"))
        if name in _ALWAYS or name == "id":
            kept[name] = member
        elif element is not None and (element.summary or element.min or element.name in required):
            inner = member if name.startswith("_") else _inner(member, element)
            # FHIR's JSON has no empty objects and arrays.
            if inner not in ({}, []):
                kept[name] = inner
    return kept


def _inner(member: Any, element: Element) -> Any:
    if element.primitive or element.type in ("Resource", "Extension", "Narrative"):
        return member
    shape = structure(element.type)
    if isinstance(member, list):
        return [inner for each in member if (inner := _summarised(each, shape))]
    return _summarised(member, shape)


def _marked(resource: Resource) -> Resource:
    meta = resource.get("meta", {})
    tags = meta.get("tag", [])
    if not any(tag.get("code") == "SUBSETTED" and tag.get("system") == SUBSETTED["system"] for tag in tags):
        tags = [*tags, SUBSETTED]
    marked: Resource = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    marked["meta"] = {**meta, "tag": tags}
    return {**resource, **marked} if "meta" in resource else {**marked, **resource}
