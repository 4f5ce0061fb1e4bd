"""Which function runs which operation. What each takes stands in definitions/own_operations.py."""

from fhir_server.interactions.operation import Operations
from fhir_server.operations.ccd import ccd, docref
from fhir_server.operations.everything import everything
from fhir_server.operations.record_pdf import record_pdf
from fhir_server.operations.summary import summary

OPERATIONS: Operations = {
    ("Patient", "everything"): everything,
    ("Patient", "summary"): summary,
    ("Patient", "record-pdf"): record_pdf,
    ("Patient", "ccd"): ccd,
    ("DocumentReference", "docref"): docref,
}
"""By type and code."""
