"""Reads the pairs of a search into a SearchRequest, and gathers everything that is wrong with them at once.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/search.html#errors
"""

from collections.abc import Sequence
from difflib import get_close_matches

from fhir_server.core import outcome
from fhir_server.core.outcome import Failure, FhirError, Issue
from fhir_server.core.reference import is_id
from fhir_server.definitions.capability import is_offered
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parameter_types import date, reference, string, token, uri
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.request import (
    MAX_PARAMETERS,
    MAX_TOKENS,
    MAX_VALUES,
    Clause,
    LogicalId,
    SearchRequest,
    Tokens,
    Value,
)
from fhir_server.search.result_parameters import RESULT_PARAMETERS, ResultParameters

EDGE_PARAMETERS = frozenset({"_format", "_pretty"})
"""Read before the search begins; they change how the answer is written, not what it holds."""

LATER = frozenset(
    {
        "_contained",
        "_containedType",
        "_content",
        "_elements",
        "_filter",
        "_has",
        "_include",
        "_list",
        "_query",
        "_revinclude",
        "_score",
        "_text",
        "_type",
    }
)
"""Parameters R4 has for every type, that this server does not yet offer."""

_SHOWN = 64


def parse(
    resource_type: str, pairs: Sequence[tuple[str, str]], lenient: bool, own_bases: tuple[str, ...] = ()
) -> SearchRequest:
    """The request the pairs make. Equal names are ANDed, values between commas are ORed.

    `own_bases` are the URLs of this server, without a slash at their ends: references that begin with one are local.
    With `lenient` (Prefer: handling=lenient) unknown and unsupported parameters and modifiers become warnings and are
    left out. Raises FhirError 400 with all findings.
    """
    if len(pairs) > MAX_PARAMETERS:
        raise outcome.BAD_PARAMETER_VALUE(
            f"A search takes at most {MAX_PARAMETERS} parameters; this one has {len(pairs)}. "
            "Write alternatives as one parameter with commas."
        )
    reading = _Reading(resource_type, lenient, own_bases)
    for name, value in pairs:
        reading.read(name, value)
    if reading.problems or reading.results.problems:
        raise FhirError(400, reading.problems + reading.results.problems)
    request = reading.request()
    breadth = sum(_breadth(value) for clause in request.parameters for value in clause.values)
    if breadth > MAX_TOKENS:
        raise outcome.TOO_COSTLY(
            "The search asks for too much at once. Send fewer values, and write references with their type, as in "
            "Patient/p1: an id alone stands for every type that the parameter may name."
        )
    return request


def _breadth(value: Value) -> int:
    # A prefix is a range of its own: MongoDB took 65 s to plan 19,800 of them.
    return len(value.tokens) if isinstance(value, Tokens) else 10


class _Reading:
    """One search while it is read."""

    def __init__(self, resource_type: str, lenient: bool, own_bases: tuple[str, ...]) -> None:
        self.type = resource_type
        self.table = search_parameters(resource_type)
        self.lenient = lenient
        self.own_bases = own_bases
        self.results = ResultParameters(resource_type)
        self.clauses: list[Clause] = []
        self.applied: list[tuple[str, str]] = []
        self.problems: list[Issue] = []
        self.warnings: list[Issue] = []

    def request(self) -> SearchRequest:
        results = self.results
        return SearchRequest(
            type=self.type,
            parameters=tuple(self.clauses),
            sort=results.sort,
            count=results.count,
            count_only=results.count_only,
            total=results.total,
            applied=tuple(self.applied),
            warnings=tuple(self.warnings),
        )

    def read(self, name: str, value: str) -> None:
        if not (_is_text(name) and _is_text(value)):
            self.refuse(outcome.BAD_PARAMETER_VALUE, name, "holds a control character or half a surrogate pair")
        elif name in EDGE_PARAMETERS:
            return
        elif name in RESULT_PARAMETERS:
            unsupported = self.results.read(name, value)
            if unsupported:
                self.leave_out(outcome.NOT_SUPPORTED, name, unsupported)
            else:
                self.applied.append((name, self.results.applied(name, value)))
        else:
            self.read_clause(name, value)

    def read_clause(self, name: str, text: str) -> None:
        code, colon, modifier = name.partition(":")
        parameter = self.table.get(code)
        if parameter is None or not is_offered(parameter) or "." in modifier:
            self.refuse_parameter(name, code, parameter)
            return
        targets = self.targets(parameter)
        if colon:
            if modifier not in targets:
                self.refuse_modifier(parameter, modifier, targets)
                return
            targets = (modifier,)
        values = self.values(parameter, name, text, targets)
        if values:
            self.clauses.append(Clause(code, values))
            self.applied.append((name, text))

    def targets(self, parameter: SearchParameter) -> tuple[str, ...]:
        """The types a reference may name, which are its modifiers too; a parameter that lists none may name any."""
        if parameter.type != "reference":
            return ()
        return parameter.target or resource_types()

    def values(self, parameter: SearchParameter, name: str, text: str, targets: tuple[str, ...]) -> tuple[Value, ...]:
        parts = split_unescaped(text, ",")
        if len(parts) > MAX_VALUES:
            self.refuse(
                outcome.BAD_PARAMETER_VALUE,
                name,
                f"has {len(parts)} values; at most {MAX_VALUES} are taken at once. Send several searches",
            )
            return ()
        found: list[Value] = []
        for position, part in enumerate(parts, 1):
            try:
                found.append(self.value(parameter, part, targets))
            except BadValue as problem:
                # Which one, not what: the values of a search are often health data.
                which = "a value" if len(parts) == 1 else f"a value (number {position})"
                self.refuse(outcome.BAD_PARAMETER_VALUE, name, f"has {which} that {problem}")
        return tuple(found) if len(found) == len(parts) else ()

    def value(self, parameter: SearchParameter, text: str, targets: tuple[str, ...]) -> Value:
        if not text:
            raise BadValue('is empty; leave the parameter out, or write "\\," for a comma that belongs to a value')
        code = parameter.code
        if code == "_id":
            return _logical_id(text)
        match parameter.type:
            case "token":
                return token.read_value(code, parameter_leaves(self.type, code), text)
            case "string":
                return string.read_value(text)
            case "date":
                return date.read_value(text)
            case "reference":
                leaves = parameter_leaves(self.type, code)
                return reference.read_value(code, leaves, targets, text, self.own_bases)
            case "uri":
                return uri.read_value(code, text)
        raise BadValue(f"belongs to a parameter of type {parameter.type}, which cannot be searched by yet")

    def refuse_parameter(self, name: str, code: str, parameter: SearchParameter | None) -> None:
        head = code.partition(".")[0]
        if parameter is not None and not is_offered(parameter):
            kind = "" if code in LATER else f" of type {parameter.type}"
            self.leave_out(outcome.NOT_SUPPORTED, name, f"is a parameter{kind} that this server does not search by yet")
        elif code in LATER:
            self.leave_out(outcome.NOT_SUPPORTED, name, "is not supported by this server yet")
        elif "." in name and head in self.table and self.table[head].type == "reference":
            self.leave_out(outcome.NOT_SUPPORTED, name, "is a chain, which this server does not follow yet")
        else:
            offered = sorted(each for each, found in self.table.items() if is_offered(found))
            close = get_close_matches(head, [*offered, *RESULT_PARAMETERS], n=3, cutoff=0.6)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(offered)}."
            self.leave_out(outcome.UNKNOWN_PARAMETER, name, f"is not a search parameter of {self.type}. {hint}")

    def refuse_modifier(self, parameter: SearchParameter, modifier: str, targets: tuple[str, ...]) -> None:
        if not targets:
            taken = "It takes none."
        elif len(targets) < 20:
            taken = f"It takes {', '.join(f':{each}' for each in targets)}."
        else:
            taken = "It takes the name of a resource type."
        text = f"has the modifier ':{_shown(modifier)}', which it does not take here. {taken}"
        self.leave_out(outcome.UNKNOWN_MODIFIER, parameter.code, text)

    def refuse(self, failure: Failure, name: str, text: str) -> None:
        self.problems.append(failure.issue(_sentence(name, text), _shown(name)))

    def leave_out(self, failure: Failure, name: str, text: str) -> None:
        """A warning for the lenient, a refusal for all others."""
        if self.lenient:
            self.warnings.append(failure.issue(_sentence(name, f"was ignored: it {text}"), _shown(name), "warning"))
        else:
            self.refuse(failure, name, text)


def _logical_id(text: str) -> LogicalId:
    id = unescape(text)
    if not is_id(id):
        raise BadValue("is not an id: 1 to 64 letters, digits, '-' and '.'")
    return LogicalId(id)


def _is_text(text: str) -> bool:
    """Whether BSON can hold it, in a pattern too: not half a surrogate pair, not NUL; other controls mean nothing."""
    if text.isascii() and text.isprintable():
        return True
    return not any((each < " " and each not in "\t\n\r") or "\ud800" <= each <= "\udfff" for each in text)


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:_SHOWN])


def _sentence(name: str, text: str) -> str:
    return f"'{_shown(name)}' {text}" + ("" if text.endswith((".", "?")) else ".")
