"""Accounts of people: added by an administrator, found by the login name in whatever case it is typed."""

import unicodedata
from collections.abc import Callable, Sequence

from smart_auth.access import Kind
from smart_auth.documents import Documents
from smart_auth.identity import passwords
from smart_auth.random_secrets import new_id
from smart_auth.records import ACCOUNTS, Account, kept, read

LOGINS = "logins"
"""Documents that claim a login name for one account, so that no two have it."""

LONGEST_USERNAME = 200


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
    ) -> Account:
        """A new account. Raises LoginTaken, and ValueError for a username or password that cannot be one."""
        login = login_of(username)
        if not 0 < len(login) <= LONGEST_USERNAME:
            raise ValueError(f"A username has 1 to {LONGEST_USERNAME} characters.")
        account = Account(
            id=new_id(),
            username=username,
            login=login,
            password_hash=await passwords.hashed(password),
            kind=kind,
            name=name or username,
            fhir_user=fhir_user,
            patients=tuple(patients),
            agency=agency,
        )
        await self._documents.insert(ACCOUNTS, account.id, kept(account))
        if not await self._documents.insert(LOGINS, login, {"account": account.id, "claimed_at": self._now()}):
            await self._documents.remove(ACCOUNTS, account.id)
            raise LoginTaken(username)
        return account

    async def change_password(self, id: str, password: str) -> None:
        """A new password for an account. Raises ValueError for one that cannot be a password."""
        await self._documents.change(ACCOUNTS, id, {"password_hash": await passwords.hashed(password)})

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
        """The account of this name and password, unless it is disabled; the same work whatever is wrong."""
        account = await self.by_login(username)
        is_right = await passwords.is_right(password, None if account is None else account.password_hash)
        return account if account is not None and is_right and not account.is_disabled else None


def login_of(username: str) -> str:
    """A username as it is compared: one form of each letter, without case or surrounding space."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    # Once more, because folding can undo it (Unicode Standard Annex #15, section 2).
    return unicodedata.normalize("NFKC", folded).strip()
