"""The pages that help: answers to questions for everybody, and the mailbox of the demo.

https://www.w3.org/WAI/WCAG22/Understanding/consistent-help.html
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from smart_auth import who_helps
from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError
from smart_auth.mail import Outbox
from smart_auth.mailbox import Mailbox
from smart_auth.pages.render import page
from smart_auth.records import MailboxEntry
from smart_auth.steps import Gate
from smart_auth.visit import PageEndpoint, Visit

MAILBOX = "/auth/mailbox"


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths."""
    who_helps.settle(parts.portal.help_desk)
    return {
        who_helps.HELP: PageEndpoint(parts, _help, ("GET",)),
        MAILBOX: PageEndpoint(parts, _mailbox, ("GET",)),
    }


def mailbox_of(parts: Authorization) -> Mailbox | None:
    """The mailbox that may be shown to whoever asks; None where mail is really sent, or none is."""
    mail = parts.portal.mail
    return mail.deliver if isinstance(mail, Outbox) and isinstance(mail.deliver, Mailbox) else None


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter as it is shown; `sent` is a date and time in UTC, `lines` are those with something in them."""

    to: str
    subject: str
    sent: str
    lines: tuple[str, ...]


async def _help(visit: Visit) -> Response:
    return page("help.html", {})


async def _mailbox(visit: Visit) -> Response:
    """Raises OAuthError 404 where there is none to be shown."""
    mailbox = mailbox_of(visit.parts)
    if mailbox is None:
        raise OAuthError(404, "invalid_request", "There is no such page here.")
    letters = [_shown(each) for each in await mailbox.entries()]
    return page("mailbox.html", {"letters": letters, "origin": visit.base.removesuffix("/fhir")})


def _shown(entry: MailboxEntry) -> _Letter:
    sent = datetime.fromtimestamp(entry.sent_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = tuple(line.strip() for line in entry.text.splitlines() if line.strip())
    return _Letter(entry.to, entry.subject, sent, lines)
