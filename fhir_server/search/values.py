"""The values of one search parameter, with its modifier, as a condition on one type.

https://hl7.org/fhir/R4/search.html#modifiers, https://hl7.org/fhir/R4/search.html#combining
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.definitions.capability import TEXTS, modifiers_of, targets_of
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.index import is_text_searched, parameter_leaves
from fhir_server.search.parameter_types import (
    composite,
    date,
    number,
    quantity,
    reference,
    special,
    string,
    token,
    uri,
)
from fhir_server.search.parameter_types import text as texts
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf
from fhir_server.search.request import (
    MAX_VALUES,
    AllOf,
    AnyOf,
    Clause,
    Composed,
    Condition,
    Expanded,
    LogicalId,
    Missing,
    NotThis,
    Tokens,
    Value,
)
from fhir_server.search.scope import Refused, Scope, numbered
from fhir_server.search.suggestions import unknown_modifier

_EXPANDED = frozenset({"in", "not-in", "above", "below"})
_Read = TypeVar("_Read")


@dataclass(slots=True)
class _Asked:
    """One parameter as it was asked for; `targets` are the types an id alone may be of."""

    scope: Scope
    resource_type: str
    parameter: SearchParameter
    modifier: str | None
    targets: tuple[str, ...]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return parameter_leaves(self.resource_type, self.parameter.code, self.scope.parameter_set)


def read_values(
    scope: Scope, resource_type: str, parameter: SearchParameter, modifier: str | None, sent: str, name: str
) -> Condition:
    """The condition `parameter:modifier=sent`, where commas separate alternatives; `name` is the parameter as sent.

    `modifier` is None where there is no colon. Raises Refused, and FhirError 400 where the values are too many.
    """
    targets = targets_of(parameter) if parameter.type == "reference" else ()
    if modifier is not None:
        if modifier in targets:
            targets, modifier = (modifier,), None
        elif modifier not in modifiers_of(parameter):
            raise unknown_modifier(parameter, modifier)
    parts = split_unescaped(sent, ",")
    if len(parts) > MAX_VALUES:
        text = f"has {len(parts)} values; at most {MAX_VALUES} are taken at once. Send several searches"
        raise Refused((outcome.BAD_PARAMETER_VALUE, text))
    asked = _Asked(scope, resource_type, parameter, modifier, targets)
    if modifier in _EXPANDED and parameter.type != "uri":
        return _expanded(asked, parts, name)
    if modifier is None and (parameter.type == "composite" or parameter.code in TEXTS):
        conditions = _every(parts, lambda part: _condition(asked, part))
        return conditions[0] if len(conditions) == 1 else AnyOf(conditions)
    values = _every(parts, lambda part: _value(asked, part))
    for value in values:
        scope.spend(value)
    return Clause(parameter.code, values, modifier == "not")


def _every(parts: Sequence[str], read: Callable[[str], _Read]) -> tuple[_Read, ...]:
    """Each part read. Raises Refused with all that cannot be: which one, not what, as values are often health data."""
    found: list[_Read] = []
    bad: list[tuple[outcome.Failure, str]] = []
    for position, part in enumerate(parts, 1):
        try:
            if not part:
                raise BadValue('is empty; leave the parameter out, or write "\\," for a comma that belongs to a value')
            found.append(read(part))
        except BadValue as problem:
            which = numbered("value", position, len(parts))
            bad.append((outcome.BAD_PARAMETER_VALUE, f"has {which} that {problem}"))
    if bad:
        raise Refused(*bad)
    return tuple(found)


def _value(asked: _Asked, text: str) -> Value:
    parameter, modifier = asked.parameter, asked.modifier
    code = parameter.code
    if modifier == "missing":
        return _missing(text)
    if code == "_id":
        return _logical_id(text)
    match parameter.type:
        case "token":
            return _token(asked, text)
        case "string":
            return string.read_value(text, cast(Literal["exact", "contains"] | None, modifier))
        case "date":
            return date.read_value(text)
        case "reference":
            return _reference(asked, text)
        case "uri":
            return uri.read_value(code, text, cast(Literal["above", "below"] | None, modifier))
        case "number":
            return number.read_value(code, text)
        case "quantity":
            return quantity.read_value(code, text)
        case "special":
            return special.read_value(text)
    raise TypeError(f"{parameter.type} is read by another function")


def _token(asked: _Asked, text: str) -> Value:
    code = asked.parameter.code
    match asked.modifier:
        case "text":
            return token.read_text(text)
        case "of-type":
            return token.read_of_type(code, text)
    return token.read_value(code, asked.leaves, text)


def _reference(asked: _Asked, text: str) -> Tokens:
    code, targets = asked.parameter.code, asked.targets
    if asked.modifier == "identifier":
        return reference.read_identifier(code, text)
    found = reference.read_value(code, asked.leaves, targets, text, asked.scope.own_bases)
    for each in found.tokens:
        type = each.removeprefix(f"{code}|").partition("/")[0]
        if len(targets) == 1 and type != targets[0] and is_resource_type(type):
            raise BadValue(f"is not a reference to {targets[0]}")
    return found


def _missing(text: str) -> Missing:
    if text not in ("true", "false"):
        raise BadValue("is neither true nor false")
    return Missing(text == "true")


def _logical_id(text: str) -> LogicalId:
    id = unescape(text)
    if not is_id(id):
        raise BadValue("is not an id: 1 to 64 letters, digits, '-' and '.'")
    return LogicalId(id)


def _expanded(asked: _Asked, parts: Sequence[str], name: str) -> Expanded:
    """A value the store expands, checked as far as its form goes."""

    def checked(text: str) -> str:
        if asked.modifier in ("in", "not-in"):
            _value_set(text)
        elif asked.parameter.type == "token":
            token.read_value(asked.parameter.code, asked.leaves, text)
        else:
            _hierarchy(asked, text)
        return text

    texts = _every(parts, checked)
    for text in texts:
        asked.scope.spend(Tokens((text,)))
    modifier = cast(Literal["in", "not-in", "above", "below"], asked.modifier)
    return Expanded(name, asked.parameter.code, modifier, texts)


def _value_set(text: str) -> None:
    url = unescape(text)
    if not (url.startswith("ValueSet/") or ":" in url) or any(each.isspace() for each in url):
        raise BadValue("names no value set: write its canonical URL or ValueSet/id")


def _hierarchy(asked: _Asked, text: str) -> None:
    own = (asked.resource_type,)
    found = reference.read_value(asked.parameter.code, asked.leaves, own, text, asked.scope.own_bases)
    start = f"{asked.parameter.code}|{asked.resource_type}/"
    if not all(each.startswith(start) for each in found.tokens):
        raise BadValue(f"names no {asked.resource_type} of this server, and only those form a hierarchy here")


def _condition(asked: _Asked, text: str) -> Condition:
    parameter, scope = asked.parameter, asked.scope
    if parameter.type == "composite":
        found = composite.read_value(parameter, asked.resource_type, text, scope.own_bases, scope.parameter_set)
    elif is_text_searched(asked.resource_type):
        found = texts.read_condition(parameter.code, unescape(text))
    else:
        text = f"asks for words, which this server does not index of {asked.resource_type}; leave it out"
        raise Refused((outcome.NOT_SUPPORTED, text))
    _spend(scope, found)
    return found


def _spend(scope: Scope, condition: Condition) -> None:
    match condition:
        case Clause():
            for value in condition.values:
                scope.spend(value)
        case Composed():
            for part in condition.parts:
                _spend(scope, part)
        case AllOf() | AnyOf():
            for each in condition.conditions:
                _spend(scope, each)
        case NotThis():
            _spend(scope, condition.condition)
