"""A FHIR R4 interoperability server: one health record of a person, shared by the agencies that serve them."""

__version__ = "0.1.0"
