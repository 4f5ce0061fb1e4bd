"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations
from fhir_server.operations.current_medications import current_medications

OPERATIONS: Operations = {
    ("Patient", "current-medications"): current_medications,
}
"""By type and code."""
