"""1.11 Granular scopes: every search of the run with full scopes again, filtered by category and by nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.smart_kit.app import App, Json
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED, Granular, categories, is_granted

pytestmark = pytest.mark.slow

Search = tuple[str, dict[str, str]]
GranularLaunch = tuple[Granular, Launched]
PAGE = 20
# Of each kind of search; the kits take one of every value that they saw.
MOST_VALUES = 6


@dataclass(frozen=True, slots=True)
class Run:
    """The searches of US Core for a type, and what each of them finds with full scopes; first everything there is."""

    everything: list[Json]
    searches: list[Search]
    seen: list[dict[str, Json]]


@pytest_asyncio.fixture(scope="module")
async def runs(kit: Kit, standalone: Launched) -> dict[str, Run]:
    """The (g)(10) run of the single patient with full scopes, by type."""
    return {type: await _run(kit, standalone, type) for type in ("Condition", "Observation")}


async def _run(kit: Kit, standalone: Launched, type: str) -> Run:
    patient = standalone.patient
    everything = list((await kit.search(standalone, type, {"patient": patient}, count=100)).values())
    assert len(_tokens(everything)) >= 3
    made = list(_of_conditions(everything) if type == "Condition" else _of_observations(everything))
    assert len(made) > 20
    searches = [("GET", {"patient": patient, **search}) for search in made]
    searches += [("POST", {"patient": f"Patient/{patient}", **search}) for search in made[::4]]
    seen = [await kit.search(standalone, type, asked, how == "POST", PAGE) for how, asked in searches]
    assert sum(map(bool, seen)) > len(seen) / 2
    return Run(everything, searches, seen)


@pytest.mark.parametrize("type", ["Condition", "Observation"])
async def test_a_search_finds_what_was_granted_and_nothing_else(
    kit: Kit, granular_launch: GranularLaunch, runs: dict[str, Run], type: str
) -> None:
    granted, launched = granular_launch
    hidden = 0
    for (how, asked), before in zip(runs[type].searches, runs[type].seen, strict=True):
        found = await kit.search(launched, type, asked, how == "POST", PAGE)
        expected = {id for id, resource in before.items() if is_granted(granted, resource)}
        assert set(found) == expected, (how, type, asked)
        hidden += len(before) - len(found)
    assert hidden > 0


@pytest.mark.parametrize("type", ["Condition", "Observation"])
async def test_a_count_is_of_what_was_granted(
    kit: Kit, granular_launch: GranularLaunch, runs: dict[str, Run], type: str
) -> None:
    granted, launched = granular_launch
    expected = sum(is_granted(granted, each) for each in runs[type].everything)
    for asked in ({"_summary": "count"}, {"_total": "accurate", "_count": "1"}):
        answer = await kit.http.get(f"{kit.base}/{type}", params=asked, headers=launched.bearer)
        assert answer.json()["total"] == expected


@pytest.mark.parametrize("type", ["Condition", "Observation"])
async def test_a_matching_resource_is_read_and_no_other(
    kit: Kit, granular_launch: GranularLaunch, runs: dict[str, Run], type: str
) -> None:
    granted, launched = granular_launch
    everything = runs[type].everything
    for token in (token for of, token in granted if of == type):
        match = next(each for each in everything if token in categories(each))
        assert (await kit.get(f"{type}/{match['id']}", launched)).status_code == 200, token
    other = next(each for each in everything if not is_granted(granted, each))
    refused = await kit.get(f"{type}/{other['id']}", launched)
    assert refused.status_code in (403, 404)
    assert refused.json()["resourceType"] == "OperationOutcome"


async def test_the_granular_scopes_are_granted_as_asked_for(granular_launch: GranularLaunch) -> None:
    _, launched = granular_launch
    assert sorted(launched.scopes) == sorted(launched.asked.sent["scope"].split())


async def test_the_person_picks_categories_in_place_of_types(
    kit: Kit, apps: dict[str, App], patient: Person, chart: None
) -> None:
    asked = (*FIXED, "patient/Patient.rs", "patient/Condition.rs", "patient/Observation.rs")

    def picked(boxes: Any) -> list[str]:
        narrower = [box for box in boxes if box.endswith(("|problem-list-item", "|vital-signs", "|procedure"))]
        assert len(narrower) == 3
        return [*FIXED, "patient/Patient.rs", *narrower]

    launched = await kit.launch(apps["symmetric"], patient, " ".join(asked), choice=picked)
    assert {"patient/Condition.rs", "patient/Observation.rs"}.isdisjoint(launched.scopes)
    assert {*FIXED, "patient/Patient.rs"} <= set(launched.scopes)
    codes = sorted(scope.rpartition("|")[2] for scope in launched.scopes if "?category=" in scope)
    assert codes == ["problem-list-item", "procedure", "vital-signs"]
    for type, code in (("Condition", "problem-list-item"), ("Observation", "vital-signs")):
        found = await kit.search(launched, type, {"patient": launched.patient}, count=100)
        assert found and all(any(token.endswith(f"|{code}") for token in categories(each)) for each in found.values())


def _of_conditions(found: list[Json]) -> Iterator[dict[str, str]]:
    yield {}
    yield {"_revinclude": "Provenance:target"}
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical|active"
    for token in _tokens(found):
        yield {"category": token}
        yield {"category": token.rpartition("|")[2]}
        yield {"category": token, "clinical-status": "active"}
    yield {"clinical-status": status}
    yield {"clinical-status": "active,resolved,inactive"}
    for name, element in (("onset-date", "onsetDateTime"), ("recorded-date", "recordedDate")):
        for prefix, date in _dates(found, element):
            yield {name: f"{prefix}{date}"}
    yield {"abatement-date": "gt1900-01-01"}
    for code in _codes(found):
        yield {"code": code}
    for each in found:
        if "encounter" in each:
            encounter = each["encounter"]["reference"]
            yield {"category": "encounter-diagnosis", "encounter": encounter}
    yield {"_lastUpdated": "gt2000-01-01T00:00:00Z"}
    yield {"_lastUpdated": f"le{found[0]['meta']['lastUpdated']}"}


def _of_observations(found: list[Json]) -> Iterator[dict[str, str]]:
    tokens = _tokens(found)
    for token in tokens:
        yield {"category": token}
        yield {"category": token.rpartition("|")[2]}
        yield {"category": token, "status": "final,amended,corrected,preliminary"}
        yield {"category": token, "_lastUpdated": "gt2000-01-01T00:00:00Z"}
        for prefix, date in _dates([each for each in found if token in categories(each)], "effectiveDateTime")[:4]:
            yield {"category": token, "date": f"{prefix}{date}"}
    yield {"category": ",".join(tokens)}
    yield {"category": tokens[0], "_revinclude": "Provenance:target"}
    for code in _codes(found):
        yield {"code": code}
        yield {"code": code.rpartition("|")[2]}
        yield {"code": code, "date": "ge2000-01-01"}
    yield {"status": "final"}


def _tokens(found: list[Json]) -> list[str]:
    return sorted({token for each in found for token in categories(each)})


def _codes(found: list[Json]) -> list[str]:
    """Codes of resources of different categories first, so that both sides of a set are asked for."""
    by_category: dict[tuple[str, ...], list[str]] = {}
    for each in found:
        coding = each["code"]["coding"][0]
        by_category.setdefault(tuple(sorted(categories(each))), []).append(f"{coding['system']}|{coding['code']}")
    firsts = [codes[0] for codes in by_category.values()]
    return list(dict.fromkeys(firsts + [codes[-1] for codes in by_category.values()]))[: 2 * MOST_VALUES]


def _dates(found: list[Json], element: str) -> list[tuple[str, str]]:
    dates = sorted({each[element] for each in found if element in each})[:: max(1, len(found) // MOST_VALUES)]
    return [(prefix, date) for date in dates[:2] for prefix in ("", "gt", "ge", "lt", "le")]
