"""What a registration's form says: its fields, its file, and what is wrong with them before anybody is looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from smart_auth.identity import numbers
from smart_auth.identity.accounts import LONGEST_USERNAME, login_of
from smart_auth.identity.logons import email_of
from smart_auth.identity.names import LONGEST_NAME
from smart_auth.identity.registration import Proof, ProofKind
from smart_auth.visit import Visit

VETERAN_PROOFS: Mapping[ProofKind, str] = {
    "va-card": "VA card",
    "military-id": "Military ID",
    "dd-214": "DD Form 214",
}
FAMILY_PROOFS: Mapping[ProofKind, str] = {
    "birth-certificate": "Birth certificate",
    "marriage-certificate": "Marriage certificate",
    "guardianship": "Legal guardianship papers",
}
"""The kinds of documents that prove service, and a relationship, with the words of the form."""

_MAGIC: Mapping[bytes, str] = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
}
"""The first bytes of the files that are taken; what the browser says of a file counts for nothing."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody says they are. Numbers are in their one form."""

    name: str
    birth_date: date
    dod_id: str | None = None
    ssn: str | None = None


def person(visit: Visit, asked: Sequence[str]) -> Person | None:
    """The person of a form that asks for these numbers (`dod_id`, `ssn`); None where it cannot be anybody."""
    born, name = day(visit.value("birth_date")), visit.value("name").strip()
    dod_id, ssn = numbers.dod_id(visit.value("dod_id")), numbers.ssn(visit.value("ssn"))
    is_whole = ("dod_id" not in asked or dod_id is not None) and ("ssn" not in asked or ssn is not None)
    if born is None or not 0 < len(name) <= LONGEST_NAME or not is_whole:
        return None
    return Person(name, born, dod_id if "dod_id" in asked else None, ssn if "ssn" in asked else None)


def day(text: str) -> date | None:
    """A day such as 1980-07-04; None for anything else."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def logon_faults(visit: Visit, name: str, email: str | None = None) -> tuple[str, ...]:
    """Everything that is wrong with the username, the address (unless it is known) and the new password."""
    username, found = visit.value("username").strip(), list[str]()
    if not 0 < len(login_of(username)) <= LONGEST_USERNAME:
        found.append(f"A username has 1 to {LONGEST_USERNAME} characters.")
    if numbers.ssn(username) is not None:
        found.append("A username is no number that is yours, such as a Social Security number.")
    address = email if email is not None else email_of(visit.value("email"))
    if address is None:
        found.append("An e-mail address looks like name@example.org.")
    policy = visit.parts.password_policy
    found.extend(policy.faults(visit.value("password"), username=username, name=name, email=address or ""))
    if visit.value("password") != visit.value("again"):
        found.append("The two passwords are not the same.")
    return tuple(found)


def proof(visit: Visit, kinds: Mapping[ProofKind, str]) -> Proof | str:
    """The document handed in; a sentence where there is none that is taken."""
    kind = next((each for each in kinds if each == visit.value("proof")), None)
    files = [each for each in visit.files if each.field == "file"]
    if kind is None or len(files) != 1:
        return "Choose the kind of document, and one file of it."
    content = files[0].content
    media_type = next((name for magic, name in _MAGIC.items() if content.startswith(magic)), None)
    if media_type is None:
        return "The file must be a PDF, a JPEG or a PNG."
    return Proof(kind, media_type, content)
