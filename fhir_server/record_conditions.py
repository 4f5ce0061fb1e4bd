"""Acceptances of the conditions of use in the record: the ConditionsRecords of smart_auth
(smart_auth/identity/conditions.py says what each method means).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from fhir_server.care.conditions import acceptance, consent_id
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.record_writer import RecordWriter
from smart_auth.records import Account

_LOST = frozenset({409, 412})
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RecordConditions:
    """Writes and reads the Consents of this server. `text` is the wording where it is not the built-in one."""

    writer: RecordWriter
    text: str = ""

    async def accept(self, account: Account, version: str) -> str | None:
        """Write that this account's person accepted a version; None for who has no Patient here.

        Raises FhirError 503 where it cannot be kept.
        """
        return await self._written(account, version, format_instant(now()), is_given_again=True)

    async def enter(self, account: Account, version: str, accepted_at: int) -> str | None:
        """The same of what was accepted earlier. What was withdrawn stays so."""
        when = format_instant(datetime.fromtimestamp(accepted_at, UTC))
        return await self._written(account, version, when, is_given_again=False)

    async def _written(self, account: Account, version: str, when: str, is_given_again: bool) -> str | None:
        own = account.patients[0] if account.kind == "patient" and account.patients else None
        kept = None if own is None else await self.writer.read("Patient", own)
        if own is None or kept is None:
            return None
        id = consent_id(own, version)
        for attempt in range(_ATTEMPTS):
            there = await self.writer.read("Consent", id)
            if there is not None and (there[0].get("status") == "active" or not is_given_again):
                break
            context = self.writer.context(account.id, account.fhir_user, own)
            consent = acceptance(kept[0], version, when)
            # One that was withdrawn stands again, by a version of its own.
            if_version = None if there is None else there[1]
            document = self.writer.put(context, consent, id, if_version=if_version, creates_only=there is None)
            try:
                await self.writer.commit(context, document)
                break
            except FhirError as error:
                # The same page was answered twice at once.
                if error.status not in _LOST or attempt == _ATTEMPTS - 1:
                    raise
        return f"Consent/{id}"

    async def stands(self, consent: str) -> bool:
        """Whether this Consent is there and in force. Raises FhirError 503."""
        type, _, id = consent.partition("/")
        kept = await self.writer.read(type, id) if type == "Consent" else None
        return kept is not None and kept[0].get("status") == "active"
