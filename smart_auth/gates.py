"""What a signed-in person must pass before anything is granted: contact data that are current, conditions accepted.

docs/adr/0025
"""

from dataclasses import dataclass

from smart_auth.authorization import Authorization
from smart_auth.identity.assurance import reaches
from smart_auth.identity.conditions import ConditionsRecords
from smart_auth.identity.contact import ContactRecords
from smart_auth.records import ACCOUNTS, Account
from smart_auth.steps import Arrival, Gate

CONTACT = "/auth/contact"
CONDITIONS = "/auth/conditions"

_DAY_SECONDS = 86_400


def gates(parts: Authorization) -> tuple[Gate, ...]:
    """The gates, in the order in which they are passed. What is not set up, or not asked by the settings, is none."""
    found: list[Gate] = []
    portal, settings = parts.portal, parts.settings
    if portal.contacts is not None and settings.contact_verification_days > 0:
        found.append(ContactGate(parts, portal.contacts))
    if portal.conditions is not None and settings.conditions_version:
        found.append(ConditionsGate(parts, portal.conditions))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ContactGate:
    """Whoever has a record of their own confirms every so many days how they are reached."""

    parts: Authorization
    contacts: ContactRecords

    async def __call__(self, at: Arrival) -> str | None:
        """Raises the store's own error where the record cannot be asked."""
        if at.account is None or at.session is None or not reaches(at.session.acr, "level2"):
            # Level 1 sees nothing of the record, its contact data neither; nor is anything of it granted.
            return None
        patient = own_record(at.account)
        if patient is None or not self._is_due(at.account):
            return None
        # A record that is not there has nothing to confirm; whoever asks for it finds nothing either.
        return CONTACT if await self.contacts.read(patient) is not None else None

    def _is_due(self, account: Account) -> bool:
        if account.contact_verified_at is None:
            return True
        days = self.parts.settings.contact_verification_days
        return account.contact_verified_at + days * _DAY_SECONDS <= self.parts.now()


@dataclass(frozen=True, slots=True)
class ConditionsGate:
    """Everybody accepts the conditions of use, in the version that is asked for now."""

    parts: Authorization
    conditions: ConditionsRecords

    async def __call__(self, at: Arrival) -> str | None:
        """Raises the store's own error where the record cannot be asked, or what it lacks cannot be written."""
        if at.account is None:
            return CONDITIONS
        consent = await self._consent(at.account)
        if at.account.conditions_version != self.parts.settings.conditions_version:
            return CONDITIONS
        # Withdrawn in the record, by whatever app: it no longer stands.
        return CONDITIONS if consent is not None and not await self.conditions.stands(consent) else None

    async def _consent(self, account: Account) -> str | None:
        """`Consent/id` of what they accepted; written now where they did so before they had a record."""
        version, accepted_at = account.conditions_version, account.conditions_accepted_at
        if account.conditions_consent is not None or version is None or accepted_at is None:
            return account.conditions_consent
        if own_record(account) is None:
            return None
        consent = await self.conditions.enter(account, version, accepted_at)
        changes = {"conditions_consent": consent}
        await self.parts.documents.change(ACCOUNTS, account.id, changes, {"conditions_version": version})
        return consent


def own_record(account: Account) -> str | None:
    """The id of the Patient that an account itself is, if there is one."""
    return account.patients[0] if account.kind == "patient" and account.patients else None
