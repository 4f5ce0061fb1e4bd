"""A real mail server in this process, and what it was handed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.conftest import free_port


@dataclass(slots=True)
class Inbox:
    """What a mail server was handed; `answer` is what it says to the address or to the letter."""

    letters: list[EmailMessage] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)
    answer_to_address: str = "250 OK"
    answer_to_letter: str = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer_to_address.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_to_address

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.to += envelope.rcpt_tos
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.answer_to_letter

    def allowed(self, server: Any, session: Any, envelope: Any, mechanism: str, sent: Any) -> AuthResult:
        assert isinstance(sent, LoginPassword)
        self.users.append(sent.login)
        return AuthResult(success=sent.password == b"pa ss@word")


@contextmanager
def mail_server(inbox: Inbox, **options: Any) -> Iterator[int]:
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
