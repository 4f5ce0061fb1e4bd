"""Mail over SMTP: to a real mail server in this process, with TLS and without, and into the demo's mailbox."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from fhir_server.mailing import Relay, mail_of
from fhir_server.settings import Settings
from smart_auth.mail import NO_MAIL, CannotDeliver, Message, Outbox
from smart_auth.mailbox import NEWEST, Mailbox
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.conftest import free_port

LETTER = Message("ann@example.org", "Confirm your address", "Ünser link:\n\nhttps://fhir.test/auth/confirm?token=t\n")


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


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate of its own making, and where that certificate is."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "mail.pem", folder / "mail.key"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, key_path)
    return context, path


def relay(port: int, query: str = "?starttls=off", scheme: str = "smtp", user: str = "") -> Relay:
    return Relay.of(f"{scheme}://{user}127.0.0.1:{port}{query}", "no-reply@portal.example.mil")


async def test_a_letter_arrives_as_plain_text_from_us_to_one_person() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        await relay(port)(LETTER)
    (letter,) = inbox.letters
    assert inbox.to == ["ann@example.org"]
    assert (letter["From"], letter["To"], letter["Subject"]) == (
        "no-reply@portal.example.mil",
        "ann@example.org",
        "Confirm your address",
    )
    assert letter["Message-ID"].endswith("@portal.example.mil>")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content().replace("\r\n", "\n") == LETTER.text


async def test_over_starttls_the_name_and_password_of_the_settings_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    context, path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with mail_server(inbox, tls_context=context, require_starttls=True, authenticator=inbox.allowed) as port:
        await relay(port, "", user="portal:pa%20ss%40word@")(LETTER)
        assert len(inbox.letters) == 1
        assert inbox.users == [b"portal"]
        with pytest.raises(CannotDeliver):
            await relay(port, "", user="portal:wrong@")(LETTER)
    assert len(inbox.letters) == 1


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    inbox = Inbox()
    context, _ = certificate(tmp_path)
    with mail_server(inbox, tls_context=context) as port:
        for query in ("", "?starttls=auto"):
            with pytest.raises(CannotDeliver) as caught:
                await relay(port, query)(LETTER)
            assert not caught.value.is_final
    assert inbox.letters == []


async def test_where_tls_is_required_a_server_without_it_gets_nothing() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port, pytest.raises(CannotDeliver):
        await relay(port, "")(LETTER)
    assert inbox.letters == []


async def test_tls_from_the_beginning_is_spoken_where_the_address_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    context, path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with mail_server(inbox, ssl_context=context) as port:
        await relay(port, "", scheme="smtps")(LETTER)
    assert len(inbox.letters) == 1


@pytest.mark.parametrize(
    ("answers", "is_final"),
    [
        ({"answer_to_address": "550 no such mailbox ann@example.org"}, True),
        ({"answer_to_address": "451 greylisted, come back"}, False),
        ({"answer_to_letter": "554 we do not like it"}, True),
        ({"answer_to_letter": "452 disk full"}, False),
    ],
)
async def test_what_a_server_says_for_good_is_final_and_the_rest_is_not(
    answers: dict[str, str], is_final: bool
) -> None:
    inbox = Inbox(**answers)  # type: ignore[arg-type]
    with mail_server(inbox) as port, pytest.raises(CannotDeliver) as caught:
        await relay(port)(LETTER)
    assert caught.value.is_final is is_final
    assert "ann@" not in str(caught.value)


async def test_a_server_that_is_away_is_no_reason_to_give_up() -> None:
    with pytest.raises(CannotDeliver) as caught:
        await relay(free_port())(LETTER)
    assert not caught.value.is_final


@pytest.mark.parametrize(
    "url", ["http://mail.test", "smtp://", "smtp://mail.test/path", "smtp://mail.test?starttls=perhaps", "mail.test:25"]
)
def test_an_address_that_is_no_mail_servers_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"FHIR_MAIL_URL|starttls") as caught:
        Relay.of(url.replace("//", "//user:secret@"), "no-reply@example.org")
    assert "secret" not in str(caught.value)


def test_a_sender_is_one_plain_address() -> None:
    with pytest.raises(ValueError, match="FHIR_MAIL_FROM"):
        Relay.of("smtp://mail.test", "Portal <no-reply@example.org>")


def test_ports_are_those_of_submission() -> None:
    assert Relay.of("smtp://mail.test", "a@b.c").port == 587
    assert Relay.of("smtps://mail.test", "a@b.c").port == 465
    assert Relay.of("smtps://mail.test", "a@b.c").starts_tls is False
    assert "secret" not in repr(Relay.of("smtp://user:secret@mail.test", "a@b.c"))


async def test_the_settings_say_where_mail_goes() -> None:
    documents, seal, clock = MemoryDocuments(), Seal(b"k" * 32), Clock()
    demo = mail_of(Settings(), documents, seal, clock)
    assert isinstance(demo, Outbox) and isinstance(demo.deliver, Mailbox)
    sent = mail_of(Settings(mail_url=SecretStr("smtps://mail.test")), documents, seal, clock)
    assert isinstance(sent, Outbox) and isinstance(sent.deliver, Relay)
    public = Settings(host="0.0.0.0", base_url="https://portal.example.mil/fhir")
    assert mail_of(public, documents, seal, clock) is NO_MAIL


async def test_the_mailbox_keeps_the_newest_letters_newest_first() -> None:
    clock = Clock()
    mailbox = Mailbox(MemoryDocuments(now=clock), clock)
    for number in range(NEWEST + 3):
        clock.pass_seconds(1)
        await mailbox(Message("ann@example.org", f"Letter {number}", "x"))
    entries = await mailbox.entries()
    assert len(entries) == NEWEST
    assert [each.subject for each in entries[:2]] == [f"Letter {NEWEST + 2}", f"Letter {NEWEST + 1}"]
