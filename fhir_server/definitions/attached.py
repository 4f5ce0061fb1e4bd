"""Types that have their content, or part of it, in Binaries: who reads such a file must be able to read one of them.

https://hl7.org/fhir/R4/binary.html#security-considerations
"""

FILE = "Binary"

HOLDERS = (
    "Communication",
    "CommunicationRequest",
    "Consent",
    "DiagnosticReport",
    "DocumentReference",
    "Media",
    "Patient",
    "QuestionnaireResponse",
)
"""Each has Attachments; their rows keep the places of the Binaries that these lead to."""
