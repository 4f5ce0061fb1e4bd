"""Reads the pairs of a search into a SearchRequest, and gathers everything that is wrong with them at once.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/search.html#errors
"""

from collections.abc import Sequence

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.definitions.capability import CRITERIA, RESULTS, shared_parameters
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.registry import is_resource_type, resource_types
from fhir_server.search.chains import read_criterion
from fhir_server.search.filter_conditions import read_filter
from fhir_server.search.request import MAX_PARAMETERS, Condition, SearchRequest
from fhir_server.search.result_parameters import ResultParameters
from fhir_server.search.scope import Refused, Scope, is_text, numbered, shown
from fhir_server.search.suggestions import listed, no_modifier, unknown_type

EDGE_PARAMETERS = frozenset({"_format", "_pretty"})
"""Read before the search begins; they change how the answer is written, not what it holds."""


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    lenient: bool,
    own_bases: tuple[str, ...] = (),
    parameter_set: ParameterSet = STANDARD,
) -> SearchRequest:
    """The request the pairs make. Equal names are ANDed, values between commas are ORed.

    An empty `resource_type` is a search of several types: those of `_type`, or all. Its conditions are read for the
    first of them; `of_type` gives those of another.
    `own_bases` are the URLs of this server, without a slash at their ends: references that begin with one are local.
    With `lenient` (Prefer: handling=lenient) parameters with names that mean nothing become warnings and are left out.
    Of a known one nothing is left out: R4 has unsupported modifiers refused, and half a filter finds too much. Raises
    FhirError 400 with all findings.
    """
    if len(pairs) > MAX_PARAMETERS:
        raise outcome.BAD_PARAMETER_VALUE(
            f"A search takes at most {MAX_PARAMETERS} parameters; this one has {len(pairs)}. "
            "Write alternatives as one parameter with commas."
        )
    types = (resource_type,) if resource_type else _types(pairs)
    reading = _Reading(resource_type, types, lenient, Scope(own_bases, parameter_set))
    for name, sent in pairs:
        reading.read(name, sent)
    return reading.request()


def of_type(request: SearchRequest, resource_type: str, own_bases: tuple[str, ...] = ()) -> SearchRequest:
    """The part of a search of several types that concerns one of them: the same parameters, read for that type."""
    scope = Scope(own_bases, request.parameter_set)
    criteria = [(name, sent) for name, sent in request.applied if not _shapes(name) and name != "_type"]
    conditions = tuple(
        condition if _is_typeless(name) else _read_condition(scope, resource_type, name, sent)
        for (name, sent), condition in zip(criteria, request.conditions, strict=True)
    )
    return replace(request, type=resource_type, types=(), conditions=conditions)


def _types(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The types of a search of the whole system, sorted. Raises FhirError 400."""
    sent = [value for name, value in pairs if name == "_type"]
    if not sent:
        return resource_types()
    if len(sent) > 1:
        raise outcome.BAD_PARAMETER_VALUE("'_type' is given more than once; write the types with commas.", "_type")
    names = sent[0].split(",")
    unknown = [
        f"has {numbered('value', position, len(names))} that {unknown_type(name)}"
        for position, name in enumerate(names, 1)
        if not is_resource_type(name)
    ]
    if unknown:
        raise FhirError(400, [outcome.BAD_PARAMETER_VALUE.issue(_sentence("_type", each), "_type") for each in unknown])
    return tuple(sorted(set(names)))


def _shapes(name: str) -> bool:
    return name.partition(":")[0] in RESULTS


def _is_typeless(name: str) -> bool:
    """Whether a criterion reads the same for every type that has it."""
    return name.startswith("_") and "." not in name and name.partition(":")[0] not in ("_has", "_filter")


def _read_condition(scope: Scope, resource_type: str, name: str, sent: str) -> Condition:
    if name == "_filter":
        return read_filter(scope, resource_type, sent)
    return read_criterion(scope, resource_type, name, sent)


class _Reading:
    """One search while it is read; `types` are those it searches, one where `type` names it."""

    def __init__(self, type: str, types: tuple[str, ...], lenient: bool, scope: Scope) -> None:
        self.type = type
        self.types = types
        self.lenient = lenient
        self.scope = scope
        self.results = ResultParameters(types, scope.parameter_set)
        self.conditions: list[Condition] = []
        self.applied: list[tuple[str, str]] = []
        self.problems: list[Issue] = []
        self.warnings: list[Issue] = []

    def read(self, name: str, sent: str) -> None:
        if not (is_text(name) and is_text(sent)):
            text = "holds a control character or half a surrogate pair"
            self.note(name, Refused((outcome.BAD_PARAMETER_VALUE, text)))
        elif name in EDGE_PARAMETERS:
            return
        elif name == "_type" and not self.type:
            self.applied.append((name, sent))
        else:
            try:
                self.take(name, sent)
            except Refused as refusal:
                self.note(name, refusal)

    def take(self, name: str, sent: str) -> None:
        if name[:1] == "_" and _shapes(name):
            self.results.read(name, sent)
            self.applied.append((name, self.results.applied(name, sent)))
        elif name.startswith("_type:"):
            raise no_modifier("_type", name.partition(":")[2])
        elif name == "_type":
            text = f"belongs to a search of the whole system; this one finds {self.type} alone. Leave it out"
            raise Refused((outcome.BAD_PARAMETER_VALUE, text))
        else:
            if len(self.types) > 1:
                self.check_shared(name)
            condition = _read_condition(self.scope, self.types[0], name, sent)
            if len(self.types) > 1 and not _is_typeless(name):
                for type in self.types[1:]:
                    _read_condition(self.scope, type, name, sent)
            self.conditions.append(condition)
            self.applied.append((name, sent))

    def check_shared(self, name: str) -> None:
        """Raise Refused where one of the types searched lacks the parameter."""
        code = name.partition(":")[0].partition(".")[0]
        if code in CRITERIA:
            return
        lacking = [type for type in self.types if code not in self.scope.table(type)]
        if lacking:
            shared = shared_parameters(self.types, self.scope.parameter_set)
            text = (
                f"is not a search parameter of {listed(lacking)}. All types searched have {', '.join(shared)}; "
                "for others name the types that have them with _type"
            )
            raise Refused((outcome.UNKNOWN_PARAMETER, text))

    def is_known(self, name: str) -> bool:
        """Whether a name is a chain, or the part before its modifier means something for a type searched."""
        code = name.partition(":")[0]
        if "." in name or code in CRITERIA or _shapes(code) or code == "_type":
            return True
        pending = self.scope.parameter_set.pending
        return any(code in self.scope.table(type) or (type, code) in pending for type in self.types)

    def note(self, name: str, refusal: Refused) -> None:
        """Warnings for the lenient where the name means nothing, problems otherwise."""
        place = shown(refusal.place or name)
        for failure, text in refusal.findings:
            if self.lenient and failure is outcome.UNKNOWN_PARAMETER and not self.is_known(name):
                said = _sentence(refusal.place or name, f"was ignored: it {text}")
                self.warnings.append(failure.issue(said, place, "warning"))
            else:
                self.problems.append(failure.issue(_sentence(refusal.place or name, text), place))

    def request(self) -> SearchRequest:
        """The request read. Raises FhirError 400."""
        results = self.results
        for name, text in results.check([name for name, _ in self.applied]) if results.is_asked else ():
            self.note(name, Refused((outcome.BAD_PARAMETER_VALUE, text)))
        if self.problems:
            # A parameter that is sent 99 times is wrong once.
            raise FhirError(400, tuple(dict.fromkeys(self.problems)))
        return SearchRequest(
            type=self.type,
            conditions=tuple(self.conditions),
            sort=results.sort,
            count=results.count,
            count_only=results.count_only,
            total=results.total,
            summary=results.summary,
            elements=results.elements,
            includes=tuple(results.includes),
            contained=results.contained,
            container=results.container,
            explain=results.explain,
            types=() if self.type else self.types,
            applied=tuple(self.applied),
            warnings=tuple(dict.fromkeys(self.warnings)),
            parameter_set=self.scope.parameter_set,
        )


def _sentence(name: str, text: str) -> str:
    return f"'{shown(name)}' {text}" + ("" if text.endswith((".", "?")) else ".")
