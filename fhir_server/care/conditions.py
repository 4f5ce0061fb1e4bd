"""The Consent by which somebody accepted the conditions of use, in one version.

https://hl7.org/fhir/R4/consent.html
"""

from hashlib import sha256

from fhir_server.care.contact import restricted_as
from fhir_server.core.resource import Resource

TERMS_OF_USE = "urn:fhir-server:federal:terms-of-use"
"""The policy; `:` and the version follow."""


def consent_id(patient: str, version: str) -> str:
    """The id of a patient's acceptance of a version: one, however often the page is answered."""
    return f"terms-{sha256(f'{patient} {version}'.encode()).hexdigest()[:32]}"


def acceptance(patient: Resource, version: str, when: str) -> Resource:
    """The patient accepted this version at an instant."""
    who = {"reference": f"Patient/{patient['id']}"}
    scope = _concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent")
    category = _concept(
        "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "npp", "Notice of Privacy Practices"
    )
    return {
        "resourceType": "Consent",
        **restricted_as(patient),
        "status": "active",
        "scope": scope,
        "category": [category],
        "patient": who,
        "dateTime": when,
        "performer": [who],
        "policy": [{"uri": f"{TERMS_OF_USE}:{version}"}],
        "provision": {"type": "permit"},
    }


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}
