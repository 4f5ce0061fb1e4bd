"""A responder is asked whether a card was revoked, and only an answer that counts is believed (RFC 6960)."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from smart_auth.identity import ocsp as asking
from smart_auth.identity.certificates import CertificateRefused
from smart_auth.identity.ocsp import ElseLists, NoAnswer, Responders
from smart_auth.identity.revocation import RevocationLists, revoked
from tests.auth.card_authority import DAY, DER, Authority, NeverRevoked, key

NOW = 1_800_000_000
URL = "http://ocsp.test/"
ISSUER = Authority.root(NOW)
SHOWN = ISSUER.card()
ANOTHER = ISSUER.card()


def unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(DER)


class Responder:
    """Answers by `answer`, and remembers what it was asked."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, bytes]] = []

    async def __call__(self, url: str, request: bytes) -> bytes:
        self.asked.append((url, request))
        return self.answer(request)


def answering(*revoked: x509.Certificate, **fields: Any) -> Responder:
    return Responder(lambda request: ISSUER.answer(request, revoked, **fields))


async def outcome(responder: Responder, url: str | None = URL, certificate: x509.Certificate = SHOWN) -> str:
    return await said(Responders(url, responder), certificate)


async def said(asked: Any, certificate: x509.Certificate = SHOWN, now: int = NOW) -> str:
    try:
        await asked.check(certificate, ISSUER.certificate, now)
    except CertificateRefused as refusal:
        return refusal.reason.removeprefix("certificate-")
    return "good"


async def test_what_the_responder_says_counts() -> None:
    assert await outcome(answering()) == "good"
    assert await outcome(answering(SHOWN)) == "revoked"
    assert await outcome(answering(ANOTHER)) == "good"


async def test_somebody_whom_the_issuer_lets_answer_is_believed() -> None:
    delegate = ISSUER.responder()
    assert await outcome(answering(responder=delegate, by=key("OCSP T"))) == "good"
    assert await outcome(answering(SHOWN, responder=delegate, by=key("OCSP T"))) == "revoked"


@pytest.mark.parametrize(
    "fields",
    [
        {"responder": Authority.root(NOW, by="forger").certificate, "by": key("forger")},
        {"nonce": b"another question's answer"},
        {"issued": 3600, "until": 7200},
        {"issued": -DAY, "until": -1},
        {"issued": -DAY, "until": None},
        {"until": None, "repeats_nonce": False},
        {"about": ANOTHER},
        {"digest": hashes.SHA224()},
        {"responder": ISSUER.card(common="OCSP T", key=key("OCSP T")), "by": key("OCSP T")},
        {"responder": ISSUER.responder(more=()), "by": key("OCSP T")},
        {"responder": ISSUER.responder(not_after=-1), "by": key("OCSP T")},
        {"responder": Authority.root(NOW, "Other Root").responder(), "by": key("OCSP T")},
    ],
    ids=[
        "signed by another",
        "to another question",
        "of the future",
        "past its end",
        "without an end and old",
        "without an end and not to this question",
        "about another certificate",
        "with a short digest",
        "by somebody not entitled",
        "by somebody who might be revoked",
        "by somebody whose time is over",
        "by somebody of another authority",
    ],
)
async def test_an_answer_that_does_not_count_is_none(fields: dict[str, Any]) -> None:
    assert await outcome(answering(**fields)) == "revocation-unknown"


async def test_an_answer_made_beforehand_counts_while_it_is_current() -> None:
    assert await outcome(answering(repeats_nonce=False)) == "good"


async def test_a_responder_that_knows_sha_1_alone_is_asked_so() -> None:
    def answer(request: bytes) -> bytes:
        if isinstance(ocsp.load_der_ocsp_request(request).hash_algorithm, hashes.SHA1):
            return ISSUER.answer(request, [SHOWN])
        return unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)

    assert await outcome(Responder(answer)) == "revoked"


@pytest.mark.parametrize("content", [b"", b"x", unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)])
async def test_what_is_no_answer_is_none(content: bytes) -> None:
    assert await outcome(Responder(lambda request: content)) == "revocation-unknown"


async def test_an_answer_with_any_byte_changed_is_never_believed_to_be_good() -> None:
    delegate = ISSUER.responder()

    def spoilt(at: int) -> Callable[[bytes], bytes]:
        def answer(request: bytes) -> bytes:
            whole = bytearray(ISSUER.answer(request, [SHOWN], responder=delegate, by=key("OCSP T")))
            whole[at % len(whole)] ^= 1 << at % 8
            return bytes(whole)

        return answer

    said_of_each = {await outcome(Responder(spoilt(at))) for at in range(1200)}
    assert said_of_each <= {"revoked", "revocation-unknown"}
    assert "revocation-unknown" in said_of_each


async def test_a_responder_that_is_away_tells_nothing() -> None:
    def answer(request: bytes) -> bytes:
        raise NoAnswer

    assert await outcome(Responder(answer)) == "revocation-unknown"


async def test_a_silent_responder_is_left_alone_for_half_a_minute() -> None:
    def answer(request: bytes) -> bytes:
        raise NoAnswer

    responder = Responder(answer)
    asked = Responders(URL, responder)
    shown = [await said(asked, each, NOW + later) for each, later in ((SHOWN, 0), (ANOTHER, 1), (SHOWN, 29))]
    assert (shown, len(responder.asked)) == (["revocation-unknown"] * 3, 1)
    responder.answer = lambda request: ISSUER.answer(request)
    assert await said(asked, ANOTHER, NOW + 30) == "good"


async def test_silence_is_that_of_one_responder() -> None:
    def named(address: str) -> x509.Certificate:
        there = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(address))
        return ISSUER.card(more=((x509.AuthorityInformationAccess([there]), False),))

    async def ask(url: str, request: bytes) -> bytes:
        if "silent" in url:
            raise NoAnswer
        return ISSUER.answer(request)

    asked = Responders(None, ask)
    assert await said(asked, named("http://silent.test/")) == "revocation-unknown"
    assert await said(asked, named("http://well.test/")) == "good"


async def test_an_answer_that_does_not_count_is_no_silence() -> None:
    responder = Responder(lambda request: b"x")
    asked = Responders(URL, responder)
    assert await said(asked) == "revocation-unknown"
    responder.answer = lambda request: ISSUER.answer(request)
    assert await said(asked) == "good"


async def test_what_is_known_of_a_card_counts_while_its_responder_is_silent() -> None:
    responder = answering(SHOWN)
    asked = Responders(URL, responder)
    assert [await said(asked, each) for each in (SHOWN, ANOTHER)] == ["revoked", "good"]

    def answer(request: bytes) -> bytes:
        raise NoAnswer

    responder.answer = answer
    assert await said(asked, ISSUER.card(), NOW + 1) == "revocation-unknown"
    assert [await said(asked, each, NOW + 2) for each in (SHOWN, ANOTHER)] == ["revoked", "good"]


async def test_one_that_takes_the_question_and_never_answers_costs_one_card_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 1.0)
    connected = []
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(await reader.read(1))
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        asked = Responders(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        shown = [await said(asked, each, NOW) for each in (SHOWN, ANOTHER, ISSUER.card())]
        over.set()
    assert (shown, connected) == (["revocation-unknown"] * 3, [b"P"])


async def test_both_questions_together_take_no_longer_than_one_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.2)

    answered = []

    async def ask(url: str, request: bytes) -> bytes:
        await asyncio.sleep(0.15)
        answered.append(url)
        return unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)

    assert await said(Responders(URL, ask)) == "revocation-unknown"
    assert len(answered) <= 1


async def test_an_answer_counts_for_five_minutes() -> None:
    responder = answering()
    asked = Responders(URL, responder)
    assert [await said(asked, now=NOW + later) for later in (0, 299)] == ["good", "good"]
    assert len(responder.asked) == 1
    responder.answer = lambda request: ISSUER.answer(request, [SHOWN])
    assert await said(asked, now=NOW + 300) == "revoked"


async def test_an_answer_counts_no_longer_than_it_says() -> None:
    responder = answering(until=60)
    asked = Responders(URL, responder)
    assert await said(asked) == "good"
    assert await said(asked, now=NOW + 61) == "revocation-unknown"


async def test_without_a_setting_the_certificate_says_who_is_asked() -> None:
    there = x509.UniformResourceIdentifier("http://named.test/ocsp")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, there)])
    responder = answering()
    assert await outcome(responder, None, ISSUER.card(more=((access, False),))) == "good"
    assert [url for url, _ in responder.asked] == [there.value]
    assert await outcome(answering(), None) == "revocation-unknown"


async def test_the_lists_are_asked_where_the_responder_tells_nothing() -> None:
    silent = Responders(URL, Responder(lambda request: b""))
    assert await said(ElseLists(silent, NeverRevoked())) == "good"
    assert await said(ElseLists(silent, RevocationLists(()))) == "revocation-unknown"


async def test_no_list_takes_back_what_the_responder_says() -> None:
    assert await said(ElseLists(Responders(URL, answering(SHOWN)), NeverRevoked())) == "revoked"
    assert revoked().status == 401


class TestAsking:
    """The HTTP side, against a transport that is none."""

    @pytest.fixture
    def answer_by(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[httpx.Request], httpx.Response]], None]:
        made = httpx.AsyncClient

        def place(answer: Callable[[httpx.Request], httpx.Response]) -> None:
            monkeypatch.setattr(
                httpx, "AsyncClient", lambda **fields: made(transport=httpx.MockTransport(answer), **fields)
            )

        return place

    async def test_a_request_is_posted_as_such(self, answer_by: Any) -> None:
        answer_by(lambda request: httpx.Response(200, content=request.headers["content-type"].encode()))
        assert await asking.ask(URL, b"request") == b"application/ocsp-request"

    @pytest.mark.parametrize(
        "response",
        [
            httpx.Response(500),
            httpx.Response(302, headers={"location": "http://elsewhere.test/"}),
            httpx.Response(200, content=b"x" * (asking.MAX_BYTES + 1)),
        ],
    )
    async def test_anything_else_than_an_answer_is_none(self, answer_by: Any, response: httpx.Response) -> None:
        answer_by(lambda request: response)
        with pytest.raises(NoAnswer):
            await asking.ask(URL, b"request")

    async def test_nobody_there_is_no_answer(self) -> None:
        with pytest.raises(NoAnswer):
            await asking.ask("http://127.0.0.1:9/", b"request")
