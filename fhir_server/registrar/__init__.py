"""Registrations of beneficiaries in the record."""

from fhir_server.registrar.record_registrar import RecordRegistrar

__all__ = ["RecordRegistrar"]
