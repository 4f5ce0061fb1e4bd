"""Registering a PIV card: once, by five things that only its holder knows together, and then the card alone suffices.

domain.md L5 to L7. Whatever of it is wrong looks the same, costs the same and counts as a failed login.
"""

from datetime import UTC, date, datetime

from starlette.responses import Response

from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, not_recognized
from smart_auth.identity import numbers
from smart_auth.identity.accounts import login_of
from smart_auth.identity.cards import Card
from smart_auth.identity.certificates import CertificateRefused
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.identity.proofing import Proven, Typed, prove
from smart_auth.records import Account
from smart_auth.sent_card import BY_CARD, sent_card
from smart_auth.sign_in import next_of, signed_in
from smart_auth.steps import Arrival, arrival
from smart_auth.visit import Visit

REGISTER = "/auth/card/register"

_REGISTERED = "PIV card registered"
_FIELDS = ("name", "birth_date", "dod_id", "username", "password")
_NO_DAY = date(1, 1, 1)


async def register(visit: Visit) -> Response:
    """GET asks for name, birth date, DoD ID, DS Logon username and password; POST binds the card and signs in by it.

    Raises OAuthError for a request that is over, a form of another site, and 503 without a registry.
    """
    await visit.parts.limits.take("card", visit.address, visit.parts.settings.logins_per_minute)
    at = await arrival(visit) if visit.value("request") else None
    if visit.is_post:
        check_browser_form(visit)
    try:
        card = await sent_card(visit)
    except CertificateRefused as refusal:
        return _form(visit, at, None, refusal.text, refusal)
    if card.kind == "cac":
        return _form(visit, at, card)
    if not visit.is_post:
        return _form(visit, at, card)
    try:
        account = await _holder(visit, card)
    except OAuthError as error:
        if error.status != 429:
            raise
        await _note_flood(visit, card)
        return _form(visit, at, card, error.text, error)
    if account is None:
        known = await visit.parts.accounts.by_login(visit.value("username"))
        await visit.parts.note("card", "a PIV card was not registered", account=known, is_failure=True)
        return _form(visit, at, card, CREDENTIAL_NOT_RECOGNIZED, not_recognized())
    return await _registered(visit, at, card, account)


async def _registered(visit: Visit, at: Arrival | None, card: Card, account: Account) -> Response:
    await visit.parts.card_bindings.bind(card, account)
    # Read again: the logon may have been deactivated meanwhile.
    bound = await visit.parts.card_bindings.account_of(card)
    if bound is None or bound.id != account.id:
        raise not_recognized()
    await visit.parts.note("card", _REGISTERED, account=bound)
    return await signed_in(visit, at, bound, "card", BY_CARD, "PIV card")


async def _holder(visit: Visit, card: Card) -> Account | None:
    """The account of all that was typed; None where any of it is wrong, after the same work.

    Raises OAuthError 429 after too many failures of this name or this card, and 503 without a registry.
    """
    limits = visit.parts.limits
    tried = (login_of(visit.value("username")), f"card {card.key}")
    for each in tried:
        await limits.check_logins(each)
    person = await _person(visit)
    account = await visit.parts.accounts.signed_in(visit.value("username"), visit.value("password"))
    is_right = account is not None and person is not None and account.person == person
    is_right = is_right and all(visit.value(each) for each in _FIELDS)
    # A card of an account that an administrator has disabled moves to no other one.
    bound = await visit.parts.card_bindings.known(card)
    is_right = is_right and (bound is None or not bound.is_disabled)
    if account is not None and is_right and account.totp is not None:
        is_right = await visit.parts.one_time_codes.is_right(account, visit.value("code").replace(" ", ""))
    for each in tried:
        # What was guessed at the same time counts as well.
        await (limits.check_logins(each) if is_right else limits.failed_login(each))
    return account if is_right else None


async def _person(visit: Visit) -> str | None:
    """The keyed digest of the DoD ID typed, where name and birth date are that person's. Raises OAuthError 503."""
    parts = visit.parts
    dod_id = numbers.dod_id(visit.value("dod_id"))
    typed = Typed(visit.value("name"), _day(visit.value("birth_date")), dod_id=dod_id or "")
    if parts.portal.registry is None:
        raise _away()
    try:
        proof = await prove(parts.portal.registry, typed, frozenset(), _today(visit))
    except RegistryUnavailable:
        raise _away() from None
    return parts.portal.seal.keyed_digest(dod_id) if dod_id is not None and isinstance(proof, Proven) else None


def _away() -> OAuthError:
    return OAuthError(503, "temporarily_unavailable", "The registry does not answer. Try again later.")


def _today(visit: Visit) -> date:
    return datetime.fromtimestamp(visit.parts.now(), UTC).date()


def _day(text: str) -> date:
    """A day as browsers send it; what is none becomes a day on which nobody was born."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return _NO_DAY


async def _note_flood(visit: Visit, card: Card) -> None:
    known = await visit.parts.accounts.by_login(visit.value("username"))
    await visit.parts.floods.note(f"card {card.key}", "card", "too many attempts to register a card", account=known)


def _form(
    visit: Visit, at: Arrival | None, card: Card | None, fault: str = "", refused: OAuthError | None = None
) -> Response:
    typed = {name: visit.value(name) if visit.is_post else "" for name in ("name", "birth_date", "dod_id", "username")}
    values = {
        **typed,
        "app": None if at is None else at.client.name,
        "request": "" if at is None else at.request.id,
        "next": next_of(visit),
        "card": card,
        "fault": fault,
        "code": "" if refused is None else refused.error,
        "help_desk": visit.parts.portal.help_desk,
    }
    status, headers = (200, None) if refused is None else (refused.status, refused.headers)
    return browser_form(visit, "card_register.html", values, status, headers)
