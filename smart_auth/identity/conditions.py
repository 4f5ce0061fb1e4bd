"""The conditions of use: which version somebody accepted, and whether that still stands.

https://hl7.org/fhir/R4/consent.html
"""

from typing import Protocol

from smart_auth.records import Account


class ConditionsRecords(Protocol):
    """Where acceptances are kept: a Consent for each person with a record, and version.

    `text` is the wording in plain text, with an empty line between paragraphs; empty: the built-in one.
    """

    @property
    def text(self) -> str: ...

    async def accept(self, account: Account, version: str) -> str | None:
        """Write that this account's person accepted a version; `Consent/id`, or None for who has no record.

        It is in the record and the audit log when this returns. Doing so twice changes nothing.
        """
        ...

    async def enter(self, account: Account, version: str, accepted_at: int) -> str | None:
        """Write what they accepted at an instant (seconds since 1970), when they had no record yet. As `accept`, but
        what was withdrawn since stays so.
        """
        ...

    async def stands(self, consent: str) -> bool:
        """Whether this Consent (`Consent/id`) is there and in force."""
        ...
