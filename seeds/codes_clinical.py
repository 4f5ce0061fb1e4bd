"""Codes of what clinicians find, do and write: diagnoses, allergies, laboratory, imaging, vaccines, notes, teeth.

The long tables stand in `codes_loinc` and `codes_snomed`. Displays are those the code systems give (CVX: the short
descriptions); those of the systems under `urn:fhir-server:federal` are our own.
"""

from collections.abc import Mapping

from seeds.codes_loinc import LOINC
from seeds.codes_snomed import ICD_10_CM_DISPLAYS, SNOMED

SYSTEMS: Mapping[str, str] = {
    "ada-tooth": "http://terminology.hl7.org/CodeSystem/ADAUniversalToothDesignationSystem",
    "occupation": "http://terminology.hl7.org/CodeSystem/PHOccupationalDataForHealthODH",
    "ihe-format": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "readiness-element": "urn:fhir-server:federal:readiness-element",
    "readiness-status": "urn:fhir-server:federal:readiness-status",
    "dental-class": "urn:fhir-server:federal:dental-class",
}
"""URI by short name, for code systems that `codes_people` lacks."""

_VACCINES: Mapping[str, str] = {
    "03": "MMR",
    "08": "Hep B, adolescent or pediatric",
    "10": "IPV",
    "20": "DTaP",
    "21": "varicella",
    "24": "anthrax",
    "33": "pneumococcal polysaccharide PPV23",
    "37": "yellow fever",
    "43": "Hep B, adult",
    "48": "Hib (PRP-T)",
    "49": "Hib (PRP-OMP)",
    "52": "Hep A, adult",
    "75": "vaccinia (smallpox)",
    "83": "Hep A, ped/adol, 2 dose",
    "101": "typhoid, ViCPs",
    "113": "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed",
    "115": "Tdap",
    "116": "rotavirus, pentavalent",
    "121": "zoster live",
    "133": "Pneumococcal conjugate PCV 13",
    "134": "Japanese Encephalitis IM",
    "136": "Meningococcal MCV4O",
    "140": "Influenza, split virus, trivalent, PF",
    "165": "HPV9",
    "187": "zoster recombinant",
    "197": "influenza, high-dose, quadrivalent",
    "208": "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose",
}

_DENTAL: Mapping[str, str] = {
    "D0120": "check-up",
    "D0140": "examination of one problem",
    "D0274": "four bitewing X-ray images",
    "D1110": "cleaning",
    "D1120": "cleaning (child)",
    "D2391": "white filling, one surface of a back tooth",
    "D2392": "white filling, two surfaces of a back tooth",
    "D2740": "ceramic crown",
    "D3330": "root canal treatment of a molar",
    "D7140": "extraction of a tooth",
    "D7240": "removal of an impacted tooth",
}
"""CDT codes in words of our own: its descriptions are the American Dental Association's."""

_QUADRANT = (
    "third molar",
    "second molar",
    "first molar",
    "second premolar",
    "first premolar",
    "canine",
    "lateral incisor",
    "central incisor",
)


def _teeth() -> dict[str, str]:
    """Teeth 1 to 32 of the Universal Numbering System: upper right to upper left, lower left to lower right."""
    sides = (
        ("maxillary right", _QUADRANT),
        ("maxillary left", tuple(reversed(_QUADRANT))),
        ("mandibular left", _QUADRANT),
        ("mandibular right", tuple(reversed(_QUADRANT))),
    )
    names = [f"Permanent {side} {tooth} tooth" for side, teeth in sides for tooth in teeth]
    return {str(number): name for number, name in enumerate(names, start=1)}


DISPLAYS: Mapping[str, Mapping[str, str]] = {
    "loinc": LOINC,
    "snomed": SNOMED,
    "cvx": _VACCINES,
    "cdt": _DENTAL,
    "ada-tooth": _teeth(),
    "icd-10-cm": ICD_10_CM_DISPLAYS,
    "condition-category": {"problem-list-item": "Problem List Item", "encounter-diagnosis": "Encounter Diagnosis"},
    "us-core-condition-category": {"health-concern": "Health Concern"},
    "allergyintolerance-clinical": {"active": "Active", "inactive": "Inactive", "resolved": "Resolved"},
    "allergyintolerance-verification": {
        "confirmed": "Confirmed",
        "unconfirmed": "Unconfirmed",
        "refuted": "Refuted",
        "entered-in-error": "Entered in Error",
    },
    "data-absent-reason": {
        "asked-declined": "Asked But Declined",
        "asked-unknown": "Asked But Unknown",
        "error": "Error",
        "not-performed": "Not Performed",
        "unknown": "Unknown",
    },
    "v2-0074": {"LAB": "Laboratory", "RAD": "Radiology"},
    "v2-0203": {"VN": "Visit number", "ACSN": "Accession ID"},
    "v2-0487": {"SER": "Serum", "BLDV": "Blood venous", "UR": "Urine"},
    "v3-ObservationInterpretation": {
        "A": "Abnormal",
        "H": "High",
        "L": "Low",
        "N": "Normal",
        "NEG": "Negative",
        "POS": "Positive",
    },
    "v3-ActReason": {"IMMUNE": "immunity", "MEDPREC": "medical precaution", "PATOBJ": "patient objection"},
    "goal-achievement": {
        "in-progress": "In Progress",
        "improving": "Improving",
        "achieved": "Achieved",
        "not-achieved": "Not Achieved",
    },
    "media-type": {"image": "Image"},
    "referencerange-meaning": {"normal": "Normal Range"},
    "discharge": {"01": "Discharged to home care or self care (routine discharge)", "20": "Expired"},
    "dicom": {
        "CR": "Computed Radiography",
        "CT": "Computed Tomography",
        "DX": "Digital Radiography",
        "MG": "Mammography",
        "MR": "Magnetic Resonance",
    },
    "ihe-format": {"urn:ihe:iti:xds:2017:mimeTypeSufficient": "mimeType Sufficient"},
    "occupation": {
        "31-1014.00.007136": "Certified Nursing Assistant (CNA) [Nursing Assistants]",
        "621610.008495": "Home nursing services",
    },
    "readiness-element": {
        "periodic-health-assessment": "Periodic health assessment",
        "deployment-limiting-conditions": "Deployment-limiting medical conditions",
        "dental": "Dental readiness",
        "immunizations": "Immunizations",
        "laboratory": "Readiness laboratory studies",
        "medical-equipment": "Individual medical equipment",
    },
    "readiness-status": {
        "current": "Current",
        "due": "Due within 60 days",
        "overdue": "Overdue",
        "limiting": "Limiting",
    },
    "dental-class": {
        "dental-readiness-class": "Dental readiness class",
        "1": "Class 1: no dental treatment needed",
        "2": "Class 2: treatment needed, emergency not likely within 12 months",
        "3": "Class 3: emergency likely within 12 months",
        "4": "Class 4: examination overdue or unknown",
    },
}
"""Display by code, by the short name of the system."""
