"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations
from fhir_server.operations.book import book
from fhir_server.operations.ccd import ccd, docref
from fhir_server.operations.current_medications import current_medications
from fhir_server.operations.everything import everything
from fhir_server.operations.find import find
from fhir_server.operations.hold import hold
from fhir_server.operations.mark_read import mark_read
from fhir_server.operations.record_pdf import record_pdf
from fhir_server.operations.summary import summary
from fhir_server.operations.unread import unread

OPERATIONS: Operations = {
    ("Appointment", "find"): find,
    ("Appointment", "hold"): hold,
    ("Appointment", "book"): book,
    ("Communication", "mark-read"): mark_read,
    ("Communication", "unread"): unread,
    ("Patient", "current-medications"): current_medications,
    ("Patient", "everything"): everything,
    ("Patient", "summary"): summary,
    ("Patient", "record-pdf"): record_pdf,
    ("Patient", "ccd"): ccd,
    ("DocumentReference", "docref"): docref,
}
"""By type and code."""
