"""Where an expression leads, written so that two expressions can be compared.

https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.expression
"""

from fhir_server.definitions.elements import Element, structure
from fhir_server.search.expressions import Member, OfType, Path, Step, read_expression
from fhir_server.search.paths import Leaf

Place = tuple[Step, ...]
"""Steps by JSON names (`valueQuantity`), conditions among them."""


def places(resource_type: str, expression: str) -> dict[Place, Leaf]:
    """Every place an expression leads to, and what is there. Raises NotReadable."""
    found: dict[Place, Leaf] = {}
    for path in read_expression(expression):
        first = path[0]
        is_type = isinstance(first, Member) and first.name in (resource_type, "Resource", "DomainResource")
        _follow(resource_type, path[1:] if is_type else path, (), found)
    return found


def _follow(type: str, steps: Path, behind: Place, found: dict[Place, Leaf]) -> None:
    """`type` is where the next member is looked for."""
    if not steps:
        found[behind] = Leaf(type)
        return
    first, rest = steps[0], steps[1:]
    if not isinstance(first, Member):
        _follow(type, rest, (*behind, first), found)
        return
    members = _members(type, first.name)
    if rest and isinstance(rest[0], OfType):
        wanted = rest[0].type
        members, rest = [member for member in members if member.type == wanted], rest[1:]
    for member in members:
        place = (*behind, Member(member.name))
        if rest:
            _follow(member.type, rest, place, found)
        else:
            found[place] = Leaf(member.type, member.required_values)


def _members(type: str, name: str) -> list[Element]:
    try:
        shape = structure(type)
    except KeyError:
        return []
    if name in shape.elements:
        return [shape.elements[name]]
    if name in shape.choices:
        return [shape.elements[form] for form in shape.choices[name][1]]
    return []
