"""Cards, and the accounts they are bound to. A binding is found by the card's key, which outlives its re-issue.

docs/adr/0023-cards-behind-a-proxy.md
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from smart_auth.documents import Documents
from smart_auth.identity.accounts import Accounts
from smart_auth.records import CARDS, Account, CardBinding, kept, read


@dataclass(frozen=True, slots=True)
class Card:
    """A card whose certificate passed every check.

    `key` is the SHA-512 of its trust anchor's and its own subject, in hexadecimal. A CAC has a DoD ID (ten digits),
    which is taken from the certificate and nowhere else. `name` is as the card says it; `not_after` is in seconds since
    1970.
    """

    kind: Literal["cac", "piv"]
    key: str
    dod_id: str | None
    name: str
    not_after: int


class CardBindings:
    """Which account a card signs in to. One card has one account; an account may have several cards."""

    def __init__(self, documents: Documents, accounts: Accounts, now: Callable[[], int]) -> None:
        self._documents = documents
        self._accounts = accounts
        self._now = now

    async def account_of(self, card: Card) -> Account | None:
        """The account in use that this card signs in to; None where there is none.

        A PIV card hangs on the account's logon: while that is deactivated it signs in to nothing, and a new logon of
        the same person needs the card registered again.
        """
        account = await self.known(card)
        if account is None or account.is_disabled or (card.kind == "piv" and not account.is_logon_active):
            return None
        # Only where it is still this account's: a registration in between has the last word.
        same = {"account": account.id}
        used = await self._documents.change(CARDS, card.key, {"last_used_at": self._now()}, same)
        return None if used is None else account

    async def known(self, card: Card) -> Account | None:
        """The account that the card is bound to, whether or not it signs in to it."""
        document = await self._documents.get(CARDS, card.key)
        return None if document is None else await self._accounts.get(document["account"])

    async def bind(self, card: Card, account: Account) -> None:
        """Let the card sign in to this account, whatever it was bound to before."""
        now = self._now()
        binding = CardBinding(id=card.key, account=account.id, kind=card.kind, registered_at=now, last_used_at=now)
        await self._documents.replace(CARDS, card.key, kept(binding))

    async def of_account(self, id: str) -> list[CardBinding]:
        """The cards bound to an account, by key."""
        return [read(CardBinding, each) for each in await self._documents.find(CARDS, {"account": id})]

    async def give_up(self, key: str, account_id: str) -> bool:
        """Let a card sign in to this account no longer; False where it does not, as where it has moved meanwhile."""
        if await self._documents.change(CARDS, key, {"account": ""}, {"account": account_id}) is None:
            return False
        return await self.remove(key)

    async def remove(self, key: str) -> bool:
        """Whether there was such a binding; there is none any more."""
        return await self._documents.remove(CARDS, key)
