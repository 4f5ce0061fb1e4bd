"""The Consent by which a grown-up lets a relative see their record: their own word (https://hl7.org/fhir/R4/consent.html).

fhir_server/care/proxies.py says what it must have to count.
"""

from hashlib import sha256

from fhir_server.care.proxies import ACT_CODE, ACT_REASON, CONSENT_ACTION, CONSENT_SCOPE, ROLE_CODE
from fhir_server.care.registration_resources import concept, reference
from fhir_server.core.resource import Resource


def consent_id(patient: str, related_person: str) -> str:
    """One for the two (ids): whoever says it twice has said it once."""
    return f"lets-{sha256(f'{patient} {related_person}'.encode()).hexdigest()[:40]}"


def own_consent(patient: str, related_person: str, now: str) -> Resource:
    """The patient (an id) lets the RelatedPerson (an id) see and correct the record from `now` on, an instant."""
    actor = {"role": concept(ROLE_CODE, "DELEGATEE"), "reference": reference(f"RelatedPerson/{related_person}")}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept(CONSENT_SCOPE, "patient-privacy"),
        "category": [concept(ACT_CODE, "INFA")],
        "patient": reference(f"Patient/{patient}"),
        "dateTime": now,
        "performer": [reference(f"Patient/{patient}")],
        "policyRule": concept(ACT_CODE, "OPTIN"),
        "provision": {
            "type": "permit",
            "period": {"start": now[:10]},
            "actor": [actor],
            "action": [concept(CONSENT_ACTION, each) for each in ("access", "correct")],
            "purpose": [{"system": ACT_REASON, "code": "FAMRQT"}],
        },
    }
