"""The one place where a failure is drawn: an OperationOutcome with its status, its numbers and the request id."""

from starlette.responses import Response

from fhir_server.core.codec import encode
from fhir_server.core.outcome import FhirError, operation_outcome
from fhir_server.rest.negotiate import FHIR_JSON


def error_response(request_id: str, error: FhirError) -> Response:
    """The response of a refusal. An error is always JSON: a client that accepts nothing else still must be told."""
    body = encode(operation_outcome(error.issues, request_id))
    headers = {"cache-control": "no-store", **error.headers}
    return Response(body, error.status, headers, media_type=f"{FHIR_JSON}; charset=utf-8")
