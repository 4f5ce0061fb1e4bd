"""Refusals of names: what was meant, as far as it can be guessed, or all there is.

https://hl7.org/fhir/R4/search.html#errors
"""

from collections.abc import Iterable
from difflib import get_close_matches

from fhir_server.core import outcome
from fhir_server.definitions.capability import CRITERIA, RESULTS, is_offered, modifiers_of, targets_of
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.scope import Refused, shown

_LISTED = 20
_NEAR, _NEARER = 0.6, 0.75
"""How alike a name and a guess must be; nearer where another kind of parameter is guessed (`count`, `_count`)."""


def unknown_parameter(
    resource_type: str, code: str, parameter_set: ParameterSet, is_whole: bool = True, where: str = ""
) -> Refused:
    """The refusal of a code the type has no parameter for; not `is_whole` where it is a part of what was sent.

    `where` says, with a space at its end, where it stands in a value, which is not repeated.
    """
    if code == "_query":
        return Refused((outcome.NOT_SUPPORTED, "names a query, and this server defines none; leave it out"))
    pending = parameter_set.pending.get((resource_type, code))
    if pending is not None:
        text = pending if is_whole else f"names '{shown(code)}', which {pending}"
        return Refused((outcome.UNKNOWN_PARAMETER, text))
    table = parameter_set.of(resource_type)
    offered = sorted(each for each, found in table.items() if is_offered(found))
    others = (*CRITERIA, *RESULTS) if is_whole else ()
    asked = code.partition(":")[0][:200]
    close = get_close_matches(asked, offered, n=3, cutoff=_NEAR)
    close += [each for each in get_close_matches(asked, others, n=3, cutoff=_NEARER) if each not in close]
    hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(offered)}."
    if where:
        which = f"names {where}what is not a search parameter"
    else:
        which = "is not a search parameter" if is_whole else f"names '{shown(code)}', which is not a search parameter"
    return Refused((outcome.UNKNOWN_PARAMETER, f"{which} of {resource_type}. {hint}"))


def no_modifier(code: str, modifier: str, taken: str = "none") -> Refused:
    """The refusal of a modifier of what is no search parameter of a type, as `_list` and `_sort`."""
    text = f"has the modifier ':{shown(modifier)}', which it does not take here. It takes {taken}."
    return Refused((outcome.UNKNOWN_MODIFIER, text), place=code)


def unknown_modifier(parameter: SearchParameter, modifier: str) -> Refused:
    """The refusal of a modifier the parameter does not take."""
    targets = targets_of(parameter)
    taken = [f":{each}" for each in modifiers_of(parameter)]
    if len(targets) < _LISTED:
        taken += [f":{each}" for each in targets]
    elif targets:
        taken.append("the name of any resource type")
    text = f"It takes {', '.join(taken)}." if taken else "It takes none."
    return Refused(
        (outcome.UNKNOWN_MODIFIER, f"has the modifier ':{shown(modifier)}', which it does not take here. {text}"),
        place=parameter.code,
    )


def unknown_type(name: str) -> str:
    """A text that says a name is no resource type, without the name: it may be a value."""
    return f"is not a resource type of R4{did_you_mean(name, resource_types())}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`. Did you mean a or b?`, or nothing where nothing is close."""
    close = get_close_matches(name[:200], list(known), n=3, cutoff=0.6)
    return f". Did you mean {' or '.join(close)}?" if close else ""


def listed(names: Iterable[str]) -> str:
    """The names, or how many there are where they are too many to read."""
    found = tuple(names)
    if len(found) > _LISTED:
        return f"{len(found)} types"
    return ", ".join(found)
