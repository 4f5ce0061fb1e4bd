"""JSON Patch: operations on the JSON of a resource, each at a JSON Pointer.

https://www.rfc-editor.org/rfc/rfc6902, https://www.rfc-editor.org/rfc/rfc6901

Not the jsonpatch library: it takes true for 1, copies without a bound, and tells values in its errors.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import takewhile
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.formats.patched import Change, Draft, Findings, refuse_too_many

Pointer = tuple[str, ...]
Container = dict[str, Any] | list[Any]

_NEEDS = {"add": "value", "remove": "", "replace": "value", "move": "from", "copy": "from", "test": "value"}
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}").fullmatch
_BAD_ESCAPE = re.compile(r"~(?![01])")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}").fullmatch
_SHOWN = 100
_SHOWN_STEPS = 20


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `path` and `source` begin with the empty name, under which a Draft holds the resource."""

    name: str
    path: Pointer
    value: Any = None
    source: Pointer = ()


def change(document: Any) -> Change:
    """The change a JSON Patch asks for.

    Raises FhirError 400 with all that is wrong with the document, 413 for too many operations.
    """
    if not isinstance(document, list):
        raise outcome.BAD_PATCH(
            'A JSON Patch is an array such as [{"op": "replace", "path": "/active", "value": true}].'
        )
    refuse_too_many(len(document))
    findings = Findings()
    operations = [_operation(number, each, findings) for number, each in enumerate(document)]
    findings.refuse()
    return partial(_changed, [operation for operation in operations if operation is not None])


def _operation(number: int, sent: Any, findings: Findings) -> Operation | None:
    if not isinstance(sent, dict):
        findings.add(f"Operation {number} is not a JSON object.")
        return None
    name = sent.get("op")
    if not isinstance(name, str) or name not in _NEEDS:
        findings.add(f"Operation {number}: 'op' must be one of {', '.join(_NEEDS)}.")
        return None
    path = _pointer(number, sent, "path", findings)
    source: Pointer | None = ()
    needs = _NEEDS[name]
    if needs == "from":
        source = _pointer(number, sent, "from", findings)
    elif needs and needs not in sent:
        findings.add(f"Operation {number}: {name} needs a '{needs}'.")
    if path is None or source is None:
        return None
    if name == "remove" and path == ("",):
        findings.add(f"Operation {number} removes the whole resource. Send a DELETE instead.")
    if name == "move" and path != source and path[: len(source)] == source:
        findings.add(f"Operation {number} moves a value into itself.")
    return Operation(name, path, sent.get("value"), source)


def _pointer(number: int, sent: dict[str, Any], member: str, findings: Findings) -> Pointer | None:
    text = sent.get(member)
    if not isinstance(text, str) or (text and not text.startswith("/")) or _BAD_ESCAPE.search(text):
        findings.add(f"Operation {number}: '{member}' must be a JSON Pointer, such as /name/0/family.")
        return None
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/"))


def _changed(operations: Sequence[Operation], resource: Resource) -> Any:
    draft = Draft(resource)
    for number, operation in enumerate(operations):
        try:
            _apply(draft, operation)
        except _Misfit as misfit:
            raise _refusal(number, operation, misfit, str(resource.get("resourceType"))) from None
    return draft.finished()


class _Misfit(Exception):
    """Why an operation cannot be applied; `path` is the pointer that does not fit."""

    def __init__(self, text: str, path: Pointer) -> None:
        super().__init__(text)
        self.text = text
        self.path = path


def _refusal(number: int, operation: Operation, misfit: _Misfit, type: str) -> FhirError:
    shown = "/".join(token.replace("~", "~0").replace("/", "~1") for token in misfit.path) or "the whole resource"
    failure = outcome.PATCH_TEST_FAILED if operation.name == "test" else outcome.PATCH_MISFIT
    text = f"Operation {number} ({operation.name}) at {shown[:_SHOWN]}: {misfit.text}"
    return failure(text, _expression(type, misfit.path[1:]))


def _expression(type: str, path: Pointer) -> str:
    """The FHIRPath of a pointer, as far as it names elements."""
    named = takewhile(lambda token: _INDEX(token) or _NAME(token), path[:_SHOWN_STEPS])
    steps = "".join(f"[{token}]" if _INDEX(token) else f".{token}" for token in named)
    return f"{type[:_SHOWN]}{steps}"


def _apply(draft: Draft, operation: Operation) -> None:
    path = operation.path
    match operation.name:
        case "add":
            _add(draft, path, draft.copied(operation.value, len(path) - 1))
        case "replace":
            container, key = _existing(draft, path)
            container[key] = draft.copied(operation.value, len(path) - 1)
        case "remove":
            _remove(draft, path)
        case "copy":
            container, key = _existing(draft, operation.source)
            _add(draft, path, draft.duplicated(container[key], len(path) - 1))
        case "move":
            _move(draft, operation.source, path)
        case "test":
            container, key = _existing(draft, path)
            if not _same(container[key], operation.value):
                raise _Misfit("the value there is another one. Read the resource again.", path)


def _move(draft: Draft, source: Pointer, path: Pointer) -> None:
    container, key = _existing(draft, source)
    if path != source:
        value = draft.moved(container[key], len(path) - 1)
        _remove(draft, source)
        _add(draft, path, value)


def _add(draft: Draft, path: Pointer, value: Any) -> None:
    container = _container(draft, path)
    last = path[-1]
    if isinstance(container, dict):
        container[last] = value
        return
    if last == "-":
        container.append(value)
        return
    position = int(last) if _INDEX(last) else -1
    if not 0 <= position <= len(container):
        raise _Misfit(f"an array takes a position from 0 to {len(container)}, or '-' for its end.", path)
    container.insert(position, value)


def _remove(draft: Draft, path: Pointer) -> None:
    container, key = _existing(draft, path)
    del container[key]
    draft.thinned(container)


def _existing(draft: Draft, path: Pointer) -> tuple[Any, Any]:
    """The container and the key or position under which the value at `path` is found."""
    container = _container(draft, path)
    key = _key(container, path[-1])
    if key is None:
        raise _Misfit("there is nothing at this path.", path)
    return container, key


def _container(draft: Draft, path: Pointer) -> Container:
    """What holds the value at `path`, whether that is there or not."""
    value: Any = draft.root
    for position, token in enumerate(path[:-1]):
        key = _key(value, token)
        if key is None:
            raise _Misfit("there is nothing at this path.", path[: position + 1])
        value = value[key]
    if not isinstance(value, dict | list):
        raise _Misfit("it holds a single value, with nothing inside.", path[:-1])
    return value


def _key(value: Any, token: str) -> str | int | None:
    """The token as a key of an object or a position of an array; None where nothing is there."""
    if isinstance(value, dict):
        return token if token in value else None
    if isinstance(value, list) and _INDEX(token) and int(token) < len(value):
        return int(token)
    return None


def _same(one: Any, other: Any) -> bool:
    """Equal as RFC 6902 4.6 says: numbers by their value, so that 1.50 is 1.5; true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
