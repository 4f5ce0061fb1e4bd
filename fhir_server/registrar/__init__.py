"""Registrations of beneficiaries in the record."""

from fhir_server.registrar.record_registrar import RecordRegistrar
from fhir_server.registrar.sponsoring import RegistrySponsoring

__all__ = ["RecordRegistrar", "RegistrySponsoring"]
