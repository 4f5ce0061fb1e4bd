"""One call of an operation: its parameters, from a query or a Parameters resource, checked against what it takes.

https://hl7.org/fhir/R4/operations.html#executing, https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.definitions.own_operations import OwnOperation, Takes
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.validation.primitives import fault_of
from fhir_server.validation.validate import validate

_PRESENTATION = frozenset({"_format", "_pretty"})
_COMPLEX = frozenset({"Reference", "CodeableConcept", "Coding", "Period"})
_TEXTUAL = frozenset({"string", "uri", "url", "canonical", "code", "id", "markdown", "oid", "uuid"})
_TEMPORAL = frozenset({"date", "dateTime", "instant"})
_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt"})


@dataclass(frozen=True, slots=True)
class Call:
    """An operation's call. `type` and `id` are those of the path, empty where it has none.

    `values` are those given, by name: a str for a primitive (`true` and numbers too), the JSON of anything else.
    """

    operation: OwnOperation
    type: str
    id: str
    values: Mapping[str, tuple[Any, ...]]

    def one(self, name: str) -> Any:
        """The value of a parameter that is given once at most; None where it is not."""
        found = self.values.get(name, ())
        return found[0] if found else None

    def all(self, name: str) -> tuple[Any, ...]:
        """The values of a parameter."""
        return self.values.get(name, ())


Operate = Callable[[RequestContext, Call], Awaitable[Answer]]
"""What runs a call."""

Operations = Mapping[tuple[str, str], Operate]
"""By type (empty for those of the system) and code."""


def call_by_query(operation: OwnOperation, type: str, id: str, pairs: Sequence[tuple[str, str]]) -> Call:
    """The call of a GET. Raises FhirError 400 for a parameter that is unknown, missing, repeated or of a wrong form."""
    sent = [(name, _of_text(operation, name, text)) for name, text in pairs if name not in _PRESENTATION]
    return _checked(operation, type, id, sent)


def call_by_body(operation: OwnOperation, type: str, id: str, pairs: Sequence[tuple[str, str]], content: Any) -> Call:
    """The call of a POST, whose parameters stand in a Parameters resource, and may stand in the query as well; None for
    a body that there is none of. An operation that takes one resource and nothing else is sent that itself.

    Raises FhirError as `call_by_query` does, and 400 for a body that is neither.
    """
    sent = [(name, _of_text(operation, name, text)) for name, text in pairs if name not in _PRESENTATION]
    if content is not None:
        sent += _of_body(operation, content)
    return _checked(operation, type, id, sent)


def _of_body(operation: OwnOperation, content: Any) -> list[tuple[str, Any]]:
    if not isinstance(content, dict) or not isinstance(content.get("resourceType"), str):
        raise outcome.BAD_OPERATION_CALL(f"The body of ${operation.code} must be a Parameters resource.", "Parameters")
    if content["resourceType"] != "Parameters":
        resources = [each for each in operation.takes if each.type == "Resource"]
        if len(resources) == 1 and all(each is resources[0] or not each.least for each in operation.takes):
            return [(resources[0].name, content)]
        raise outcome.BAD_OPERATION_CALL(f"The body of ${operation.code} must be a Parameters resource.", "Parameters")
    found = [issue for issue in validate(content, "Parameters") if issue.severity in ("error", "fatal")]
    if found:
        raise outcome.FhirError(400, found)
    return [
        _named(operation, each, f"Parameters.parameter[{position}]")
        for position, each in enumerate(content.get("parameter", ()))
    ]


def _named(operation: OwnOperation, parameter: Resource, place: str) -> tuple[str, Any]:
    # A name may be given by its extensions alone.
    if "name" not in parameter:
        raise outcome.BAD_OPERATION_CALL(f"Each parameter of ${operation.code} needs a name.", f"{place}.name")
    return parameter["name"], _of_parameter(operation, parameter, place)


def _of_parameter(operation: OwnOperation, parameter: Resource, place: str) -> Any:
    name = parameter["name"]
    rule = _rule(operation, name)
    if rule.type == "Resource":
        if "resource" not in parameter:
            raise outcome.BAD_OPERATION_CALL(f"'{name}' must be a resource.", f"{place}.resource")
        return parameter["resource"]
    key = next((each for each in parameter if each.startswith("value")), None)
    said = "" if key is None else key.removeprefix("value")
    given = parameter.get(key or "")
    if not said or not _fits(rule.type, said if rule.type in _COMPLEX else said[0].lower() + said[1:]):
        wanted = rule.type[0].upper() + rule.type[1:]
        raise outcome.BAD_OPERATION_CALL(f"'{name}' must be a value{wanted}.", f"{place}.value[x]")
    if rule.type in _COMPLEX:
        return given
    text = given if isinstance(given, str) else str(given).lower()
    return _valid(rule, text)


def _fits(wanted: str, given: str) -> bool:
    if wanted == given or (wanted in _TEXTUAL and given in _TEXTUAL):
        return True
    if wanted == "token":
        return given in _TEXTUAL
    return any(wanted in some and given in some for some in (_TEMPORAL, _WHOLE))


def _of_text(operation: OwnOperation, name: str, text: str) -> Any:
    rule = _rule(operation, name)
    if rule.type == "Reference":
        return {"reference": text}
    if rule.type in ("CodeableConcept", "Coding"):
        system, bar, code = text.rpartition("|")
        coding = {"system": system, "code": code} if bar and system else {"code": code}
        return coding if rule.type == "Coding" else {"coding": [coding]}
    if rule.type == "Resource" or rule.type in _COMPLEX:
        raise outcome.BAD_OPERATION_CALL(f"'{name}' cannot stand in the URL: POST it in a Parameters resource.", name)
    return _valid(rule, text)


def _valid(rule: Takes, text: str) -> str:
    type = "string" if rule.type == "token" else rule.type
    value: Any = text
    if type == "boolean":
        value = {"true": True, "false": False}.get(text, text)
    elif type in _WHOLE:
        value = int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12 else text
    fault = fault_of(type)(value)
    if fault is not None:
        raise outcome.BAD_OPERATION_CALL(f"'{rule.name}' {fault.text}", rule.name)
    return text


def _rule(operation: OwnOperation, name: str) -> Takes:
    for each in operation.takes:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in operation.takes) or "none"
    raise outcome.BAD_OPERATION_CALL(f"${operation.code} has no parameter '{name[:64]}'. It takes: {names}.", name[:64])


def _checked(operation: OwnOperation, type: str, id: str, sent: Sequence[tuple[str, Any]]) -> Call:
    values: dict[str, list[Any]] = {}
    for name, value in sent:
        values.setdefault(name, []).append(value)
    for rule in operation.takes:
        count = len(values.get(rule.name, ()))
        if count < rule.least:
            raise outcome.BAD_OPERATION_CALL(f"${operation.code} needs the parameter '{rule.name}'.", rule.name)
        if rule.most is not None and count > rule.most:
            raise outcome.BAD_OPERATION_CALL(f"${operation.code} takes '{rule.name}' {rule.most} time(s).", rule.name)
    return Call(operation, type, id, {name: tuple(each) for name, each in values.items()})


async def run(context: RequestContext, call: Call) -> Answer:
    """What the operation answers. Raises FhirError as the operation does."""
    operate: Operate = context.server.operations[call.operation.type, call.operation.code]
    return await operate(context, call)
