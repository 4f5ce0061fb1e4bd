"""Codes of medicines, visits to come, messages and consents."""

from collections.abc import Mapping

from seeds.drugs import DRUGS

SYSTEMS: Mapping[str, str] = {
    "task-code": "http://hl7.org/fhir/CodeSystem/task-code",
    "message-category": "urn:fhir-server:federal:message-category",
    "portal-task": "urn:fhir-server:federal:portal-task",
}
"""URI by short name, for code systems that `codes_people` lacks."""


SERVICES: Mapping[str, str] = {
    "primary-care": "124",
    "pediatrics": "200",
    "immunization": "57",
    "dental": "88",
    "mental-health": "490",
    "physical-therapy": "65",
    "obstetrics": "186",
    "orthopedics": "218",
    "radiology": "209",
    "pharmacy": "64",
    "case-management": "279",
    "occupational-health": "178",
}
"""Codes of HL7's service types by the names that appointments and schedules use."""

SERVICE_OF_SPECIALTY: Mapping[str, str] = {
    "pediatrics": "pediatrics",
    "psychiatry": "mental-health",
    "psychology": "mental-health",
    "addiction-medicine": "mental-health",
    "social-work": "mental-health",
    "obstetrics": "obstetrics",
    "orthopedics": "orthopedics",
    "radiology": "radiology",
    "aerospace-medicine": "occupational-health",
    "undersea-medicine": "occupational-health",
    "dentistry": "dental",
    "pharmacy": "pharmacy",
    "physical-therapy": "physical-therapy",
    "nursing": "immunization",
    "case-management": "case-management",
}
"""The service that a clinician of a specialty offers; every other one offers primary care."""

DISPLAYS: Mapping[str, Mapping[str, str]] = {
    "rxnorm": {drug.code: drug.name for drug in DRUGS.values()},
    "snomed": {
        "37839007": "Sublingual route",
        "447694001": "Respiratory tract route",
        "46713006": "Nasal route",
        "6064005": "Topical route",
        "385055001": "Tablet",
        "385049006": "Capsule",
        "385024007": "Oral suspension",
        "385219001": "Solution for injection",
        "235595009": "Gastroesophageal reflux disease",
        "247398009": "Neuropathic pain",
        "22253000": "Pain",
        "266569009": "Benign prostatic hyperplasia",
        "13197004": "Contraception",
    },
    "loinc": {
        "59284-0": "Consent Document",
        "64292-6": "Release of information consent",
        "86533-7": "Patient Living will",
    },
    "medicationrequest-category": {
        "inpatient": "Inpatient",
        "outpatient": "Outpatient",
        "community": "Community",
        "discharge": "Discharge",
    },
    "medication-admin-category": {"inpatient": "Inpatient", "outpatient": "Outpatient", "community": "Community"},
    "medicationrequest-status-reason": {
        "clarif": "Prescription requires clarification",
        "labint": "Lab interference issues",
        "sintol": "Suspected intolerance",
        "altchoice": "Try another treatment first",
    },
    "v3-ActCode": {
        "FFC": "First Fill - Complete",
        "RFC": "Refill - Complete",
        "INFA": "information access",
        "OPTIN": "opt-in",
        "OPTOUT": "opt-out",
    },
    "v3-ActReason": {
        "HPAYMT": "healthcare payment",
        "HOPERAT": "healthcare operations",
        "PWATRNY": "power of attorney",
        "COVERAGE": "coverage under policy or program",
        "CAREMGT": "care management",
    },
    "v3-ParticipationMode": {"ONLINEWRIT": "online written", "ELECTRONIC": "electronic data"},
    "v3-ParticipationType": {
        "ATND": "attender",
        "PPRF": "primary performer",
        "IRCP": "information recipient",
        "CST": "custodian",
    },
    "v3-RoleCode": {"DELEGATEE": "delegatee"},
    "service-type": {
        "57": "Immunization",
        "64": "Pharmacy",
        "65": "Physiotherapy",
        "88": "General Dental",
        "124": "General Practice",
        "178": "Occupational Medicine",
        "186": "Obstetrics & Gynaecology",
        "200": "Paediatric Medicine",
        "209": "Diag. Radiology /Xray /CT /Fluoroscopy",
        "218": "Orthopaedic Surgery",
        "279": "Case Management",
        "490": "General Mental Health Services",
    },
    "v2-0276": {
        "CHECKUP": "A routine check-up, such as an annual physical",
        "EMERGENCY": "Emergency appointment",
        "FOLLOWUP": "A follow up visit from a previous appointment",
        "ROUTINE": "Routine appointment - default if not valued",
        "WALKIN": "A previously unscheduled walk-in visit",
    },
    "appointment-cancellation-reason": {
        "pat-cpp": "Patient: Canceled via Patient Portal",
        "prov-pers": "Provider: Personal",
    },
    "communication-category": {
        "alert": "Alert",
        "notification": "Notification",
        "reminder": "Reminder",
        "instruction": "Instruction",
    },
    "message-category": {
        "general": "General question",
        "appointment": "Appointment",
        "medication": "Medication",
        "test-result": "Test result",
        "referral": "Referral",
        "education": "Health education",
    },
    "task-code": {
        "approve": "Activate/approve the focal resource",
        "fulfill": "Fulfill the focal request",
    },
    "portal-task": {"registration": "Registration", "proof-review": "Review of a proof of service"},
    "consentscope": {
        "adr": "Advanced Care Directive",
        "patient-privacy": "Privacy Consent",
        "treatment": "Treatment",
    },
    "consentcategorycodes": {"acd": "Advance Directive", "npp": "Notice of Privacy Practices"},
    "consentaction": {
        "collect": "Collect",
        "access": "Access",
        "use": "Use",
        "disclose": "Disclose",
        "correct": "Access and Correct",
    },
    "need": {"none": "None", "initial": "Initial", "periodic": "Periodic"},
    "validation-type": {"nothing": "Nothing", "primary": "Primary Source", "multiple": "Multiple Sources"},
    "validation-process": {"edit-check": "edit check", "primary": "primary source"},
    "validation-status": {"successful": "Successful", "failed": "Failed", "unknown": "Unknown"},
    "primary-source-type": {"auth-source": "Authoritative source", "issuer": "Issuing source"},
    "verificationresult-communication-method": {"manual": "Manual", "portal": "Portal", "pull": "Pull", "push": "Push"},
}
"""Display by code, by the short name of the system."""
