"""Searches that follow references: chains and `_has`, over the types of the generated resources."""

from tests.property.generated_records import MAKE
from tests.property.generated_searches import pair
from tests.property.generated_values import Pick
from tests.property.naive_parameters import COMPOSITES, PARAMETERS
from tests.property.naive_search import World

UNTYPED = ("name", "identifier", "_id")
"""Parameters which the tables by hand have for every generated type that has them in R4."""


def references(type: str) -> list[tuple[str, str]]:
    """Codes of reference parameters of a type, each with a type it may lead to of which there are resources."""
    return [
        (code, target)
        for code, parameter in PARAMETERS[type].items()
        if parameter.kind == "reference"
        for target in parameter.targets
        if target in MAKE
    ]


LINKED = [type for type in MAKE if references(type) or any(to == type for each in MAKE for _, to in references(each))]
"""Types that some other type refers to, or that refer to one."""


def linked(pick: Pick, type: str, world: World, depth: int) -> tuple[str, str]:
    """A chain or `_has` of at most `depth` links."""
    back = [(other, code) for other in MAKE for code, target in references(other) if target == type]
    if back and (pick([True, False]) or not references(type)):
        other, code = pick(back)
        name, value = _rest(pick, other, world, depth)
        return f"_has:{other}:{code}:{name}", value
    code, target = pick(references(type))
    name, value = _rest(pick, target, world, depth)
    is_open = len(PARAMETERS[type][code].targets) == 1 or name in UNTYPED
    return f"{code}.{name}" if is_open and pick([True, False]) else f"{code}:{target}.{name}", value


def _rest(pick: Pick, type: str, world: World, depth: int) -> tuple[str, str]:
    if depth > 1 and pick([True, False]):
        return linked(pick, type, world, depth - 1)
    if pick([False] * 5 + [True]):
        return "_id", pick([each.id for each in world.records[type]])
    names = [*sorted(PARAMETERS[type]), *sorted(COMPOSITES.get(type, {}))]
    return pair(pick, type, pick(names), world.records[type], world.base)
