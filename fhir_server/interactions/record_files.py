"""The files that resources of a record lead to, for whoever reads one of their holders.

https://hl7.org/fhir/R4/binary.html
"""

import re
from collections.abc import Iterable

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.attached import FILE
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.policy import row_filter, visible
from fhir_server.store import resources
from fhir_server.store.rows import Row

MAX_FILES = 100
MAX_BYTES = 16 * 1024 * 1024
"""Content of files shown with one page; what is more is read by its own address."""

# A quotation mark inside a JSON text is written with a backslash, so this finds elements and nothing else.
_NAMED = re.compile(rb'"(?:reference|url)":"(?:([^"\\]{1,500})/)?Binary/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"]*)?"')


async def files_of(context: RequestContext, bodies: Iterable[bytes], patient: str) -> list[Row]:
    """The Binaries of a patient's record (an id) that these resources name and the caller reads, in their order."""
    seen = visible(context.sight, FILE, "r")
    if seen is None:
        return []
    bases = {base.encode() for base in context.own_bases}
    named = dict.fromkeys(
        id.decode() for body in bodies for base, id in _NAMED.findall(body) if not base or base in bases
    )
    database, within = context.server.database, row_filter(seen)
    found: list[Row] = []
    left = MAX_BYTES
    for id in list(named)[:MAX_FILES]:
        row = await resources.read_without_content(database, FILE, id, within)
        if row is None or row.body is None or patient not in row.owners:
            continue
        size = row.file[1] if row.file is not None else len(row.body)
        if size > left:
            continue
        try:
            await refuse_unread(context, id, row.owners)
        except FhirError:
            continue
        whole = await resources.read(database, FILE, id, within)
        if whole is not None and whole.body is not None:
            found.append(whole)
            left -= size
    return found
