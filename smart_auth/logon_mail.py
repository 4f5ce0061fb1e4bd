"""The letters about a DS Logon. They hold no health data and no name of anybody but the account's own username."""

from urllib.parse import quote, urlsplit

from starlette.responses import Response

from smart_auth.mail import Message
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.visit import Visit

CONFIRM = "/auth/confirm"
RESET_NEW = "/auth/reset/new"

ENDED = "All other browsers were signed out, no app has access any more, and no other provider signs you in."
"""What a new password ends, as its letters and pages say it."""


def link_to_create(visit: Visit, email: str, token: str) -> Message:
    """To whoever wants an account, at the address that was typed."""
    text = (
        "Somebody, probably you, asked for a DS Logon with this e-mail address.\n\n"
        f"To create it, open this page and type the password that you chose:\n{_link(visit, CONFIRM, token)}\n\n"
        f"The link works once, for {visit.parts.settings.email_link_hours} hours. "
        "If you did not ask for it, do nothing: no account is made then.\n"
    )
    return Message(email, "Create your DS Logon", text + _help(visit))


def has_account_already(visit: Visit, email: str) -> Message:
    """To an address that has an account, where somebody asked for one with it."""
    text = (
        "Somebody, probably you, asked for a DS Logon with this e-mail address. There is one already, so none was made."
        f"\n\nIf you forgot its username or password, go to {origin(visit)}/auth/reset and type this address.\n\n"
        "If you did not ask for it, do nothing.\n"
    )
    return Message(email, "You have a DS Logon already", text + _help(visit))


def link_to_reset(visit: Visit, account: Account, token: str) -> Message:
    """To the owner of an account whose password somebody forgot."""
    text = (
        f"Somebody, probably you, asked for a new password of the DS Logon {account.username}.\n\n"
        f"Choose it here:\n{_link(visit, RESET_NEW, token)}\n\n"
        f"The link works once, for {visit.parts.settings.password_reset_minutes} minutes. "
        "If you did not ask for it, do nothing: the password stays as it is.\n"
    )
    return Message(account.email or "", "A new password for your DS Logon", text + _help(visit))


async def is_room(visit: Visit, email: str, purpose: str) -> bool:
    """Whether a letter with a link of this purpose would still go out to this address within this hour.

    To be asked before the link is made: one that the outbox drops must not end the one that was sent before.
    """
    return await visit.parts.limits.is_left(f"{purpose} link", email, visit.parts.settings.mails_per_hour)


async def tell(visit: Visit, account: Account, what: str) -> None:
    """Tell the owner of an account what was changed, where mail reaches them. `what` is a sentence."""
    if not visit.parts.portal.mail.is_available or account.email is None or account.email_verified_at is None:
        return
    text = f"{what}\n\nIf that was not you, call the help desk at once.\n"
    await visit.parts.portal.mail.send(Message(account.email, "Your DS Logon was changed", text + _help(visit)))


def no_mail(visit: Visit, title: str) -> Response:
    """What a page says that needs mail, where no mail is set up."""
    values = {"fault": "", "title": title, "help_desk": visit.parts.portal.help_desk}
    return page("logon_no_mail.html", values, status=503)


def origin(visit: Visit) -> str:
    """The origin by which the sender of a request knows this server; only known ones get so far."""
    parts = urlsplit(visit.base)
    return f"{parts.scheme}://{parts.netloc}"


def _link(visit: Visit, path: str, token: str) -> str:
    return f"{origin(visit)}{path}?token={quote(token, safe='')}"


def _help(visit: Visit) -> str:
    return f"\nNobody of ours asks for your password. Help: {visit.parts.portal.help_desk}.\n"
