"""A family in the records: who is whose relative, what they agreed to, and who somebody is who signs in."""

from datetime import date, timedelta
from typing import Any

from msgspec import structs

from fhir_server.care.proxies import ACT_CODE, ACT_REASON, CONSENT_SCOPE, ROLE_CODE
from fhir_server.core.instant import now
from fhir_server.core.trail import Trail
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import proxied
from fhir_server.policy import Sight
from smart_auth.access import AccessContext
from tests.rest.access import scopes
from tests.rest.conftest import observation, patient
from tests.rest.in_process import put

Resource = dict[str, Any]

CHILDREN = {"kid": 6, "teen": 15, "mother": 67, "husband": 44}
"""Whom ana acts for, with their ages: her mother by her own word, her husband by power of attorney."""


def born(years: int, days: int = 0) -> str:
    """The birth date of somebody who became this old today, or will in so many days."""
    today = now().date()
    # Nobody of these tests is born on a leap day.
    day = date(today.year - years, today.month, min(today.day, 28))
    return (day + timedelta(days=days + today.day - day.day)).isoformat()


def relative(patient: str, relationship: str = "NMTH", **elements: Any) -> Resource:
    """What ana is in the record of a patient."""
    return {
        "resourceType": "RelatedPerson",
        "id": f"ana-of-{patient}",
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [{"coding": [{"system": ROLE_CODE, "code": relationship}]}],
        "name": [{"family": "Rivera", "given": ["Ana"]}],
        **elements,
    }


def consent(patient: str, purpose: str = "FAMRQT", by: str | None = None, **elements: Any) -> Resource:
    """That ana may act for a patient; `by` is who said so, herself where that is not said."""
    who = {"reference": f"RelatedPerson/ana-of-{patient}"}
    actor = {"role": {"text": "proxy"}, "reference": who}
    return {
        "resourceType": "Consent",
        "id": f"ana-for-{patient}",
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT_CODE, "code": "INFA"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": now().date().isoformat(),
        "performer": [{"reference": by} if by else who],
        "policyRule": {"coding": [{"system": ACT_CODE, "code": "OPTIN"}]},
        "provision": {"type": "permit", "actor": [actor], "purpose": [{"system": ACT_REASON, "code": purpose}]},
        **elements,
    }


def person(*patients: str, assurance: str = "level3", **elements: Any) -> Resource:
    """Who ana is: her own record, and what she is in others'."""
    targets = ["Patient/ana", *(f"RelatedPerson/ana-of-{each}" for each in patients)]
    links = [{"target": {"reference": each}, "assurance": assurance} for each in targets]
    return {"resourceType": "Person", "id": "ana", "active": True, "link": links, **elements}


def told(id: str, of: str, *labels: str) -> Resource:
    """An Observation of a patient, with security labels."""
    security = {"meta": {"security": [{"system": ACT_CODE, "code": each} for each in labels]}} if labels else {}
    return observation(of, id=id, performer=[{"reference": f"Patient/{of}"}], **security)


async def stored_family(context: RequestContext) -> None:
    """All of them, with one plain and one mental health Observation each; and a stranger's child."""
    for id, years in {"ana": 40, "stranger": 6, **CHILDREN}.items():
        await put(context, patient(id=id, birthDate=born(years), name=[{"family": "Rivera", "given": [id.title()]}]))
        await put(context, told(f"{id}-plain", id))
        await put(context, told(f"{id}-private", id, "MH"))
    for id in CHILDREN:
        await put(context, relative(id, "HPOWATT" if id == "husband" else "NMTH"))
    for id in ("kid", "teen"):
        await put(context, consent(id))
    await put(context, consent("mother", by="Patient/mother"))
    await put(context, consent("husband", "PWATRNY"))
    await put(context, person(*CHILDREN))


def ana(granted: str = "user/*.cruds", patient: str | None = None) -> AccessContext:
    """Her token: her own record alone stands in it."""
    return AccessContext(
        f"ana {granted} {patient}",
        "app",
        "patient",
        scopes(granted),
        fhir_user="Patient/ana",
        patients=("ana",),
        patient=patient,
    )


async def as_ana(context: RequestContext, granted: str = "user/*.cruds", patient: str | None = None) -> RequestContext:
    """A request of hers, with what was found out for it anew."""
    context.server.database.noted.clear()
    family = await proxied(context.server, ("ana",))
    return structs.replace(context, sight=Sight(ana(granted, patient), proxied=family), trail=Trail())
