"""The rows that a transaction's documents meet, as far as their writer reaches: any other is as if it were not there.

https://hl7.org/fhir/R4/security.html#authorization
"""

from collections.abc import Sequence

from fhir_server.core import outcome
from fhir_server.core.write_plan import Delete, Expect, Filter, Put
from fhir_server.core.write_plan import Document as PlannedDocument
from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.store.bodies import opened
from fhir_server.store.mongo import Database, Document, Session
from fhir_server.store.rows import KEPT_FIELDS


async def rows_met(
    database: Database, running: Session, type: str, documents: Sequence[PlannedDocument]
) -> dict[str, Document]:
    """The rows that documents meet, by id. Raises FhirError 404 for one that is out of its writer's reach."""
    meeting = [document for document in documents if isinstance(document, Delete) or document.expect is Expect.ANYTHING]
    rows: dict[str, Document] = {}
    for within, some in _by_reach(meeting):
        ids = [document.id for document in some]
        rows |= await _rows_of(database, running, type, ids, within or {})
        if within is not None:
            missed = [document for document in some if document.id not in rows]
            await _refuse_out_of_reach(database, running, type, missed)
    if type in ENCRYPTED:
        await _open(database, type, rows, documents)
    return rows


async def _open(database: Database, type: str, rows: dict[str, Document], documents: Sequence[PlannedDocument]) -> None:
    for row in rows.values():
        if "body" in row:
            row["sealed"] = row["body"]
    # The content of a file is needed only to tell whether it is the same.
    compared = any(isinstance(each, Put) and each.unless_equal for each in documents)
    await opened(database, type, list(rows.values()), whole=compared)


def _by_reach(documents: Sequence[PlannedDocument]) -> list[tuple[Filter | None, list[PlannedDocument]]]:
    """Together what one filter bounds: it may name thousands of patients."""
    found: list[tuple[Filter | None, list[PlannedDocument]]] = []
    for document in documents:
        for within, some in found:
            if within is document.within or within == document.within:
                some.append(document)
                break
        else:
            found.append((document.within, [document]))
    return found


async def _rows_of(
    database: Database, running: Session, type: str, ids: list[str], within: Filter
) -> dict[str, Document]:
    collection = database.collections[type]
    if len(ids) == 1:
        named = {"_id": ids[0]}
        found = await collection.find_one({"$and": [named, within]} if within else named, KEPT_FIELDS, session=running)
        return {} if found is None else {ids[0]: found}
    wanted = {"_id": {"$in": ids}}
    rows = collection.find({"$and": [wanted, within]} if within else wanted, KEPT_FIELDS, session=running)
    return {row["_id"]: row for row in await rows.to_list(None)}


async def _refuse_out_of_reach(
    database: Database, running: Session, type: str, missed: Sequence[PlannedDocument]
) -> None:
    """Raise FhirError 404 for what is not there, unless its writer may create it, and for what is there unseen."""
    refused = [document for document in missed if isinstance(document, Delete) or not document.creates]
    others = [document for document in missed if isinstance(document, Put) and document.creates]
    if others and not refused:
        hidden = await _rows_of(database, running, type, [document.id for document in others], {})
        refused = [document for document in others if document.id in hidden]
    if refused:
        place = f"{type}/{refused[0].id}"
        raise outcome.NOT_FOUND(f"There is no {type} with id '{refused[0].id}'.").at(place)
