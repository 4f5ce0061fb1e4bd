"""Mail over SMTP: to a real mail server in this process, with TLS and without, and into the demo's mailbox."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from fhir_server.mailing import Relay, mail_of
from fhir_server.settings import Settings
from smart_auth.mail import NO_MAIL, CannotDeliver, Message, Outbox
from smart_auth.mailbox import NEWEST, Mailbox
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.inbox import Inbox, mail_server
from tests.auth.memory_documents import MemoryDocuments
from tests.certificates import self_signed
from tests.conftest import free_port

LETTER = Message("ann@example.org", "Confirm your address", "Ünser link:\n\nhttps://fhir.test/auth/confirm?token=t\n")


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
    context, path = self_signed(tmp_path, "127.0.0.1"), tmp_path / "cert.pem"
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
    context = self_signed(tmp_path, "127.0.0.1")
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
    context, path = self_signed(tmp_path, "127.0.0.1"), tmp_path / "cert.pem"
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
