"""What people are to each other, in words: the patient to a relative, and the relative to the patient.

https://terminology.hl7.org/ValueSet-v3-PersonalRelationshipRoleType.html
"""

from collections.abc import Mapping

from fhir_server.care.proxies import relationship_codes
from fhir_server.core.resource import Resource

# What the RelatedPerson is to the patient; what the patient is to them. The first that fits is said.
_WORDS: Mapping[str, tuple[str, str]] = {
    "HPOWATT": ("agent by health care power of attorney", "by power of attorney"),
    "POWATT": ("agent by power of attorney", "by power of attorney"),
    "GUARD": ("guardian", "by guardianship"),
    "MTH": ("mother", "your child"),
    "NMTH": ("mother", "your child"),
    "ADOPTM": ("mother", "your child"),
    "STPMTH": ("stepmother", "your stepchild"),
    "FTH": ("father", "your child"),
    "NFTH": ("father", "your child"),
    "ADOPTF": ("father", "your child"),
    "STPFTH": ("stepfather", "your stepchild"),
    "PRN": ("parent", "your child"),
    "NPRN": ("parent", "your child"),
    "STPPRN": ("stepparent", "your stepchild"),
    "PRNFOST": ("foster parent", "your foster child"),
    "MTHFOST": ("foster mother", "your foster child"),
    "FTHFOST": ("foster father", "your foster child"),
    "SPS": ("spouse", "your spouse"),
    "HUSB": ("husband", "your spouse"),
    "WIFE": ("wife", "your spouse"),
    "CHILD": ("child", "your parent"),
    "NCHILD": ("child", "your parent"),
    "DAU": ("daughter", "your parent"),
    "DAUC": ("daughter", "your parent"),
    "SON": ("son", "your parent"),
    "SONC": ("son", "your parent"),
}


def to_patient(related_person: Resource) -> str:
    """What the RelatedPerson is to the patient: `mother`."""
    found = _found(related_person)
    if found is not None:
        return found[0]
    for concept in related_person.get("relationship", ()):
        shown = [str(each["display"]) for each in concept.get("coding", ()) if each.get("display")]
        if concept.get("text") or shown:
            return str(concept.get("text") or shown[0])
    return "relative"


def of_patient(related_person: Resource) -> str:
    """What the patient is to the RelatedPerson: `your child`."""
    found = _found(related_person)
    return "your relative" if found is None else found[1]


def _found(related_person: Resource) -> tuple[str, str] | None:
    codes = relationship_codes(related_person)
    return next((words for code, words in _WORDS.items() if code in codes), None)
