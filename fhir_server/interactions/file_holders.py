"""Who reads a file: whoever may read one of its holders (a note, a message), with a scope on that one's type too.

One that nothing holds is read by whoever may read the Binary.

https://hl7.org/fhir/R4/binary.html#security-considerations
"""

from fhir_server.core import outcome
from fhir_server.definitions.attached import FILE, HOLDERS
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import forbidden, row_filter, visible
from fhir_server.search.predicate import all_of
from fhir_server.store import holders


async def refuse_unread(context: RequestContext, id: str, owners: tuple[str, ...]) -> None:
    """Raise FhirError 403 where no scope covers the types that hold a file, 404 where they are out of sight.

    What holds it counts where it is of the same record (`owners` of the Binary): nobody hides another's file.
    """
    if context.sight.access is None:
        return
    place = f"{FILE}/{id}"
    of_record = {"owners": {"$in": list(owners)}} if owners else {}
    found = await holders.of_file(context.server.database, place, HOLDERS, of_record)
    if not found:
        return
    covered = False
    for type in found:
        seen = visible(context.sight, type, "r")
        if seen is None:
            continue
        covered = True
        if await holders.holds(context.server.database, type, place, all_of([of_record, row_filter(seen)])):
            return
    if not covered:
        raise forbidden(found[0], "r")
    raise outcome.NOT_FOUND(f"There is no {FILE} with id '{id[:64]}'.")
