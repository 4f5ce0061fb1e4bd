"""The one place where a failure is drawn: an OperationOutcome with its status, its numbers and the request id."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.core.codec import encode
from fhir_server.core.outcome import INTERNAL, FhirError, operation_outcome
from fhir_server.rest.negotiate import FHIR_JSON

log = structlog.get_logger()


def error_response(request_id: str, error: FhirError) -> Response:
    """The response of a refusal. An error is always JSON: a client that accepts nothing else still must be told."""
    body = encode(operation_outcome(error.issues, request_id))
    headers = {"cache-control": "no-store", **error.headers}
    return Response(body, error.status, headers, media_type=f"{FHIR_JSON}; charset=utf-8")


def unexpected(request_id: str, error: Exception) -> FhirError:
    """The 500 for an exception nobody foresaw. The log names where it happened, never what the values were."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    log.error("unexpected error", request_id=request_id, kind=type(error).__name__, frames=frames[-8:])
    return INTERNAL("The server failed in a way it did not foresee. Tell support the id of this OperationOutcome.")


def request_id_of(request: Request) -> str:
    """The id the edge gave the request."""
    request_id: str = request.state.request_id
    return request_id
