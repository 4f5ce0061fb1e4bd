"""Files over HTTP as what they are: asked for by another media type than FHIR's, and sent as such.

https://hl7.org/fhir/R4/binary.html#rest
"""

import asyncio
import base64
import re
from typing import Any

from starlette.requests import Request

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.attached import FILE
from fhir_server.rest.context import body_bytes
from fhir_server.rest.headers import lines
from fhir_server.rest.negotiate import READABLE
from fhir_server.rest.respond import media_type

_SECURITY_CONTEXT = "x-security-context"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")


def accepted(request: Request) -> str:
    """The Accept header."""
    return ", ".join(lines(request.scope, b"accept"))


def wants_content(request: Request) -> bool:
    """Whether a read is of a file, by somebody who accepts none of the media types of FHIR."""
    if request.path_params.get("type") != FILE or "_format" in request.query_params:
        return False
    try:
        media_type(request)
    except FhirError as error:
        return error.status == 406
    return False


def brings_content(request: Request) -> bool:
    """Whether a write brings a file as it is, not a Binary in JSON."""
    name = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return request.path_params.get("type") == FILE and name not in READABLE and bool(_MEDIA_TYPE.fullmatch(name))


async def binary_of(request: Request, max_bytes: int, id: str | None = None) -> dict[str, Any]:
    """The Binary of such a write, in the record of what X-Security-Context names.

    Raises FhirError 413 over the limit, 400 for an empty body, 415 where it is encoded.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise outcome.UNSUPPORTED_MEDIA_TYPE("Send the file without Content-Encoding.", "Content-Encoding")
    # In base64 it is a third longer.
    sent = await body_bytes(request, max_bytes * 3 // 4)
    if not sent:
        raise outcome.EMPTY_BODY("The request has no body; send the file.")
    data = await asyncio.to_thread(base64.b64encode, sent)
    binary = {"resourceType": FILE, "contentType": request.headers["content-type"], "data": data.decode("ascii")}
    named = request.headers.get(_SECURITY_CONTEXT)
    if named:
        binary["securityContext"] = {"reference": named}  # type: ignore[assignment]
    return binary | ({"id": id} if id else {})
