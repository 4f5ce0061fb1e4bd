"""Accounts of people: added by an administrator, found by the login name in whatever case it is typed."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from smart_auth.access import Kind, LogonLevel
from smart_auth.documents import Documents
from smart_auth.identity import passwords
from smart_auth.random_secrets import new_id
from smart_auth.records import ACCOUNTS, Account, AddedBy, kept, read

LOGINS = "logins"
"""Documents that claim a login name for one account, so that no two have it."""

LONGEST_USERNAME = 200


# A login name is claimed in a document of its own.
_CHANGEABLE = frozenset(Account.__struct_fields__) - {"id", "username", "login"}


class LoginTaken(Exception):
    """Another account has this login name."""


class Accounts:
    """The accounts that all workers share."""

    def __init__(self, documents: Documents, now: Callable[[], int]) -> None:
        self._documents = documents
        self._now = now

    async def add(
        self,
        username: str,
        password: str,
        kind: Kind,
        *,
        name: str = "",
        fhir_user: str | None = None,
        patients: Sequence[str] = (),
        agency: str | None = None,
        level: LogonLevel = "level2",
        email: str | None = None,
        added_by: AddedBy = "command",
        totp_secret: str | None = None,
        contact_verified_at: int | None = None,
        conditions_version: str | None = None,
        id: str | None = None,
        password_hash: str | None = None,
    ) -> Account:
        """A new account; the empty password is none, as for somebody who signs in by card alone.

        `totp_secret` is sealed already, about the `id` that then has to be given; a `password_hash` was made before,
        in place of the password. Raises LoginTaken, and ValueError for a username or password that cannot be.
        """
        login = login_of(username)
        if not 0 < len(login) <= LONGEST_USERNAME:
            raise ValueError(f"A username has 1 to {LONGEST_USERNAME} characters.")
        account = Account(
            id=id or new_id(),
            username=username,
            login=login,
            password_hash=password_hash or (await passwords.hashed(password) if password else ""),
            kind=kind,
            name=name or username,
            fhir_user=fhir_user,
            patients=tuple(patients),
            agency=agency,
            level=level,
            email=email,
            email_verified_at=None,
            totp=totp_secret,
            contact_verified_at=contact_verified_at,
            conditions_version=conditions_version,
            added_by=added_by,
        )
        await self._documents.insert(ACCOUNTS, account.id, kept(account))
        if not await self._documents.insert(LOGINS, login, {"account": account.id, "claimed_at": self._now()}):
            await self._documents.remove(ACCOUNTS, account.id)
            raise LoginTaken(username)
        return account

    async def change_password(self, id: str, password: str) -> None:
        """A new password for an account. Raises ValueError for one that cannot be a password."""
        await self._documents.change(ACCOUNTS, id, {"password_hash": await passwords.hashed(password)})

    async def change(self, id: str, **fields: Any) -> Account | None:
        """Other values for fields of an account, in one step: the account as it is now; None where there is none.

        Raises TypeError for what is no field, before anything is written.
        """
        if unknown := fields.keys() - _CHANGEABLE:
            raise TypeError(f"no field of an account that can be changed: {', '.join(sorted(unknown))}")
        before = await self._documents.change(ACCOUNTS, id, fields)
        return None if before is None else read(Account, {**before, **fields})

    async def get(self, id: str) -> Account | None:
        """The account with this id."""
        document = await self._documents.get(ACCOUNTS, id)
        return None if document is None else read(Account, document)

    async def by_login(self, username: str) -> Account | None:
        """The account that signs in by this name."""
        login = login_of(username)
        claim = await self._documents.get(LOGINS, login if len(login) <= LONGEST_USERNAME else "")
        # Two reads, whether or not there is such a name.
        return await self.get("nobody" if claim is None else claim["account"])

    async def all(self) -> list[Account]:
        """Every account."""
        return [read(Account, each) for each in await self._documents.find(ACCOUNTS, {})]

    async def signed_in(self, username: str, password: str) -> Account | None:
        """The account of this name and password, unless it is disabled or its logon was deactivated.

        The same work whatever is wrong.
        """
        account = await self.by_login(username)
        is_right = await passwords.is_right(password, None if account is None else account.password_hash or None)
        is_in_use = account is not None and account.is_logon_active and not account.is_disabled
        return account if is_right and is_in_use else None


def login_of(username: str) -> str:
    """A username as it is compared: one form of each letter, without case or surrounding space."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    # Once more, because folding can undo it (Unicode Standard Annex #15, section 2).
    return unicodedata.normalize("NFKC", folded).strip()
