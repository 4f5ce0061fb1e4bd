"""Estimates made from the rows themselves, and refusals before a costly search runs."""

from datetime import UTC, datetime

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.search.page import Position
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.query import Query
from fhir_server.store import cost, search
from fhir_server.store.mongo import Database
from tests.store.plans import indexed, refused, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Pairs = list[tuple[str, str]]
ROWS = 400


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits for a type of some hundred rows what they are for one of millions."""
    monkeypatch.setattr(cost, "BUDGET", 150)
    monkeypatch.setattr(cost, "COUNT_BUDGET", 300)
    monkeypatch.setattr(cost, "SMALL", 100)
    monkeypatch.setattr(cost, "_LARGEST_SHARE", 1)
    monkeypatch.setattr(cost, "_FEW", 30)


async def observations(database: Database) -> None:
    """Four hundred: every second final, one in a hundred with code `rare`, in the records of 40 patients."""
    rows = [
        {
            "resourceType": "Observation",
            "id": f"o{n}",
            "status": ("final", "amended")[n % 2],
            "code": {"coding": [{"code": "rare" if n % 100 == 0 else "common"}]},
            "subject": {"reference": f"Patient/p{n % 40}"},
            "effectiveDateTime": f"{2000 + n % 20}-01-01",
        }
        for n in range(ROWS)
    ]
    await write(database, *map(indexed, rows))


async def ask(database: Database, *pairs: tuple[str, str]) -> Query:
    request = parse("Observation", pairs, lenient=False)
    return await cost.affordable(database, request, plan(request, None, None, NOW))


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    "pairs",
    [
        [("code:not", "nothing")],
        [("code", "rare"), ("_sort", "status")],
        [("date", "2003-01-01"), ("_sort", "-date")],
        [("patient", "p1"), ("code:not", "rare"), ("_sort", "status")],
        [("status", "final"), ("date", "ge2001"), ("_count", "20")],
        [("code:not", "nothing"), ("_summary", "count"), ("status", "final")],
    ],
)
async def test_what_fills_a_page_soon_or_is_led_by_an_index_is_answered(database: Database, pairs: Pairs) -> None:
    await observations(database)
    await ask(database, *pairs)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([("code:not", "common,rare")], "code:not"),
        ([("date:missing", "true")], "date:missing"),
        ([("_sort", "status")], "_sort"),
        ([("date", "ge2000"), ("_sort", "date")], "_sort"),
        ([("code:not", "nothing"), ("_summary", "count")], "code:not"),
    ],
)
async def test_what_would_read_too_much_is_refused_by_name(database: Database, pairs: Pairs, named: str) -> None:
    await observations(database)
    error = await refused(ask(database, *pairs))
    assert (error.status, error.issues[0].number, error.issues[0].expression) == (400, 4006, named)


async def test_a_type_of_few_rows_is_searched_by_anything(database: Database) -> None:
    await observations(database)
    await ask(database, ("code:not", "common,rare"), ("_sort", "status"))


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    ("pairs", "index"),
    [
        ([("code", "rare"), ("_sort", "status")], "t"),
        ([("date", "2003-01-01"), ("date:missing", "false")], "dlo"),
        ([("date", "gt2018"), ("status:not", "final")], "dhi"),
        ([("status:not", "amended")], None),
    ],
)
async def test_the_index_that_finds_few_rows_is_hinted_at_on_every_page(
    database: Database, pairs: Pairs, index: str | None
) -> None:
    await observations(database)
    assert (await ask(database, *pairs)).hint == index
    request = parse("Observation", [*pairs, ("_count", "1")], lenient=False)
    first = await search.find(database, await ask(database, *pairs, ("_count", "1")))
    after = Position(first.rows[0].keys, first.rows[0].id)
    later = await cost.advised(database, plan(request, None, after, NOW))
    assert later.hint == index
    assert (await search.find(database, later)).rows[0].id == first.rows[1].id


@pytest.mark.usefixtures("tight")
async def test_an_estimate_is_kept_for_a_while(database: Database) -> None:
    await observations(database)
    with pytest.raises(FhirError):
        await ask(database, ("_sort", "status"))
    await database.collections["Observation"].delete_many({})
    with pytest.raises(FhirError):
        await ask(database, ("_sort", "status"))
    database.noted.clear()
    await ask(database, ("_sort", "status"))
