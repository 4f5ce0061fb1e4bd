"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations
from fhir_server.operations.everything import everything

OPERATIONS: Operations = {
    ("Patient", "everything"): everything,
}
"""By type and code."""
