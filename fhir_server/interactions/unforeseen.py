"""What becomes of an exception nobody foresaw: a 500 for the client, a line for the log without any value."""

import structlog

from fhir_server.core.outcome import INTERNAL, FhirError
from fhir_server.logs import described

log = structlog.get_logger()


def unforeseen(request_id: str, error: Exception) -> FhirError:
    """The 500. The log names where it happened, never what the values were."""
    log.error("unforeseen error", request_id=request_id, **described(error))
    return INTERNAL("The server failed in a way it did not foresee. Tell support the id of this OperationOutcome.")
