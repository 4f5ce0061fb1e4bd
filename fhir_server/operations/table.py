"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations

OPERATIONS: Operations = {}
"""By type and code."""
