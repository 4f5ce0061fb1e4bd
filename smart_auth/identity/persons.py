"""Which account is which real person's: one claim for each DoD ID number, kept as a keyed digest only.

The claim decides. An account says `person` before it claims, and is given the record only after it has the claim, so
that of two accounts that are proven at the same time to be one person, one gets the record and the other nothing.
"""

from collections.abc import Callable
from typing import Any

from smart_auth.access import LogonLevel
from smart_auth.documents import Documents
from smart_auth.identity.accounts import Accounts
from smart_auth.records import ACCOUNTS, PERSONS, Account, PersonClaim, kept, read
from smart_auth.sealing import Seal

NOBODYS: dict[str, Any] = {"person": None, "patients": [], "fhir_user": None, "level": "level1"}
"""What is left to an account when it no longer stands for a person."""

_TRIES = 5


class PersonTaken(Exception):
    """Another account in use, or disabled, stands for this person, or this account for another person."""


class Persons:
    """The claims that all workers share."""

    def __init__(self, documents: Documents, accounts: Accounts, seal: Seal, now: Callable[[], int]) -> None:
        self._documents = documents
        self._accounts = accounts
        self._seal = seal
        self._now = now

    async def bind(self, account: Account, dod_id: str, patient: str, acr: LogonLevel) -> Account:
        """Let this account stand for the person of this DoD ID number, whose record is `patient`; the account now.

        A claim of an account whose logon is deactivated moves here, that of one that is disabled does not. Raises
        PersonTaken, and ValueError for an account that is no beneficiary's.
        """
        if account.kind != "patient":
            raise ValueError("Only an account of the kind patient stands for a beneficiary.")
        if await self.is_barred(dod_id) or await self.holder_of(patient, besides=account.id) is not None:
            raise PersonTaken
        person = self._seal.keyed_digest(dod_id)
        await self._say_person(account, person)
        former = await self._claim(account, person)
        if former is not None:
            await self._take_over(former, account, person)
        others = (each for each in account.patients if each != patient)
        changes = {"patients": [patient, *others], "fhir_user": f"Patient/{patient}", "level": acr}
        where = {"person": person, "is_disabled": False}
        if await self._documents.change(ACCOUNTS, account.id, changes, where) is None:
            raise PersonTaken
        bound = await self._accounts.get(account.id)
        if bound is None:
            raise PersonTaken
        return bound

    async def is_barred(self, dod_id: str) -> bool:
        """Whether an administrator has disabled the account of this person: only `account enable` undoes it."""
        account = await self.account_of(dod_id)
        return account is not None and account.is_disabled

    async def holder_of(self, patient: str, besides: str = "") -> Account | None:
        """The account whose own record this Patient is, in use or disabled; one that was given it by word has no claim.

        Nobody else's account may then stand for that person.
        """
        for document in await self._documents.find(ACCOUNTS, {"patients": patient}):
            found = read(Account, document)
            is_own = found.kind == "patient" and found.patients[0] == patient and found.id != besides
            if is_own and not _is_given_up(found):
                return found
        return None

    async def account_of(self, dod_id: str) -> Account | None:
        """The account that stands for this person, whether or not it may sign in."""
        claim = await self._found(self._seal.keyed_digest(dod_id))
        return None if claim is None else await self._accounts.get(claim.account)

    async def unbind(self, account: Account) -> None:
        """Let this account stand for nobody: it loses the record, and another may claim the person."""
        await self._documents.change(ACCOUNTS, account.id, NOBODYS)
        await self._documents.remove_all(PERSONS, {"account": account.id})

    async def _say_person(self, account: Account, person: str) -> None:
        """Raises PersonTaken where this account stands for another person already."""
        if await self._documents.change(ACCOUNTS, account.id, {"person": person}, {"person": None}) is not None:
            return
        current = await self._accounts.get(account.id)
        if current is None or current.person != person:
            raise PersonTaken

    async def _claim(self, account: Account, person: str) -> str | None:
        """Claim the person; the account that had the claim before, if one had. Raises PersonTaken."""
        claim = PersonClaim(id=person, account=account.id, claimed_at=self._now())
        for _ in range(_TRIES):
            if await self._documents.insert(PERSONS, person, kept(claim)):
                return None
            found = await self._found(person)
            if found is None:
                continue
            if found.account == account.id:
                return None
            if not _is_given_up(await self._accounts.get(found.account)):
                break
            if await self._documents.change(PERSONS, person, kept(claim), {"account": found.account}) is not None:
                return found.account
        await self._documents.change(ACCOUNTS, account.id, {"person": None}, {"person": person})
        raise PersonTaken

    async def _take_over(self, former: str, account: Account, person: str) -> None:
        """Leave the former account nothing. Raises PersonTaken where it was disabled just now: the claim goes back."""
        where = {"person": person, "is_disabled": False}
        if await self._documents.change(ACCOUNTS, former, NOBODYS, where) is not None:
            return
        owner = await self._accounts.get(former)
        if owner is not None and owner.person == person:
            await self._documents.change(PERSONS, person, {"account": former}, {"account": account.id})
            await self._documents.change(ACCOUNTS, account.id, {"person": None}, {"person": person})
            raise PersonTaken

    async def _found(self, person: str) -> PersonClaim | None:
        document = await self._documents.get(PERSONS, person)
        return None if document is None else read(PersonClaim, document)


def _is_given_up(account: Account | None) -> bool:
    """Whether its owner is to have another one: its logon is deactivated, and no administrator has disabled it."""
    return account is None or not (account.is_logon_active or account.is_disabled)
