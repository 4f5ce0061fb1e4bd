"""What becomes of an error nobody foresaw: a 500 for the client, a line for the log without any value."""

import structlog

from fhir_server.core.outcome import INTERNAL, FhirError
from fhir_server.logs import described
from fhir_server.store.mongo import refused_as

log = structlog.get_logger()


def unforeseen(request_id: str, error: Exception) -> FhirError:
    """The 500. The log names where it happened, never what the values were."""
    log.error("unforeseen error", request_id=request_id, **described(error))
    return INTERNAL("The server failed in a way it did not foresee. Tell support the id of this OperationOutcome.")


def log_refused_command(request_id: str, error: FhirError) -> None:
    """A line where the 500 is of a command that MongoDB refused, with its name for that."""
    refused = refused_as(error.__cause__) if error.status == INTERNAL.status else None
    if refused is not None:
        log.error("the database refused a command", request_id=request_id, **refused)
