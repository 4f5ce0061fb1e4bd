"""From an interaction's Answer to an HTTP response with the headers FHIR asks for.

https://hl7.org/fhir/R4/http.html#summary
"""

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.core import outcome
from fhir_server.core.codec import indented
from fhir_server.core.etag import format_etag
from fhir_server.core.instant import format_http_date
from fhir_server.interactions.context import Answer
from fhir_server.rest.negotiate import written_type


def respond(request: Request, answer: Answer, base: str) -> Response:
    """The response; indented where `_pretty=true`. Records are never to be kept by caches on the way."""
    headers = {"cache-control": "no-store"}
    if answer.version is not None:
        headers["etag"] = format_etag(answer.version)
    if answer.updated is not None:
        headers["last-modified"] = format_http_date(answer.updated)
    if answer.location is not None:
        headers["location"] = f"{base}/{answer.location}"
    body = answer.body
    if body is None:
        return Response(None, answer.status, headers)
    return Response(_shown(request, body), answer.status, headers, media_type=media_type(request))


def media_type(request: Request) -> str:
    """The Content-Type of the answer.

    Raises FhirError 406 where the client accepts none that can be written, 400 for a `_pretty` that is no boolean.
    """
    accept = request.headers.getlist("accept")
    return f"{written_type(', '.join(accept), _presentation(request)[0])}; charset=utf-8"


def _shown(request: Request, body: bytes) -> bytes:
    return indented(body) if _presentation(request)[1] else body


def _presentation(request: Request) -> tuple[str | None, bool]:
    """`_format` and `_pretty`, from the query or the form of a POST _search."""
    form: dict[str, str] = getattr(request.state, "form", {})
    if not request.scope["query_string"] and not form:
        return None, False
    said = dict(request.query_params) | form
    pretty = said.get("_pretty", "false")
    if pretty not in ("true", "false"):
        raise outcome.BAD_PARAMETER_VALUE("_pretty is true or false.", "_pretty")
    return said.get("_format"), pretty == "true"
