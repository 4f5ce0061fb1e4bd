"""What a search is read against, how much it has asked for so far, and how a part of it is refused.

https://hl7.org/fhir/R4/search.html#errors
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.outcome import Failure
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.request import MAX_TOKENS, Tokens, Value

MAX_LINKED = 300
"""Types all chains of a search may lead to: a reference without a type leads to each that has the parameter."""

_BREADTH = 10
_SHOWN = 64


class Refused(Exception):
    """Why one parameter of a search cannot be used: kinds of failure, each with a text that goes on from its name.

    `place` is what is named instead of the parameter as sent.
    """

    def __init__(self, *findings: tuple[Failure, str], place: str | None = None) -> None:
        super().__init__(*(text for _, text in findings))
        self.findings = findings
        self.place = place


@dataclass(slots=True)
class Scope:
    """Where a search is read: this server's own bases and the parameters in force; and what it has asked for."""

    own_bases: tuple[str, ...]
    parameter_set: ParameterSet
    breadth: int = 0
    linked: int = 0

    def table(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """The parameters of a type by code."""
        return self.parameter_set.of(resource_type)

    def spend(self, value: Value) -> None:
        """Count a value. Raises FhirError 400 where all together are too many."""
        # A prefix is a range of its own: MongoDB took 65 s to plan 19,800 of them.
        self.breadth += len(value.tokens) if isinstance(value, Tokens) else _BREADTH
        if self.breadth > MAX_TOKENS:
            raise outcome.TOO_COSTLY(
                "The search asks for too much at once. Send fewer values or name fewer types, and write references "
                "with their type, as in Patient/p1: an id alone stands for every type that the parameter may name."
            )

    def link(self, name: str) -> None:
        """Count a type a chain leads to. Raises FhirError 400 where all together are too many."""
        self.linked += 1
        if self.linked > MAX_LINKED:
            raise outcome.TOO_COSTLY(
                f"'{shown(name)}' leads to more than {MAX_LINKED} types of resources. Name the type of each reference, "
                "as in subject:Patient.name.",
                shown(name),
            )


def shown(text: str) -> str:
    """A name as a message can hold it."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:_SHOWN])


def numbered(noun: str, position: int, of: int) -> str:
    """`a value`, or `a value (number 2)` where there are several: what was sent is not repeated, as it is often health
    data.
    """
    article = "an" if noun[0] in "aeiou" else "a"
    return f"{article} {noun}" if of == 1 else f"{article} {noun} (number {position})"


def is_text(text: str) -> bool:
    """Whether BSON can hold it, in a pattern too: not half a surrogate pair, not NUL; other controls mean nothing."""
    if text.isascii() and text.isprintable():
        return True
    return not any((each < " " and each not in "\t\n\r") or "\ud800" <= each <= "\udfff" for each in text)
