"""The resources of a registration, as values: Task, check against the eligibility system, proof, notice, family.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/verificationresult.html,
https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/person.html; instants are given as FHIR writes them.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import date

from fhir_server.care.registration import Beneficiary, Reason, Verification
from fhir_server.care.registration_tasks import (
    AWAITS,
    BENEFICIARY_CLASS,
    CONFIRMED,
    DOD_ID_SYSTEM,
    KIND,
    RELATIONSHIP,
    SPONSOR,
    SYSTEM,
)
from fhir_server.core.resource import Resource

PROOF_TITLES: Mapping[str, str] = {
    "va-card": "VA card",
    "military-id": "Military ID",
    "dd-214": "DD Form 214",
    "birth-certificate": "Birth certificate",
    "marriage-certificate": "Marriage certificate",
    "guardianship": "Legal guardianship papers",
    "uniformed-services-id": "Uniformed Services ID card",
}
"""What a document handed in is called, by its kind."""

_ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_RELATIVES: Mapping[str, str] = {"spouse": "SPS", "child": "PRN", "parent": "CHILD", "ward": "GUARD"}
"""What the sponsor is to the dependent (v3-RoleCode), by what the dependent is to the sponsor."""

_NOTICES: Mapping[str, tuple[str, str]] = {
    "completed": ("Registration complete", "Your registration is complete. You can sign in now."),
    "rejected": ("Registration not accepted", "Your registration was not accepted. The help desk tells you why."),
    "cancelled": ("Registration ended", "Your registration has ended: it was not decided in time. Register again."),
}


def concept(system: str, code: str, display: str | None = None) -> Resource:
    """A CodeableConcept of one coding."""
    coding = {"system": system, "code": code}
    return {"coding": [coding if display is None else coding | {"display": display}]}


def reference(place: str) -> Resource:
    """A Reference to a place such as `Patient/p1`."""
    return {"reference": place}


def dod_identifier(dod_id: str) -> Resource:
    """The DoD ID number as an Identifier."""
    kind = concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MI", "Military ID number")
    assigner = {"display": "Department of Defense"}
    return {"use": "official", "type": kind, "system": DOD_ID_SYSTEM, "value": dod_id, "assigner": assigner}


def card_identifier(number: str, assigner: str) -> Resource:
    """The number of an identification card, with who issued it (I8)."""
    kind = concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MI", "Military ID number")
    return {"use": "secondary", "type": kind, "value": number, "assigner": {"display": assigner}}


def human_name(family: str, given: Sequence[str], suffix: str = "") -> Resource:
    """The official name."""
    made: Resource = {"use": "official", "family": family}
    if given:
        made["given"] = list(given)
    return made | ({"suffix": [suffix]} if suffix else {})


def patient(
    dod_id: str, name: Resource, birth_date: date, beneficiary_class: str | None, organization: str
) -> Resource:
    """The Patient of somebody whom the eligibility system knows and the record does not."""
    made: Resource = {"resourceType": "Patient"}
    if beneficiary_class:
        held = {"system": "urn:fhir-server:federal:beneficiary-class", "code": beneficiary_class}
        made["extension"] = [{"url": BENEFICIARY_CLASS, "valueCoding": held}]
    return made | {
        "identifier": [dod_identifier(dod_id)],
        "active": True,
        "name": [name],
        "birthDate": birth_date.isoformat(),
        "managingOrganization": reference(organization),
    }


def registration(
    beneficiary: Beneficiary,
    patient: str,
    requester: str,
    owner: str,
    now: str,
    *,
    awaits: bool = False,
    relationship: str | None = None,
    sponsor: str | None = None,
) -> Resource:
    """The Task of a registration, requested `now`. `awaits`: the person has to confirm; `sponsor` is the id of the
    sponsor's Patient where staff ask for it.
    """
    inputs: list[Resource] = [{"type": {"text": KIND}, "valueCode": beneficiary}]
    if awaits:
        inputs.append({"type": {"text": AWAITS}, "valueBoolean": True})
    if relationship is not None:
        inputs.append({"type": {"text": RELATIONSHIP}, "valueCode": relationship})
    if sponsor is not None:
        inputs.append({"type": {"text": SPONSOR}, "valueReference": reference(f"Patient/{sponsor}")})
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": concept(SYSTEM, "registration", "Registration"),
        "focus": reference(f"Patient/{patient}"),
        "for": reference(f"Patient/{patient}"),
        "authoredOn": now,
        "lastModified": now,
        "requester": reference(requester),
        "owner": reference(owner),
        "input": inputs,
    }


def confirmed() -> Resource:
    """The output of a Task that says the person has confirmed."""
    return {"type": {"text": CONFIRMED}, "valueBoolean": True}


def review(task: str, patient: str, document: str, owner: str, now: str) -> Resource:
    """The Task of somebody's second look at a proof."""
    return {
        "resourceType": "Task",
        "partOf": [reference(f"Task/{task}")],
        "status": "requested",
        "intent": "order",
        "code": concept(SYSTEM, "proof-review", "Review of a proof of service"),
        "focus": reference(document),
        "for": reference(f"Patient/{patient}"),
        "authoredOn": now,
        "lastModified": now,
        "owner": reference(owner),
    }


def binary(patient: str, media_type: str, content: bytes) -> Resource:
    """The file of a proof; who may see it is who may see the Patient."""
    data = base64.b64encode(content).decode("ascii")
    security = reference(f"Patient/{patient}")
    return {"resourceType": "Binary", "contentType": media_type, "securityContext": security, "data": data}


def document(patient: str, author: str, kind: str, file: str, media_type: str, size: int, now: str) -> Resource:
    """A proof as a document; `file` is the place of its Binary."""
    title = PROOF_TITLES[kind]
    attachment = {"contentType": media_type, "url": file, "size": size, "title": title, "creation": now}
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": title},
        "subject": reference(f"Patient/{patient}"),
        "date": now,
        "author": [reference(author)],
        "description": title,
        "content": [{"attachment": attachment}],
    }


def proof_kind(resource: Resource) -> str | None:
    """Which kind of proof a document is; None for any other document."""
    text = resource.get("type", {}).get("text")
    return next((kind for kind, title in PROOF_TITLES.items() if title == text), None)


def files_of(document: Resource) -> list[str]:
    """The ids of the Binary resources of a document."""
    urls = [str(each.get("attachment", {}).get("url", "")) for each in document.get("content", ())]
    return [id for kind, _, id in (url.partition("/") for url in urls) if kind == "Binary" and id and "/" not in id]


def is_file_of(binary: Resource, patient: str) -> bool:
    """Whether a Binary has a content, and is this Patient's: nobody is shown what is in another's record."""
    context = binary.get("securityContext", {}).get("reference")
    return bool(binary.get("data")) and context == f"Patient/{patient}"


def verification(
    patient: str, status: Verification, reason: Reason | None, now: str, by: str | None = None
) -> Resource:
    """What was found out about a person; `by` is who confirmed them where it was not the eligibility system."""
    codes = "http://terminology.hl7.org/CodeSystem/"
    is_valid = status == "validated"
    process = concept(f"{codes}validation-process", "primary")
    if reason is not None:
        process["text"] = reason
    who = {"display": "Defense Enrollment Eligibility Reporting System"} if by is None else reference(by)
    source = {
        "who": who,
        "type": [concept(f"{codes}primary-source-type", "auth-source")],
        "validationStatus": concept(f"{codes}validation-status", "successful" if is_valid else "failed"),
        "validationDate": now,
    }
    return {
        "resourceType": "VerificationResult",
        "target": [reference(f"Patient/{patient}")],
        "targetLocation": ["Patient.identifier", "Patient.name", "Patient.birthDate"],
        "need": concept(f"{codes}need", "initial"),
        "status": status,
        "statusDate": now,
        "validationType": concept(f"{codes}validation-type", "primary"),
        "validationProcess": [process],
        "lastPerformed": now,
        "primarySource": [source],
    }


def notice(patient: str, owner: str, status: str, now: str) -> Resource:
    """What the portal tells the person at the end."""
    topic, text = _NOTICES[status]
    about = reference(f"Patient/{patient}")
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept("http://terminology.hl7.org/CodeSystem/communication-category", "notification")],
        "priority": "routine",
        "medium": [concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "ELECTRONIC")],
        "subject": about,
        "topic": {"text": topic},
        "sent": now,
        "recipient": [about],
        "sender": reference(owner),
        "payload": [{"contentString": text}],
    }


def related_person(patient: str, sponsor: Resource, relationship: str, today: date) -> Resource:
    """The sponsor in the dependent's record, not in force before the proof was accepted."""
    roles = "urn:fhir-server:federal:related-person-role"
    made: Resource = {
        "resourceType": "RelatedPerson",
        "active": False,
        "patient": reference(f"Patient/{patient}"),
        "relationship": [concept(_ROLE_CODE, _RELATIVES.get(relationship, "FAMMEMB")), concept(roles, "sponsor")],
        "period": {"start": today.isoformat()},
    }
    kept = {each["system"]: each for each in sponsor.get("identifier", ()) if "system" in each}
    if DOD_ID_SYSTEM in kept:
        made["identifier"] = [kept[DOD_ID_SYSTEM]]
    for element in ("name", "gender", "birthDate"):
        if element in sponsor:
            made[element] = sponsor[element]
    return made


def parental_consent(patient: str, related: str, now: str, today: date) -> Resource:
    """The parent's own word that they act for their child; a grown-up gives it themselves, by their own Consent."""
    delegatee = concept(_ROLE_CODE, "DELEGATEE")
    actions = [concept("http://terminology.hl7.org/CodeSystem/consentaction", each) for each in ("access", "correct")]
    act_code = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept(act_code, "INFA")],
        "patient": reference(f"Patient/{patient}"),
        "dateTime": now,
        "performer": [reference(related)],
        "policyRule": concept(act_code, "OPTIN"),
        "provision": {
            "type": "permit",
            "period": {"start": today.isoformat()},
            "actor": [{"role": delegatee, "reference": reference(related)}],
            "action": actions,
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "FAMRQT"}],
        },
    }


def person(of: Resource) -> Resource:
    """The Person behind a Patient, linked to it."""
    made: Resource = {"resourceType": "Person", "active": True}
    kept = [each for each in of.get("identifier", ()) if each.get("system") == DOD_ID_SYSTEM]
    if kept:
        made["identifier"] = kept
    for element in ("name", "gender", "birthDate"):
        if element in of:
            made[element] = of[element]
    return linked(made, f"Patient/{of['id']}")


def linked(person: Resource, place: str) -> Resource:
    """The Person with a link to a Patient or RelatedPerson, once."""
    links = list(person.get("link", ()))
    if all(each.get("target", {}).get("reference") != place for each in links):
        links.append({"target": reference(place), "assurance": "level3"})
    return person | {"link": links}
