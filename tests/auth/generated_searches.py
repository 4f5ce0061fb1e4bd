"""Searches of every shape, made up: parameters, modifiers, chains, `_has`, filters, includes, orders, totals."""

from collections.abc import Callable

from hypothesis import strategies as st

from fhir_server.definitions.capability import includes, modifiers_of, revincludes, targets_of
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from tests.auth.two_worlds import HIDDEN, SECRET, A, B, Sent

TYPES = (
    "Observation",
    "Patient",
    "Condition",
    "Provenance",
    "List",
    "Goal",
    "Practitioner",
    "Group",
    "Task",
    "Encounter",
)
_TOKENS = (
    "final",
    "active",
    "female",
    "laboratory",
    "urn:mrn|b1",
    "urn:mrn|a1",
    "http://loinc.org|8302-2",
    "AMB",
    "true",
)
_VALUES = {
    "token": _TOKENS,
    "string": (SECRET, SECRET[:5], "Anna", "Healer", "mine"),
    "reference": (
        *(f"Patient/{each}" for each in (A, B)),
        B,
        "Observation/zb-1",
        "Observation/za-1",
        "Practitioner/dr",
        "Group/zall",
    ),
    "date": ("gt2020-01-01", "lt2100", "ne2024", "2024-05", "1980-01-01", "ap2024-05-01"),
    "number": ("1", "gt0", "lt100"),
    "quantity": ("5", "gt1", "lt100||cm"),
    "uri": ("urn:x", "http://example.org"),
    "composite": ("8302-2$gt1", "x$y"),
    "special": ("mine", SECRET, "zb-list", "za-list"),
}
_IDS = (*(place.partition("/")[2] for place in HIDDEN), "za-1", A, "never-there")
_NO_STRANGE = ("_query",)
_Parameters = st.SearchStrategy[str]


def _offered(type: str) -> list[SearchParameter]:
    return [each for code, each in sorted(search_parameters(type).items()) if code not in _NO_STRANGE]


def _value(parameter: SearchParameter) -> _Parameters:
    if parameter.code == "_id":
        return st.lists(st.sampled_from(_IDS), min_size=1, max_size=2).map(",".join)
    return st.lists(st.sampled_from(_VALUES[parameter.type]), min_size=1, max_size=2).map(",".join)


@st.composite
def _plain(draw: st.DrawFn, type: str) -> str:
    parameter = draw(st.sampled_from(_offered(type)))
    modifiers = tuple(each for each in modifiers_of(parameter) if each != "identifier")
    modifier = draw(st.sampled_from(("", "", *(f":{each}" for each in modifiers))))
    value = draw(st.sampled_from(("true", "false"))) if modifier == ":missing" else draw(_value(parameter))
    return f"{parameter.code}{modifier}={value}"


@st.composite
def _chained(draw: st.DrawFn, type: str, depth: int) -> str:
    links = [each for each in _offered(type) if each.type == "reference"]
    if not links:
        return draw(_plain(type))
    parameter = draw(st.sampled_from(links))
    among = [each for each in targets_of(parameter) if each in TYPES]
    if not among:
        return draw(_plain(type))
    target = draw(st.sampled_from(among))
    return f"{parameter.code}:{target}.{draw(_condition(target, depth - 1))}"


@st.composite
def _having(draw: st.DrawFn, type: str, depth: int) -> str:
    source = draw(st.sampled_from(TYPES))
    links = [each for each in _offered(source) if each.type == "reference" and type in targets_of(each)]
    if not links:
        return draw(_plain(type))
    link = draw(st.sampled_from(links))
    return f"_has:{source}:{link.code}:{draw(_condition(source, depth - 1))}"


def _condition(type: str, depth: int = 2) -> _Parameters:
    if depth == 0:
        return _plain(type)
    return st.one_of(_plain(type), _chained(type, depth), _having(type, depth))


def _filters(type: str) -> _Parameters:
    comparisons = st.builds(
        lambda parameter, value, operator: f"{parameter.code} {operator} {value}",
        st.sampled_from([each for each in _offered(type) if each.type in ("token", "string", "reference")]),
        st.sampled_from((*_VALUES["string"], *_IDS, "final")),
        st.sampled_from(("eq", "ne", "co", "sw")),
    )
    return st.lists(comparisons, min_size=1, max_size=2).map(lambda some: f"_filter={' or '.join(some)}")


def _results(type: str) -> _Parameters:
    shown = st.sampled_from(
        (
            "_summary=count",
            "_total=accurate",
            "_total=estimate",
            "_count=1",
            "_count=0",
            "_elements=id",
            "_contained=both",
            "_format=html",
            "_sort=-_lastUpdated",
            "_sort=_id",
            "_include=*",
            "_revinclude=*",
            "_include:iterate=*",
            "_revinclude:iterate=*",
        )
    )
    forward, backward = includes(type), revincludes(type)
    named = [f"_include={each}" for each in forward] + [f"_revinclude={each}" for each in backward]
    return st.one_of(shown, st.sampled_from(named)) if named else shown


@st.composite
def searches(draw: st.DrawFn) -> Sent:
    """A search of a type, of several types, or in b's compartment, by GET or by form, or the criteria of a write."""
    type = draw(st.sampled_from(TYPES))
    asked = draw(st.lists(st.one_of(_condition(type), _condition(type), _filters(type)), max_size=3))
    shaped = draw(st.lists(_results(type), max_size=3, unique_by=lambda each: each.partition("=")[0]))
    query, criteria = "&".join((*asked, *shaped)), "&".join(asked)
    ways: dict[str, Callable[[], Sent]] = {
        "get": lambda: Sent("GET", f"{type}?{query}"),
        "form": lambda: Sent("POST", f"{type}/_search", form=query),
        "several": lambda: Sent("GET", f"?_type={type},Patient&{query}"),
        "compartment": lambda: Sent("GET", f"Patient/{B}/{type}?{query}"),
        "delete": lambda: Sent("DELETE", f"{type}?_id=zb-1&{criteria}"),
        "patch": lambda: Sent(
            "PATCH",
            f"{type}?_id=zb-1&{criteria}",
            [{"op": "test", "path": "/id", "value": "x"}],
            {"content-type": "application/json-patch+json"},
        ),
    }
    return ways[draw(st.sampled_from(("get", "get", "get", *ways)))]()
