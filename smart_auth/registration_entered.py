"""What somebody entered who registers, and the part of it that is kept sealed until the registration is decided."""

from datetime import date
from typing import TYPE_CHECKING

import msgspec

from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.proofing import Typed
from smart_auth.identity.registration import Proof
from smart_auth.records import Beneficiary, Registration
from smart_auth.registration_files import KeptFile

if TYPE_CHECKING:
    from smart_auth.sealing import Seal


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration still needs until it is decided. `origin` is where its links lead.

    `identification` is the number of a dependent's card (`assigner|number`), `file` the proof that is not yet in the
    record.
    """

    name: str
    birth_date: date
    dod_id: str
    shown_name: str
    origin: str
    typed_dod_id: str | None = None
    ssn: str | None = None
    identification: str | None = None
    file: KeptFile | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A form of somebody who registers alone; the password is hashed already."""

    beneficiary: Beneficiary
    typed: Typed
    username: str
    login: str
    password_hash: str
    email: str
    origin: str
    proof: Proof | None = None


def entered_of(asked: Asked, enrolled: Enrolled, file: KeptFile | None) -> Entered:
    """What is kept of a form, by the registry that of this person."""
    return Entered(
        name=asked.typed.name,
        birth_date=asked.typed.birth_date,
        dod_id=enrolled.dod_id,
        shown_name=full_name(enrolled),
        origin=asked.origin,
        typed_dod_id=asked.typed.dod_id,
        ssn=asked.typed.ssn,
        file=file,
    )


def sealed(seal: "Seal", id: str, entered: Entered) -> str:
    """It, to be opened for the registration of this id alone."""
    return seal.sealed(msgspec.json.encode(entered).decode(), id)


def opened(seal: "Seal", registration: Registration) -> Entered:
    """What was sealed. Raises ValueError where nothing is there any more."""
    if registration.sealed is None:
        raise ValueError("Nothing is kept of a registration that is decided.")
    return msgspec.json.decode(seal.opened(registration.sealed, registration.id), type=Entered)


def full_name(enrolled: Enrolled) -> str:
    """The name as an account shows it."""
    return " ".join(each for each in (*enrolled.given, enrolled.family, enrolled.suffix) if each)
