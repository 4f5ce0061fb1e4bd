"""How mail leaves this server: by SMTP where the settings name a host, into the demo's mailbox on one's own machine.

RFC 5321, RFC 6409 (submission), RFC 3207 (STARTTLS), RFC 8314 (TLS from the beginning)
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from fhir_server.settings import Settings
from smart_auth.documents import Documents
from smart_auth.mail import NO_MAIL, CannotDeliver, Mail, Message, Outbox, is_address
from smart_auth.mailbox import Mailbox
from smart_auth.sealing import Seal

STEP_SECONDS = 10.0
"""How long a mail server may take for one answer."""

# Well below the time for which a worker has a letter claimed.
_WHOLE_SECONDS = 60.0
_SUBMISSION, _SUBMISSION_TLS = 587, 465
_STARTTLS: Mapping[str, bool | None] = {"required": True, "auto": None, "off": False}


def mail_of(settings: Settings, documents: Documents, seal: Seal, now: Callable[[], int]) -> Mail:
    """The mail of one process. Raises ValueError, in words for whoever runs the server, for settings that are wrong."""
    if settings.shows_mailbox:
        return Outbox(documents, seal, Mailbox(documents, now), now, mails_per_hour=settings.mails_per_hour)
    if settings.mail_url is None:
        return NO_MAIL
    relay = Relay.of(settings.mail_url.get_secret_value(), settings.mail_from)
    return Outbox(documents, seal, relay, now, mails_per_hour=settings.mails_per_hour)


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server that takes letters; a Deliver. `starts_tls` None: where it offers it."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    uses_tls: bool = False
    starts_tls: bool | None = True

    @classmethod
    def of(cls, url: str, sender: str) -> "Relay":
        """The server of `smtp://[user:password@]host[:port][?starttls=required|auto|off]` or `smtps://...`.

        Raises ValueError, which does not repeat the address, as a password is in it.
        """
        parts = urlsplit(url)
        starttls = parse_qs(parts.query).get("starttls", ["required"])
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("FHIR_MAIL_URL must be smtp://HOST:PORT or smtps://HOST:PORT.")
        if len(starttls) != 1 or starttls[0] not in _STARTTLS:
            raise ValueError("The starttls of FHIR_MAIL_URL must be required, auto or off.")
        if not is_address(sender):
            raise ValueError("FHIR_MAIL_FROM must be one plain address, such as no-reply@example.org.")
        uses_tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (_SUBMISSION_TLS if uses_tls else _SUBMISSION),
            sender=sender,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            uses_tls=uses_tls,
            starts_tls=False if uses_tls else _STARTTLS[starttls[0]],
        )

    async def __call__(self, message: Message) -> None:
        """Hand a letter over. Raises CannotDeliver."""
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                await aiosmtplib.send(
                    letter(message, self.sender),
                    sender=self.sender,
                    recipients=[message.to],
                    hostname=self.host,
                    port=self.port,
                    username=self.username,
                    password=self.password,
                    use_tls=self.uses_tls,
                    start_tls=self.starts_tls,
                    timeout=STEP_SECONDS,
                )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            is_final = all(each.code >= 500 for each in refused.recipients)
            raise CannotDeliver("the address was not taken", is_final) from None
        except aiosmtplib.SMTPDataError as refused:
            raise CannotDeliver("the letter was not taken", refused.code >= 500) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            # Its words may hold the address, or what the server says of it.
            raise CannotDeliver("the mail server could not be spoken with") from None


def letter(message: Message, sender: str) -> EmailMessage:
    """The letter as it goes out: plain text, nothing in it that tells whether it was opened."""
    written = EmailMessage(policy=SMTP)
    written["From"] = sender
    written["To"] = message.to
    written["Subject"] = message.subject
    written["Date"] = formatdate(usegmt=True)
    domain = sender.rpartition("@")[2]
    # A letter that is sent again, as the answer to the first was lost, is known as the same.
    written["Message-ID"] = f"<{message.id}@{domain}>" if message.id else make_msgid(domain=domain)
    # RFC 3834 section 5: no out-of-office note comes back.
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(message.text)
    return written
