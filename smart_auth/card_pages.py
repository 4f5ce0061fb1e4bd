"""Signing in by CAC and PIV, and registering a PIV card (domain.md I1 to I3, L5 to L7).

A CAC says whose it is by the DoD ID in its certificate; another card is bound to an account by whoever has its logon.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from smart_auth import own_card_pages
from smart_auth.authorization import Authorization
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.card_registration import REGISTER, register
from smart_auth.errors import OAuthError
from smart_auth.identity.cards import Card
from smart_auth.identity.certificates import CertificateRefused
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.records import Account
from smart_auth.registrations import WANTED
from smart_auth.sent_card import BY_CARD, sent_card
from smart_auth.sign_in import next_of, signed_in
from smart_auth.steps import Arrival, Gate, arrival
from smart_auth.visit import PageEndpoint, Visit

__all__ = ["ACTIVE_DUTY", "BY_CARD", "CARD", "by_card", "pages"]

CARD = "/auth/card"
ACTIVE_DUTY = "/auth/registration/active-duty"

_NOBODY = "This card is valid, but nobody is registered with it."
_SAYS = {"cac": "CAC", "piv": "PIV card"}


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is said to the holder of a valid card that signs in to nothing; `there` is where to register it."""

    fault: str
    there: str = ""


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths: none where no card is read; no registration where no registry says who is who."""
    if parts.portal.cards is None:
        return {}
    found = {CARD: PageEndpoint(parts, by_card)}
    found |= {path: PageEndpoint(parts, answer) for path, answer in own_card_pages.ANSWERS.items()}
    return found if parts.portal.registry is None else found | {REGISTER: PageEndpoint(parts, register)}


async def by_card(visit: Visit) -> Response:
    """GET shows whose card was read, or why it is refused (401, 403); POST signs in by it, as `account` if several.

    Raises OAuthError for a request that is over, a form of another site, and too many attempts.
    """
    await visit.parts.limits.take("card", visit.address, visit.parts.settings.logins_per_minute)
    at = await arrival(visit) if visit.value("request") else None
    if visit.is_post:
        check_browser_form(visit)
    try:
        card = await sent_card(visit)
    except CertificateRefused as refusal:
        return _page(visit, at, fault=refusal.text, code=refusal.reason, status=401)
    accounts = await _accounts(visit, card)
    if not accounts:
        return await _refused(visit, at, card)
    if not visit.is_post:
        return _page(visit, at, card=card, accounts=accounts)
    chosen = [each for each in accounts if each.id == (visit.value("account") or accounts[0].id)]
    if not chosen:
        raise OAuthError(400, "invalid_request", "This card does not sign in to that account.")
    return await signed_in(visit, at, chosen[0], "card", BY_CARD, _SAYS[card.kind], by_cac=card.kind == "cac")


async def _accounts(visit: Visit, card: Card) -> tuple[Account, ...]:
    """The accounts in use that a card signs in to: the beneficiary of its DoD ID, and the one it is bound to."""
    parts = visit.parts
    of_person = await parts.persons.account_of(card.dod_id) if card.dod_id is not None else None
    bound = await parts.card_bindings.account_of(card)
    found = (each for each in (of_person, bound) if each is not None and not each.is_disabled)
    return tuple({each.id: each for each in found}.values())


async def _refused(visit: Visit, at: Arrival | None, card: Card) -> Response:
    """403 for a valid card of nobody: in the audit log, and with the way on where there is one."""
    parts = visit.parts
    of_person = await parts.persons.account_of(card.dod_id) if card.dod_id is not None else None
    known = of_person or await parts.card_bindings.known(card)
    text = f"a valid {_SAYS[card.kind]} that signs in to no account in use"
    # The key tells cards apart without saying whose they are.
    await parts.floods.note(f"card {card.key}", "card", text, account=known)
    unknown = await _unknown_cac(visit, card.dod_id, known) if card.dod_id is not None else _unknown_piv(visit)
    return _page(visit, at, card=card, fault=unknown.fault, there=unknown.there, code="card-not-registered", status=403)


async def _unknown_cac(visit: Visit, dod_id: str, known: Account | None) -> Unknown:
    """Raises OAuthError 503 where the registry does not answer."""
    portal = visit.parts.portal
    if portal.registry is None or portal.registrar is None:
        return Unknown(_NOBODY)
    try:
        enrolled = await portal.registry.by_dod_id(dod_id)
    except RegistryUnavailable:
        raise OAuthError(503, "temporarily_unavailable", "The registry does not answer. Try again later.") from None
    today = datetime.fromtimestamp(visit.parts.now(), UTC).date()
    is_eligible = enrolled is not None and bool(enrolled.classes(today) & WANTED["active-duty"])
    # Whoever has an account that is disabled is not to make another one.
    return Unknown(_NOBODY, ACTIVE_DUTY if is_eligible and known is None else "")


def _unknown_piv(visit: Visit) -> Unknown:
    return Unknown(
        f"{_NOBODY} It has to be registered once, and again after a DS Logon was replaced.",
        REGISTER if visit.parts.portal.registry is not None else "",
    )


def _page(
    visit: Visit,
    at: Arrival | None,
    *,
    card: Card | None = None,
    accounts: tuple[Account, ...] = (),
    fault: str = "",
    code: str = "",
    there: str = "",
    status: int = 200,
) -> Response:
    values = {
        "app": None if at is None else at.client.name,
        "request": "" if at is None else at.request.id,
        "next": next_of(visit),
        "card": card,
        "accounts": accounts,
        "fault": fault,
        "code": code,
        "there": there,
        "help_desk": visit.parts.portal.help_desk,
    }
    return browser_form(visit, "card.html", values, status)
