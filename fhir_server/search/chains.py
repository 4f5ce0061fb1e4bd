"""Parameters that look at other resources: chains, `_has`, `_list`; and what stands at their end.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has
"""

from collections.abc import Callable, Iterable

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.definitions.capability import is_offered, targets_of
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.request import (
    MAX_LINKS,
    MAX_VALUES,
    AllOf,
    AnyOf,
    Chained,
    Condition,
    Expanded,
    Having,
    InList,
    Linked,
    NotThis,
)
from fhir_server.search.scope import Refused, Scope, shown
from fhir_server.search.suggestions import (
    did_you_mean,
    listed,
    no_modifier,
    unknown_modifier,
    unknown_parameter,
    unknown_type,
)
from fhir_server.search.values import read_values

_HAS = "_has:"
_HAS_FORM = "is not of the form _has:Type:reference:parameter"


def read_criterion(scope: Scope, resource_type: str, name: str, sent: str) -> Condition:
    """The condition `name=sent` on a type, where `name` may be a chain or begin with `_has:`.

    Raises Refused, and FhirError 400 where it leads to too many types or values.
    """
    code, colon, modifier = name.partition(":")
    parameter = scope.table(resource_type).get(code)
    # Of a plain parameter nothing else needs to be asked.
    if parameter is not None and "." not in modifier and is_offered(parameter):
        return read_values(scope, resource_type, parameter, modifier if colon else None, sent, name)
    return _Chain(scope, name, sent).criterion(resource_type, name, 0)


def needs_store(condition: Condition) -> bool:
    """Whether other resources must be asked before the condition can be a filter."""
    match condition:
        case Chained() | Having() | InList() | Expanded():
            return True
        case AllOf(conditions) | AnyOf(conditions):
            return any(map(needs_store, conditions))
        case NotThis(inner):
            return needs_store(inner)
    return False


def link_types(
    parameter: SearchParameter, only: str | None, takes: Callable[[str], bool], next_name: str
) -> tuple[str, ...]:
    """The types a link over a reference parameter leads to: `only`, or each target for which `takes` holds.

    `next_name` is what the link goes on with, as a message may say it.
    Raises Refused where the parameter is no reference, cannot name `only`, or nothing it names has the next parameter.
    """
    targets = targets_of(parameter)
    if not targets:
        text = f"is a chain over '{parameter.code}', which is a {parameter.type} and no reference; end it there"
        raise Refused((outcome.UNKNOWN_PARAMETER, text))
    if only is not None:
        if only not in targets:
            raise unknown_modifier(parameter, only) if is_resource_type(only) else _no_type(only, targets)
        return (only,)
    found = tuple(target for target in targets if takes(target))
    if not found:
        named = f"which none of the types has that '{parameter.code}' may name"
        text = f"asks for {next_name}, {named}: {listed(targets)}"
        raise Refused((outcome.UNKNOWN_PARAMETER, text))
    return found


def _no_type(name: str, targets: tuple[str, ...]) -> Refused:
    text = f"has ':{shown(name)}' inside a chain, where only a type can stand: {listed(targets)}"
    return Refused((outcome.UNKNOWN_MODIFIER, text))


class _Chain:
    """One parameter as sent while it is read, link by link."""

    def __init__(self, scope: Scope, name: str, sent: str) -> None:
        self.scope = scope
        self.name = name
        self.sent = sent

    def criterion(self, resource_type: str, name: str, links: int) -> Condition:
        if name.startswith(_HAS) or name == "_has":
            return self.having(resource_type, name, links)
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        if code in ("_list", "_filter") and colon:
            raise no_modifier(code, modifier)
        if code == "_list" and not dot:
            return in_list(self.sent)
        parameter = self.scope.table(resource_type).get(code)
        if parameter is None or not is_offered(parameter):
            raise unknown_parameter(resource_type, code, self.scope.parameter_set, name == self.name)
        if not dot:
            given = modifier if colon else None
            return read_values(self.scope, resource_type, parameter, given, self.sent, self.name)
        return self.chained(parameter, modifier if colon else None, rest, self.further(links))

    def further(self, links: int) -> int:
        if links >= MAX_LINKS:
            text = f"follows more than {MAX_LINKS} references; ask for the nearer resources first"
            raise Refused((outcome.BAD_PARAMETER_VALUE, text))
        return links + 1

    def chained(self, parameter: SearchParameter, only: str | None, rest: str, links: int) -> Chained:
        types = link_types(parameter, only, lambda type: self.may_take(type, rest), f"'{shown(rest)}'")
        found: list[Linked] = []
        refused: Refused | None = None
        for type in types:
            self.scope.link(self.name)
            try:
                found.append(Linked(type, (self.criterion(type, rest, links),)))
            except Refused as refusal:
                # A value that cannot be read for one type may be right for another.
                refused = refused or refusal
        if refused is not None and not found:
            raise refused
        return Chained(self.name, parameter.code, tuple(found))

    def may_take(self, resource_type: str, name: str) -> bool:
        """Whether a type has what a chain goes on with, as far as one look tells."""
        if name.startswith(_HAS):
            _, _, rest = name.partition(":")
            source, _, rest = rest.partition(":")
            parameter = self.scope.table(source).get(rest.partition(":")[0]) if is_resource_type(source) else None
            return parameter is None or resource_type in targets_of(parameter)
        code = name.partition(".")[0].partition(":")[0]
        return code == "_list" or code in self.scope.table(resource_type)

    def having(self, resource_type: str, name: str, links: int) -> Having:
        parts = name.split(":", 3)
        if len(parts) != 4 or not all(parts):
            raise Refused((outcome.BAD_PARAMETER_VALUE, _HAS_FORM))
        _, source, code, rest = parts
        if not is_resource_type(source):
            raise Refused((outcome.BAD_PARAMETER_VALUE, f"asks '{shown(source)}', which {unknown_type(source)}"))
        parameter = self.scope.table(source).get(code)
        if parameter is None or parameter.type != "reference":
            raise self.no_reference(resource_type, source, code, parameter)
        if resource_type not in targets_of(parameter):
            text = f"asks {source} for '{code}', which never names {resource_type}: it names {listed(parameter.target)}"
            raise Refused((outcome.BAD_PARAMETER_VALUE, text))
        self.scope.link(self.name)
        inner = self.criterion(source, rest, self.further(links))
        return Having(self.name, code, Linked(source, (inner,)))

    def no_reference(self, searched: str, source: str, code: str, found: SearchParameter | None) -> Refused:
        if found is not None:
            text = f"asks {source} for '{code}', which is a {found.type} and no reference"
            return Refused((outcome.BAD_PARAMETER_VALUE, text))
        table = self.scope.table(source)
        naming = [each for each in table if searched in targets_of(table[each])]
        hint = did_you_mean(code, naming) or (f". It has {', '.join(sorted(naming))}" if naming else "")
        return Refused(
            (outcome.BAD_PARAMETER_VALUE, f"asks {source} for '{shown(code)}', which it does not have{hint}")
        )


def in_list(sent: str) -> Condition:
    """`_list=id` or `_list=List/id`. Raises Refused."""
    parts = split_unescaped(sent, ",")
    if len(parts) > MAX_VALUES:
        text = f"has {len(parts)} values; at most {MAX_VALUES} are taken at once. Send several searches"
        raise Refused((outcome.BAD_PARAMETER_VALUE, text))
    if any(part.startswith("$") for part in parts):
        text = "asks for a current list of a patient, which this server does not keep; name a List by its id"
        raise Refused((outcome.NOT_SUPPORTED, text))
    ids = [unescape(part).removeprefix("List/") for part in parts]
    if not all(map(is_id, ids)):
        raise Refused((outcome.BAD_PARAMETER_VALUE, "has a value that is not the id of a List"))
    lists: Iterable[Condition] = (InList(id) for id in ids)
    found = tuple(lists)
    return found[0] if len(found) == 1 else AnyOf(found)
