"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations
from fhir_server.operations.book import book
from fhir_server.operations.find import find
from fhir_server.operations.hold import hold

OPERATIONS: Operations = {
    ("Appointment", "find"): find,
    ("Appointment", "hold"): hold,
    ("Appointment", "book"): book,
}
"""By type and code."""
