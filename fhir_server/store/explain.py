"""How MongoDB runs a search: which indexes it walks, what it reads, and whether it sorts in memory.

https://www.mongodb.com/docs/manual/reference/explain-results/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.search.cost import is_surely_cheap
from fhir_server.search.query import Part, Query, live
from fhir_server.store.cost import advised, budget, estimated
from fhir_server.store.mongo import Database, DriverError, explained
from fhir_server.store.search import count_command, part_command, refused

_SORTS = frozenset({"SORT", "sort"})


@dataclass(frozen=True, slots=True)
class Explained:
    """What one query did. `stages` are those of the winning plan, from the answer back to the indexes.

    `estimated_keys` is what was expected before it ran, of `rows` there are of the type. `in_memory_sort` says that
    rows were sorted, not only that the plan has a stage for it. A query that costs too much `is_affordable` no more and
    is not `run`: what would be counted is 0, and `in_memory_sort` False.
    """

    stages: tuple[str, ...]
    indexes: tuple[str, ...]
    estimated_keys: int
    rows: int
    is_affordable: bool
    run: bool
    keys: int
    documents: int
    returned: int
    milliseconds: int
    in_memory_sort: bool


async def explain(
    database: Database,
    query: Query,
    command: Mapping[str, Any] | None = None,
    is_count: bool = False,
    may_run: bool = True,
) -> Explained:
    """Run a query to count what it reads, its rows thrown away, unless the search itself would be refused.

    It is run by `command` where that is given, as a count of what matches where it `is_count`, and not at all where it
    may not. Raises FhirError 503 as the search would.
    """
    estimate = await estimated(database, query, is_count)
    is_affordable = is_surely_cheap(query) or estimate.keys <= budget(is_count)
    run = is_affordable and may_run
    if command is None and is_count:
        command = count_command(query.type, query.filter)
    try:
        commands = [command] if command is not None else _commands(await advised(database, query))
        replies = [await explained(database, each, run) for each in commands]
    except DriverError as error:
        raise refused(database, query.type, error) from error
    stages = tuple(stage for reply in replies for stage in _stages(_plan(reply)))
    names = [name for name, _ in stages] + [name for reply in replies for name in _pipeline(reply)]
    statistics = [_statistics(reply) for reply in replies] if run else []
    return Explained(
        stages=tuple(names),
        indexes=tuple(dict.fromkeys(index for _, index in stages if index)),
        estimated_keys=estimate.keys,
        rows=estimate.rows,
        is_affordable=is_affordable,
        run=run,
        keys=sum(each["totalKeysExamined"] for each in statistics),
        documents=sum(each["totalDocsExamined"] for each in statistics),
        returned=sum(each["nReturned"] for each in statistics),
        milliseconds=sum(each["executionTimeMillis"] for each in statistics),
        in_memory_sort=(run and "$sort" in names) or any(_sorts(each["executionStages"]) for each in statistics),
    )


def _commands(query: Query) -> list[dict[str, Any]]:
    rounds = query.rounds or ((Part(live(query.filter), query.hint),),)
    return [part_command(query, part) for parts in rounds for part in parts]


def _cursor(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of an explain that speaks of the plan: of an aggregation it stands under its first stage."""
    stages = reply.get("stages")
    return stages[0]["$cursor"] if stages else reply


def _plan(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    plan: Mapping[str, Any] = _cursor(reply)["queryPlanner"]["winningPlan"]
    return plan.get("queryPlan", plan)  # type: ignore[no-any-return]


def _statistics(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    return _cursor(reply)["executionStats"]  # type: ignore[no-any-return]


def _stages(plan: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield plan["stage"], plan.get("indexName")
    for inner in (*filter(None, (plan.get("inputStage"),)), *plan.get("inputStages", ())):
        yield from _stages(inner)


def _sorts(executed: Any) -> bool:
    """Whether a stage that sorts, anywhere inside, gave a row."""
    if isinstance(executed, list):
        return any(map(_sorts, executed))
    if not isinstance(executed, Mapping):
        return False
    return (executed.get("stage") in _SORTS and executed["nReturned"] > 0) or any(map(_sorts, executed.values()))


def _pipeline(reply: Mapping[str, Any]) -> Iterator[str]:
    for stage in reply.get("stages", ())[1:]:
        yield from (name for name in stage if name.startswith("$"))
