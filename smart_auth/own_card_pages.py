"""The page where a person sees the cards that are registered with their account, and takes one away.

docs/people/cards.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.identity.logons import Logons
from smart_auth.logon_mail import tell
from smart_auth.own_logon_pages import SIGN_IN, is_owner
from smart_auth.pages.render import page
from smart_auth.records import Account, CardBinding
from smart_auth.visit import Answer, Visit, see

HERE = "/auth/cards"

_KINDS = {"cac": "CAC", "piv": "PIV card"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as the page shows it. `id` stands for its key, which is nobody's to read; days are ISO 8601, UTC."""

    id: str
    kind: str
    registered: str
    last_used: str


async def own_cards(visit: Visit) -> Response:
    """GET shows the cards, POST removes one (`card`) and ends what cards opened elsewhere.

    Raises OAuthError 400 for a card that is not there, and 429 after too many wrong passwords.
    """
    if visit.account is None or visit.session is None:
        return see(f"{SIGN_IN}cards")
    account = visit.account
    cards = await visit.parts.card_bindings.of_account(account.id)
    if not visit.is_post:
        return _page(visit, account, cards)
    visit.check_form()
    chosen = [each for each in cards if _id(visit, each) == visit.value("card")]
    if not chosen:
        raise OAuthError(400, "invalid_request", "There is no such card here any more.")
    if not await is_owner(visit, account, "a card not removed: neither password nor card"):
        return _page(visit, account, cards, CREDENTIAL_NOT_RECOGNIZED)
    await _remove(visit, account, chosen[0], visit.session.id)
    return see(f"{HERE}?done=removed")


async def _remove(visit: Visit, account: Account, card: CardBinding, session: str) -> None:
    """Whoever has the card now is out at once: of other browsers, and of apps that were let in by a card."""
    if not await visit.parts.card_bindings.give_up(card.id, account.id):
        return
    await Logons(visit.parts).end_sessions(account, session)
    for grant in await visit.parts.grants.of_account(account.id):
        if grant.acr == "card":
            await visit.parts.grants.revoke(grant.id)
    kind = _KINDS[card.kind]
    await visit.parts.note("card", f"a {kind} removed, by its owner", account=account)
    await tell(visit, account, f"A {kind} no longer signs in to the account {account.username}.")


def _id(visit: Visit, card: CardBinding) -> str:
    return visit.parts.portal.seal.keyed_digest(f"card {card.id}")


def _page(visit: Visit, account: Account, cards: list[CardBinding], fault: str = "") -> Response:
    shown = [
        Shown(_id(visit, each), _KINDS[each.kind], _day(each.registered_at), _day(each.last_used_at))
        for each in sorted(cards, key=lambda each: (each.registered_at, each.id))
    ]
    values = {
        "account": account,
        "cards": shown,
        "has_password": bool(account.password_hash),
        "is_by_card": visit.session is not None and visit.session.acr == "card",
        "can_register": visit.parts.portal.registry is not None,
        "chosen": visit.value("card") if visit.is_post else "",
        "done": visit.value("done") == "removed" and not fault,
        "help_desk": visit.parts.portal.help_desk,
        "csrf": visit.csrf,
        "fault": fault,
    }
    return page("cards.html", values, status=401 if fault else 200)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


ANSWERS: Mapping[str, Answer] = {HERE: own_cards}
