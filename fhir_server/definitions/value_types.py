"""The types of the elements a search parameter reads, as far as its expression tells them without being compiled.

https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.expression
"""

import re
from functools import cache

from fhir_server.definitions.elements import structure
from fhir_server.definitions.search_parameters import SearchParameter, union_members

_CAST = re.compile(r"\(?\s*([\w.]+)\s+as\s+(\w+)\s*\)?|([\w.]+)\.(?:as|ofType)\(\s*(\w+)\s*\)")
_SELECTION = re.compile(r"\.where\((?:[^()']|'[^']*'|\([^()]*\))*\)|\[\d+\]")


@cache
def value_types(parameter: SearchParameter) -> frozenset[str]:
    """Names of types such as `CodeableConcept` or `Reference`; empty where nothing can be told.

    Only for the choice of modifiers: what is indexed is decided by the compiled expression.
    """
    found: set[str] = set()
    for member in union_members(parameter.expression or ""):
        found |= _member_types(parameter.base, member.strip())
    return frozenset(found)


def _member_types(base: str, member: str) -> set[str]:
    if ".exists()" in member:
        return {"boolean"}
    cast = _CAST.fullmatch(member)
    if cast is not None:
        return {cast[2] or cast[4]}
    names = _SELECTION.sub("", member).split(".")
    if names[0] in (base, "Resource", "DomainResource"):
        names = names[1:]
    types = {base}
    for name in names:
        types = {found for type in types for found in _element_types(type, name)}
    return types


def _element_types(type: str, name: str) -> set[str]:
    try:
        shape = structure(type)
    except KeyError:
        return set()
    if name in shape.elements:
        return {shape.elements[name].type}
    forms = shape.choices[name][1] if name in shape.choices else ()
    return {shape.elements[form].type for form in forms}
