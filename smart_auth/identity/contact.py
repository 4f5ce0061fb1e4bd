"""How a beneficiary can be reached: what the record says, as a page shows it and a person confirms or changes it.

https://hl7.org/fhir/R4/patient.html, `Patient.telecom` and `Patient.address`
"""

import re
from dataclasses import dataclass
from typing import Protocol

from smart_auth.mail import is_address

_LONGEST_TEXT = 100

_PHONE = re.compile(r"\+?[0-9][0-9 ().x/-]{5,28}[0-9]").fullmatch


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody is reached now; an empty text is something unknown. `state` is two letters where the country is US.

    `lines` are the lines of the street address.
    """

    email: str = ""
    phone: str = ""
    lines: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    postal_code: str = ""

    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, each in a sentence for the person who typed it; all at once.

        Nobody has to have a home, but there must be one way to reach them.
        """
        found = []
        if not self.email and not self.phone:
            found.append("Give an e-mail address or a telephone number: there must be one way to reach you.")
        if self.email and not is_address(self.email):
            found.append("The e-mail address is not one: it looks like name@example.org.")
        if self.phone and _PHONE(self.phone) is None:
            found.append("The telephone number is not one: digits, spaces, dashes, and + before a country's code.")
        if any(len(text) > _LONGEST_TEXT for text in (*self.lines, self.city, self.state, self.postal_code)):
            found.append(f"A part of the address is longer than {_LONGEST_TEXT} characters.")
        return tuple(found)


class ContactChanged(Exception):
    """Somebody else changed the record in the meantime: show what it says now."""


class ContactRecords(Protocol):
    """Where contact data is kept: the Patient of the record."""

    async def read(self, patient: str) -> Contact | None:
        """What the record says now; None where there is no such Patient. Raises the store's own error without it."""
        ...

    async def verify(self, account: str, patient: str, contact: Contact) -> None:
        """Write what a person confirmed or changed, who is signed in by `account` and is this patient.

        It is in the record and the audit log when this returns. Raises ContactChanged where another write won.
        """
        ...
