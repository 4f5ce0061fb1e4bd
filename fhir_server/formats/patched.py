"""What the three forms of a patch share: a resource under change, with bounds, and what is dropped once it is empty.

https://hl7.org/fhir/R4/http.html#patch
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import MAX_DEPTH
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.core.resource import Resource

Change = Callable[[Resource], Any]
"""A patch that was read: gives what becomes of a resource, which it may use up. Raises FhirError 422 where the patch
does not fit it, 413 and 400 past the bounds."""

MAX_OPERATIONS = 1_000
"""Operations of one patch."""
MAX_COPIED_CHARACTERS = 1024 * 1024
"""Characters of JSON that all operations `copy` of one patch may add, and values that its moves may carry: ten copies
can double a resource ten times. What is sent is bounded by the body."""
MAX_VISITS = 500_000
"""Elements that all paths of one FHIRPath Patch may look at, also in vain, those of conditions included: about 2 s."""
_MAX_FINDINGS = 100


class Draft:
    """A resource under change. `root` holds it under the empty name, so that it has a place like any other value."""

    __slots__ = ("_characters_left", "_thinned", "_visits_left", "root")

    def __init__(self, resource: Resource) -> None:
        self.root: dict[str, Any] = {"": resource}
        self._characters_left = MAX_COPIED_CHARACTERS
        self._visits_left = MAX_VISITS
        self._thinned: dict[int, dict[str, Any] | list[Any]] = {}

    def copied(self, value: Any, depth: int) -> Any:
        """A copy of what was sent, for a place that `depth` objects and arrays surround.

        Raises FhirError 400 past MAX_DEPTH.
        """
        if not isinstance(value, dict | list):
            return value
        if depth >= MAX_DEPTH:
            raise outcome.nested_too_deep(MAX_DEPTH)
        if isinstance(value, list):
            return [self.copied(each, depth + 1) for each in value]
        return {name: self.copied(member, depth + 1) for name, member in value.items()}

    def duplicated(self, value: Any, depth: int) -> Any:
        """A copy of what the resource holds. Raises FhirError 413 past MAX_COPIED_CHARACTERS, 400 past MAX_DEPTH."""
        self._charge(value, depth, _characters)
        return self.copied(value, depth)

    def moved(self, value: Any, depth: int) -> Any:
        """The value itself, for another place. Raises FhirError as `duplicated` does; text weighs nothing here."""
        self._charge(value, depth, lambda _: 1)
        return value

    def _charge(self, value: Any, depth: int, weight: Callable[[Any], int]) -> None:
        self._characters_left -= weight(value)
        if self._characters_left < 0:
            raise outcome.TOO_LARGE(
                f"The patch copies or moves more than {MAX_COPIED_CHARACTERS} characters. Send an update."
            )
        if not isinstance(value, dict | list):
            return
        if depth >= MAX_DEPTH:
            raise outcome.nested_too_deep(MAX_DEPTH)
        for each in value.values() if isinstance(value, dict) else value:
            self._charge(each, depth + 1, weight)

    def visited(self, elements: int) -> None:
        """Count elements that a path looks at. Raises FhirError 413 past MAX_VISITS."""
        self._visits_left -= elements
        if self._visits_left < 0:
            raise outcome.TOO_LARGE(
                f"The paths of the patch look at more than {MAX_VISITS} elements. Name positions, or send it in parts."
            )

    def thinned(self, container: dict[str, Any] | list[Any]) -> None:
        """Note that something was taken out of a container: where that leaves it empty, it goes too."""
        self._thinned[id(container)] = container

    def finished(self) -> Any:
        """The changed resource. FHIR's JSON has no empty objects and arrays, so those that removals left are dropped;
        those that were sent empty stay, to be refused.
        """
        if self._thinned:
            self._drop_emptied(self.root)
        return self.root.get("")

    def _drop_emptied(self, value: dict[str, Any] | list[Any], is_twin: bool = False) -> bool:
        """Drop what was emptied below a container; whether it goes itself. `is_twin` for what `_given` holds."""
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        is_thinned = id(value) in self._thinned
        # From the end, so that positions in an array hold.
        for name, member in reversed(members):
            if isinstance(member, dict | list) and self._drop_emptied(member, str(name).startswith("_")):
                is_thinned = True
                _drop(value, name, is_twin)
        if isinstance(value, list) and is_twin:
            return is_thinned and all(each is None for each in value)
        return is_thinned and not value


def _characters(value: Any) -> int:
    """About how long a value is as JSON, without what is inside it."""
    match value:
        case str():
            return len(value) + 3
        case list():
            return 3
        case dict():
            return 3 + sum(len(name) + 3 for name in value)
        case Decimal():
            return len(str(value)) + 1
    return 6


def _drop(container: Any, name: Any, is_twin: bool) -> None:
    if isinstance(container, list) and is_twin:
        # The places of `_given` are those of `given`.
        container[name] = None
    else:
        del container[name]


class Findings:
    """All that is wrong with a patch as a document, told in one answer."""

    __slots__ = ("_issues",)

    def __init__(self) -> None:
        self._issues: list[Issue] = []

    def add(self, text: str, expression: str | None = None) -> None:
        """One more finding; those past a hundred are dropped."""
        if len(self._issues) < _MAX_FINDINGS:
            self._issues.append(outcome.BAD_PATCH.issue(text, expression))

    def refuse(self) -> None:
        """Raise FhirError 400 with all findings, if any."""
        if self._issues:
            raise FhirError(400, self._issues)


def refuse_too_many(operations: int) -> None:
    """Raise FhirError 413 past MAX_OPERATIONS."""
    if operations > MAX_OPERATIONS:
        raise outcome.TOO_LARGE(
            f"The patch has {operations} operations; {MAX_OPERATIONS} are the most. Send an update."
        )
