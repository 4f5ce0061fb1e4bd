"""What becomes of an exception nobody foresaw: a 500 for the client, a line for the log without any value."""

import structlog

from fhir_server.core.outcome import INTERNAL, FhirError

log = structlog.get_logger()


def unforeseen(request_id: str, error: Exception) -> FhirError:
    """The 500. The log names where it happened, never what the values were."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    log.error("unforeseen error", request_id=request_id, kind=type(error).__name__, frames=frames[-8:])
    return INTERNAL("The server failed in a way it did not foresee. Tell support the id of this OperationOutcome.")
