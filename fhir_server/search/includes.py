"""`_include` and `_revinclude`: which references of the results are followed, and which lead to them.

https://hl7.org/fhir/R4/search.html#include
"""

from fhir_server.core import outcome
from fhir_server.definitions.capability import includes, targets_of
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.request import Include
from fhir_server.search.scope import Refused
from fhir_server.search.suggestions import did_you_mean, listed, no_modifier, unknown_type

MAX_INCLUDES = 50
"""Includes one search may name."""

_ITERATES = ("iterate", "recurse")
"""`recurse` is what `iterate` was called before R4."""
_FORM = "is not of the form Type:parameter or Type:parameter:Target; '*' stands for all"


def read_include(types: tuple[str, ...], parameter_set: ParameterSet, name: str, sent: str) -> Include:
    """One `_include` or `_revinclude`, with or without `:iterate`, of a search of `types`. Raises Refused."""
    code, colon, modifier = name.partition(":")
    if colon and modifier not in _ITERATES:
        raise no_modifier(code, modifier, ":iterate")
    parts = sent.split(":")
    if parts == ["*"]:
        parts = ["*", "*"]
    if len(parts) not in (2, 3) or not all(parts):
        raise _bad(_FORM)
    source, parameter, target = parts[0], parts[1], parts[2] if len(parts) == 3 else None
    include = Include(source, parameter, target, code == "_revinclude", bool(colon))
    _check_types(include)
    if parameter == "*":
        _check_source(include, types)
        return include
    if source == "*":
        raise _bad("names a parameter without its type; write Type:parameter, or '*' for all of them")
    _check_parameter(include, types, parameter_set)
    return include


def _bad(text: str) -> Refused:
    return Refused((outcome.BAD_PARAMETER_VALUE, text))


def _check_types(include: Include) -> None:
    if include.source != "*" and not is_resource_type(include.source):
        raise _bad(f"begins with what {unknown_type(include.source)}")
    if include.target is not None and not is_resource_type(include.target):
        raise _bad(f"ends with what {unknown_type(include.target)}")


def _check_source(include: Include, types: tuple[str, ...]) -> None:
    """Without `:iterate`, references are followed only from what the search itself finds."""
    if include.reverse or include.iterate or include.source == "*" or include.source in types:
        return
    raise _bad(
        f"follows references from {include.source}, but the search finds {listed(types)}; "
        "write _include:iterate to follow them from what is included"
    )


def _check_parameter(include: Include, types: tuple[str, ...], parameter_set: ParameterSet) -> None:
    parameter = parameter_set.of(include.source).get(include.parameter)
    if parameter is None or parameter.type != "reference":
        raise _no_reference(include, parameter, parameter_set)
    targets = targets_of(parameter)
    if include.target is not None and include.target not in targets:
        raise _bad(f"asks '{parameter.code}' for {include.target}, which it never names: it names {listed(targets)}")
    _check_source(include, types)
    if not include.reverse or include.iterate:
        return
    found = (include.target,) if include.target else targets
    if not any(type in types for type in found):
        raise _bad(f"asks for what names {listed(found)}, but the search finds {listed(types)}")


def _no_reference(include: Include, found: SearchParameter | None, parameter_set: ParameterSet) -> Refused:
    if found is not None:
        return _bad(f"names '{found.code}' of {include.source}, which is a {found.type} and no reference")
    codes = [each.partition(":")[2] for each in includes(include.source, parameter_set)]
    close = did_you_mean(include.parameter, codes)
    hint = close or (f". It has {', '.join(codes)}" if codes else ". It has no references to follow")
    return _bad(f"names what is not a search parameter of {include.source}{hint}")
