"""A `_filter` as a condition on one type: what each operator asks of each type of parameter.

https://hl7.org/fhir/R4/search_filter.html#ops

R4 lets an operator hold where any value of the element takes it. `ne` on texts, tokens, uris and composites holds
where there are values and none of them is equal; on dates, numbers and quantities it is the prefix.
"""

from dataclasses import replace
from typing import Literal

from fhir_server.core import outcome
from fhir_server.definitions.capability import OPERATORS, PREFIXES, TEXTS, is_offered, modifiers_of
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.chains import link_types
from fhir_server.search.escaping import split_unescaped
from fhir_server.search.filter_expression import Comparison, Expression, Logic, Not, NotAFilter, Step, read_expression
from fhir_server.search.filter_values import MAX_END, MAX_WHOLE
from fhir_server.search.parameter_types import date, string
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.request import (
    MAX_LINKS,
    AllOf,
    AnyOf,
    Chained,
    Clause,
    Condition,
    Covering,
    EndsWith,
    Linked,
    Missing,
    NotThis,
    Whole,
)
from fhir_server.search.scope import Refused, Scope
from fhir_server.search.suggestions import unknown_parameter
from fhir_server.search.values import read_values

SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
"""Names a filter may use for code systems."""

_EXPANDS: dict[str, Literal["in", "not-in", "above", "below"]] = {
    "in": "in",
    "ni": "not-in",
    "ss": "below",
    "sb": "above",
}
_NAME = "_filter"


def read_filter(scope: Scope, resource_type: str, sent: str) -> Condition:
    """The condition `_filter=sent` on a type. Raises Refused, and FhirError 400 where it asks for too much."""
    try:
        expression = read_expression(sent)
    except NotAFilter as problem:
        raise _bad(str(problem)) from None
    return _condition(scope, resource_type, expression, 0)


def _bad(text: str) -> Refused:
    return Refused((outcome.BAD_PARAMETER_VALUE, text))


def _condition(scope: Scope, type: str, expression: Expression, links: int) -> Condition:
    match expression:
        case Logic("and", operands):
            return AllOf(tuple(_condition(scope, type, each, links) for each in operands))
        case Logic("or", operands):
            return AnyOf(tuple(_condition(scope, type, each, links) for each in operands))
        case Not(operand):
            return NotThis(_condition(scope, type, operand, links))
        case Comparison():
            return _test(scope, type, expression, links)
    raise TypeError(expression)


def _test(scope: Scope, type: str, test: Comparison, links: int) -> Condition:
    if len(test.path) > 1 and test.operator == "pr" and _truth(test.value) is False:
        # A path that leads nowhere has no value either.
        return NotThis(_test(scope, type, replace(test, value="true"), links))
    step, rest = test.path[0], test.path[1:]
    parameter = scope.table(type).get(step.name)
    if parameter is None or not is_offered(parameter):
        raise unknown_parameter(type, step.name, scope.parameter_set, False, f"at character {step.at} ")
    if rest:
        return _chained(scope, parameter, step, replace(test, path=rest), links)
    return _compared(scope, type, parameter, test)


def _chained(scope: Scope, parameter: SearchParameter, step: Step, rest: Comparison, links: int) -> Condition:
    if links >= MAX_LINKS:
        raise _bad(f"follows more than {MAX_LINKS} references; ask for the nearer resources first")
    following = rest.path[0].name
    said = f"what stands at character {rest.path[0].at}"
    types = link_types(parameter, None, lambda type: following in scope.table(type), said)
    found: list[Linked] = []
    refused: Refused | None = None
    for type in types:
        scope.link(_NAME)
        try:
            chosen = (_condition(scope, type, step.filter, links + 1),) if step.filter is not None else ()
            found.append(Linked(type, (*chosen, _test(scope, type, rest, links + 1))))
        except Refused as refusal:
            # What cannot be asked of one type may be right for another.
            refused = refused or refusal
    if refused is not None and not found:
        raise refused
    return Chained(_NAME, parameter.code, tuple(found))


def _compared(scope: Scope, type: str, parameter: SearchParameter, test: Comparison) -> Condition:
    operator, code = test.operator, parameter.code
    offered = _operators(parameter)
    if operator not in offered:
        taken = f"it takes {', '.join(offered)}" if offered else "it takes none; ask for it beside the filter"
        raise _bad(f"asks '{code}' with an operator that it does not take: {taken}")
    if operator == "pr":
        return _present(code, test.value)
    if operator == "ne" and parameter.type not in ("date", "number", "quantity"):
        unequal = NotThis(_equal(scope, type, parameter, test))
        return AllOf((Clause(code, (Missing(False),)), unequal))
    return _equal(scope, type, parameter, test)


def _operators(parameter: SearchParameter) -> tuple[str, ...]:
    """The operators a parameter takes, where some need a modifier that it must have."""
    if parameter.code in TEXTS:
        return ()
    modifiers = modifiers_of(parameter)
    return tuple(
        each
        for each in OPERATORS.get(parameter.type, ())
        if each not in _EXPANDS or parameter.type != "token" or _EXPANDS[each] in modifiers
    )


def _equal(scope: Scope, type: str, parameter: SearchParameter, test: Comparison) -> Condition:
    match parameter.type:
        case "string":
            return _text(scope, type, parameter, test)
        case "date" if test.operator in ("co", "po"):
            return _dated(scope, parameter, test)
        case "date" | "number" | "quantity":
            prefix = test.operator if test.operator in PREFIXES else ""
            return _valued(scope, type, parameter, None, prefix + _separated(test.value))
        case "token":
            value = _with_system(test.value)
            modifier = _EXPANDS.get(test.operator)
            return _valued(scope, type, parameter, modifier, _separated(value))
    return _valued(scope, type, parameter, None, _separated(test.value))


def _present(code: str, value: str) -> Clause:
    is_present = _truth(value)
    if is_present is None:
        raise _bad(f"asks '{code}' with 'pr', which takes true or false")
    return Clause(code, (Missing(not is_present),))


def _truth(value: str) -> bool | None:
    return {"true": True, "false": False}.get(value.lower())


def _separated(text: str) -> str:
    # A filter has no lists: its comma belongs to the value.
    return "\\,".join(split_unescaped(text, ","))


def _with_system(text: str) -> str:
    system, bar, code = text.partition("|")
    return f"{SYSTEMS[system.lower()]}|{code}" if bar and system.lower() in SYSTEMS else text


def _valued(scope: Scope, type: str, parameter: SearchParameter, modifier: str | None, sent: str) -> Condition:
    try:
        return read_values(scope, type, parameter, modifier, sent, _NAME)
    except Refused as refusal:
        raise Refused(
            *((failure, f"asks '{parameter.code}' and {text}") for failure, text in refusal.findings)
        ) from None


def _text(scope: Scope, type: str, parameter: SearchParameter, test: Comparison) -> Condition:
    """A text is meant letter by letter, so nothing in it is an escape."""
    folded = string.fold(test.value)
    if not folded:
        raise _bad(f"asks '{parameter.code}' for a text that holds no letter or digit")
    if test.operator in ("sw", "co"):
        literal = "".join(f"\\{each}" if each in ",|$\\" else each for each in test.value)
        return _valued(scope, type, parameter, "contains" if test.operator == "co" else None, literal)
    longest = MAX_END if test.operator == "ew" else MAX_WHOLE
    if len(folded) > longest:
        raise _bad(f"asks '{parameter.code}' for a text of more than {longest} characters; compare its start with 'sw'")
    value = EndsWith(folded) if test.operator == "ew" else Whole(folded)
    scope.spend(value)
    return Clause(parameter.code, (value,))


def _dated(scope: Scope, parameter: SearchParameter, test: Comparison) -> Clause:
    try:
        asked = date.read_value(test.value)
    except BadValue as problem:
        raise _bad(f"asks '{parameter.code}' and has a value that {problem}") from None
    if not test.value[:1].isdigit():
        raise _bad(f"asks '{parameter.code}' with '{test.operator}', which takes a date without a prefix")
    # Containing it: begun when it begins, not over before it ends. Overlapping it: begun before it ends, and so on.
    value = Covering(asked.lo, asked.hi) if test.operator == "co" else Covering(asked.hi, asked.lo)
    scope.spend(value)
    return Clause(parameter.code, (value,))
