"""The content of a Binary as it is, in its own media type. https://hl7.org/fhir/R4/binary.html#rest"""

import base64
import re

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.definitions.attached import FILE
from fhir_server.interactions.accesses import note_read
from fhir_server.interactions.admission import version_number
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.interactions.narrow import within
from fhir_server.interactions.read import gone, not_found
from fhir_server.store import resources
from fhir_server.store.files import File, content_of

_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:;[ -~]{0,100})?"
)
_UNKNOWN = "application/octet-stream"


async def content(context: RequestContext, id: str, version_id: str | None, accept: str) -> Answer:
    """200 with the content of a file, of a version of it where one is named, in its own media type.

    Raises FhirError as `read` and `vread` do, and 406 where that media type is not accepted.
    """
    seen, database = within(context, FILE, "r"), context.server.database
    number = None if version_id is None else version_number(version_id)
    if version_id is None:
        row = await resources.read_without_content(database, FILE, id, seen)
    else:
        row = None if number is None else await resources.read_without_content(database, FILE, id, seen, number)
    if row is None:
        raise not_found(FILE, id)
    if row.body is None:
        raise gone(FILE, id)
    await refuse_unread(context, id, row.owners)
    resource = decode(row.body)
    media_type = resource.get("contentType", "")
    media_type = media_type if _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN
    if not _accepts(accept, media_type):
        raise outcome.NOT_ACCEPTABLE(f"The content is {media_type}. Accept that, or application/fhir+json.", "Accept")
    note_read(context, row, "read" if version_id is None else "vread")
    if row.file is None:
        whole = base64.b64decode(resource.get("data", ""))
        return Answer(200, whole, row.version, row.updated, media_type=media_type)
    file = File(*row.file)
    return Answer(
        200, b"", row.version, row.updated, media_type=media_type, stream=content_of(database, file), length=file.length
    )


def _accepts(accept: str, media_type: str) -> bool:
    name = media_type.partition(";")[0].strip().lower()
    for part in accept.lower().split(",", 64)[:64]:
        wanted, *parameters = (piece.strip() for piece in part.split(";"))
        if any(each.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for each in parameters):
            continue
        if wanted in ("*/*", name) or (wanted.endswith("/*") and name.startswith(wanted[:-1])):
            return True
    return False
