"""What is about a resource is hidden with it: the labels that rows take over, from when the resource has them.

docs/adr/0031-what-is-about-a-hidden-resource-is-hidden.md
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fhir_server.definitions.owners import HIDDEN_WITH_OTHERS
from fhir_server.search.labels import hiding_labels
from fhir_server.store.mongo import Database, Document, DriverError, Session, refusal
from fhir_server.store.rows import history_collection

_MOST = 1_000
"""Documents that share one Binary."""
_DEEP = 3
"""A Task about the Provenance of a Binary."""

_MARKS = {"$or": [{"$eq": [{"$indexOfBytes": ["$$this", f"{name}|"]}, 0]} for name in ("_security", "_tag")]}


@dataclass(frozen=True, slots=True)
class Passed:
    """What a row passes on to what is about it: whose record it is (ids of patients) and the labels that hide it."""

    owners: tuple[str, ...]
    labels: tuple[str, ...]


async def labels_of(database: Database, places: Iterable[str]) -> dict[str, Passed]:
    """By place (`Type/id`), of current rows and tombstones, whoever may see them; places without a row are left out."""
    by_type: dict[str, list[str]] = {}
    for place in places:
        type, _, id = place.partition("/")
        by_type.setdefault(type, []).append(id)
    found: dict[str, Passed] = {}
    marks = {"$filter": {"input": "$t", "cond": _MARKS}}
    for type, ids in by_type.items():
        wanted = {"_id": {"$in": sorted(ids)}}
        try:
            rows = await database.collections[type].find(wanted, {"owners": 1, "labels": 1, "t": marks}).to_list(None)
        except DriverError as error:
            raise refusal(error) from error
        for row in rows:
            labels = hiding_labels(row["labels"], row.get("t") or ())
            found[f"{type}/{row['_id']}"] = Passed(tuple(row["owners"]), labels)
    return found


async def of_documents(database: Database, id: str, own_bases: Iterable[str]) -> tuple[Passed, ...]:
    """What the documents pass on that have a Binary for their content. Raises FhirError 503."""
    urls = [f"Binary/{id}", *(f"{base}/Binary/{id}" for base in own_bases)]
    named = {"t": {"$in": [f"location|{url}" for url in urls]}}
    marks = {"$filter": {"input": "$t", "cond": _MARKS}}
    fields = {"owners": 1, "labels": 1, "t": marks}
    try:
        rows = await database.collections["DocumentReference"].find(named, fields).limit(_MOST).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    return tuple(Passed(tuple(row["owners"]), hiding_labels(row["labels"], row["t"])) for row in rows)


async def spread(
    database: Database, type: str, id: str, labels: Collection[str], running: Session | None = None
) -> None:
    """Add the labels to the replaced versions of a resource and to whatever is about it, replaced versions too.

    Rows that wait to be indexed again are left out: that takes the labels over. Done twice it changes nothing. The
    driver's own errors pass, because their labels decide about a retry of the transaction.
    """
    add: Document = {"$addToSet": {"labels": {"$each": list(labels)}}}
    await database.collections[history_collection(type)].update_many({"rid": id}, add, session=running)
    places = [f"{type}/{id}"]
    for _ in range(_DEEP):
        places = [
            place for each in HIDDEN_WITH_OTHERS for place in await _spread_to(database, each, places, add, running)
        ]
        if not places:
            return


async def spread_again(database: Database, type: str, id: str, labels: Collection[str]) -> None:
    """`spread` by itself, for what was written meanwhile. Raises FhirError 503."""
    try:
        await spread(database, type, id, labels)
    except DriverError as error:
        raise refusal(error) from error


async def take_over(database: Database, type: str, id: str, labels: Collection[str]) -> None:
    """Add the labels to a resource that is there, and to whatever is about it. Raises FhirError 503."""
    add: Document = {"$addToSet": {"labels": {"$each": list(labels)}}}
    try:
        await database.collections[type].update_one({"_id": id, **await _taken(database, type)}, add)
        await spread(database, type, id, labels)
    except DriverError as error:
        raise refusal(error) from error


async def _spread_to(
    database: Database, type: str, places: Sequence[str], add: Document, running: Session | None
) -> list[str]:
    """The places of the rows of a type that are about these, once they have the labels."""
    about: Document = {"about": {"$in": list(places)}}
    collection, past = database.collections[type], database.collections[history_collection(type)]
    await past.update_many(about, add, session=running)
    rows = await collection.find(about, {"_id": 1}, session=running).to_list(None)
    if rows:
        await collection.update_many(about | await _taken(database, type), add, session=running)
    return [f"{type}/{row['_id']}" for row in rows]


async def _taken(database: Database, type: str) -> Document:
    """The rows that the fence before a type's collection takes (`fence.py`): an update of any other is refused."""
    found = await database.handle.command({"listCollections": 1, "filter": {"name": type}})
    options = [each.get("options") or {} for each in found["cursor"]["firstBatch"]]
    validator = options[0].get("validator") if options else None
    return dict(validator) if validator else {}
