"""The life of a DS Logon: created past an e-mailed link, upgraded to Premium, given a new password, deactivated.

https://pages.nist.gov/800-63-4/sp800-63b.html, docs/adr/0024
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import msgspec

from smart_auth.identity.accounts import LoginTaken
from smart_auth.identity.persons import PersonTaken
from smart_auth.mail import is_address
from smart_auth.records import ACCOUNTS, EXTERNAL_LOGINS, PENDING_LOGINS, SESSIONS, Account, read

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization

ADULT_YEARS = 18
"""The age from which somebody may hold a DS Logon of their own (domain.md 3.5)."""

# People share addresses, as families do. More accounts than these are told of at the help desk.
_ACCOUNTS_OF_AN_ADDRESS = 5


class NewLogon(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody typed who wants a DS Logon. It waits, sealed, in the link that goes to `email`."""

    username: str
    name: str
    email: str
    password_hash: str

    @classmethod
    def of(cls, content: str) -> "NewLogon":
        """That of a link's content."""
        return msgspec.json.decode(content, type=cls)

    @property
    def content(self) -> str:
        return msgspec.json.encode(self).decode()


class EmailTaken(Exception):
    """There is an account with this address."""


class Logons:
    """What happens to the DS Logons of all accounts."""

    def __init__(self, parts: "Authorization") -> None:
        self._parts = parts

    async def of_email(self, email: str) -> list[Account]:
        """The accounts in use whose confirmed address this is."""
        return [each for each in await self._with_address(email) if _gets_mail(each)]

    async def is_taken(self, email: str) -> bool:
        """Whether an account in use, or one that is disabled, has confirmed this address: it makes no other one."""
        found = await self._with_address(email)
        return any(_keeps_address(each) for each in found if each.email_verified_at is not None)

    async def _with_address(self, email: str) -> list[Account]:
        found = await self._parts.documents.find(ACCOUNTS, {"email": email}, _ACCOUNTS_OF_AN_ADDRESS)
        return [read(Account, document) for document in found]

    async def to_reset(self, name_or_email: str) -> list[Account]:
        """The accounts whose passwords whoever typed this may have forgotten: of this username, or this address."""
        by_login = await self._parts.accounts.by_login(name_or_email)
        email = email_of(name_or_email)
        found = [] if by_login is None or not _gets_mail(by_login) else [by_login]
        found += await self.of_email(email or "")
        return [each for each in {each.id: each for each in found}.values() if each.password_hash]

    async def create(self, new: NewLogon) -> Account:
        """The account, of level 1 and nobody's record. Raises LoginTaken and EmailTaken."""
        if await self.is_taken(new.email):
            raise EmailTaken
        account = await self._parts.accounts.add(
            new.username,
            "",
            "patient",
            name=new.name,
            level="level1",
            email=new.email,
            added_by="self",
            password_hash=new.password_hash,
        )
        created = await self._parts.accounts.change(account.id, email_verified_at=self._parts.now())
        if created is None:
            raise LoginTaken(new.username)
        await self._parts.note("logon", "DS Logon created, level 1", account=created)
        return created

    async def upgrade(self, account: Account, dod_id: str, patient: str) -> Account:
        """Level 2 with the record of who was proven. What was granted at level 1 ends. Raises PersonTaken."""
        bound = await self._parts.persons.bind(account, dod_id, patient, "level2")
        await self.end_grants(account)
        await self._parts.note("logon", "DS Logon upgraded to level 2", account=bound, patient=patient)
        return bound

    async def upgrade_by_word(self, account: Account, patient: str) -> None:
        """Level 2 with the record of whom an administrator has identified: no registry is asked, nobody claimed.

        Raises PersonTaken where it is another account's own.
        """
        if await self._parts.persons.holder_of(patient, besides=account.id) is not None:
            raise PersonTaken
        others = [each for each in account.patients if each != patient]
        changed = await self._parts.accounts.change(
            account.id, level="level2", patients=[patient, *others], fhir_user=f"Patient/{patient}"
        )
        await self.end_grants(account)
        await self._parts.note("logon", "DS Logon upgraded to level 2, by command", account=changed, patient=patient)

    async def change_password(self, account: Account, password: str, keep_session: str | None = None) -> None:
        """A new password, which ends whatever the old one opened, but for `keep_session`.

        Sessions, what apps were granted, logins of other providers, and links to another password or address: whoever
        knew the old password may have made any of them.
        """
        await self._parts.accounts.change_password(account.id, password)
        for purpose in ("reset", "email"):
            await self._parts.mail_links.end(purpose, account.id)
        await self._parts.documents.remove_all(EXTERNAL_LOGINS, {"account": account.id})
        await self.end_sessions(account, keep_session)
        await self.end_grants(account)

    async def reset_password(self, account: Account, password: str) -> None:
        """A new password for who got our letter, and a lock of the name is lifted."""
        await self.change_password(account, password)
        await self._parts.limits.forget_logins(account.login)
        await self._parts.note("logon", "new password, by e-mailed link", account=account)

    async def deactivate(self, account: Account, how: str) -> None:
        """End the DS Logon: no password, PIV or other provider lets in any more, and whatever was granted ends.

        The account stays, and a CAC opens it.
        """
        await self._parts.accounts.change(account.id, is_logon_active=False)
        await self.end_sessions(account)
        await self.end_grants(account)
        await self._parts.mail_links.end("reset", account.id)
        await self._parts.note("logon", f"DS Logon deactivated, {how}", account=account)

    async def end_sessions(self, account: Account, but: str | None = None) -> None:
        """End this account's sessions, all or all but one, and sign-ins that wait for a one-time code."""
        await self._parts.documents.remove_all(PENDING_LOGINS, {"account": account.id})
        for document in await self._parts.documents.find(SESSIONS, {"account": account.id}):
            if document["id"] != but:
                await self._parts.sessions.end(document["id"])

    async def end_grants(self, account: Account) -> None:
        """End everything this account granted."""
        while grants := await self._parts.grants.of_account(account.id):
            for grant in grants:
                await self._parts.grants.revoke(grant.id)

    async def check_lock(self, account: Account, numbers: Sequence[str] = ()) -> None:
        """Raises OAuthError slow_down after too many failures of this name, or about one of these numbers."""
        await self._parts.limits.check_logins(account.login)
        for number in numbers:
            await self._parts.limits.check_logins(self._of_number(number))

    async def failed(self, account: Account, text: str, numbers: Sequence[str] = ()) -> None:
        """Count and write down a failure at a page of somebody who is signed in."""
        await self._parts.limits.failed_login(account.login)
        for number in numbers:
            await self._parts.limits.failed_login(self._of_number(number))
        await self._parts.note("logon", text, account=account, is_failure=True)

    def _of_number(self, number: str) -> str:
        """What stands for a DoD ID or Social Security number where attempts are counted."""
        return f"number {self._parts.portal.seal.keyed_digest(number)}"


def email_of(text: str) -> str | None:
    """An address as it is kept and compared; None where it is none that mail can be sent to."""
    email = text.strip().lower()
    return email if is_address(email) else None


def is_adult(birth_date: date, now: int) -> bool:
    """Whether somebody is ADULT_YEARS old on the day (UTC) of this instant."""
    today = datetime.fromtimestamp(now, UTC).date()
    years = today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))
    return years >= ADULT_YEARS


def _keeps_address(account: Account) -> bool:
    """Whether nobody else makes a logon with its address: it is in use, or an administrator has disabled it.

    What a registration left that was rejected is disabled too, and is nobody's.
    """
    is_left_over = account.added_by == "registration" and account.person is None and not account.patients
    return not is_left_over if account.is_disabled else account.is_logon_active


def _gets_mail(account: Account) -> bool:
    is_in_use = account.is_logon_active and not account.is_disabled
    return is_in_use and account.email is not None and account.email_verified_at is not None
