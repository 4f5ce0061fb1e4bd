"""Cards as they come in earnest: nginx speaks mutual TLS and passes on what it saw, as docs/people/cards.md has it.

https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_verify_client
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx
import lxml.html
import pytest
import pytest_asyncio
import uvicorn
from cryptography.x509.oid import ExtendedKeyUsageOID

from smart_auth.identity.revocation import RevocationLists
from tests.auth.browsing import VERIFIER, asked
from tests.auth.card_authority import SECRET, Authority, key, pem, self_signed
from tests.auth.card_proxy import CardProxy
from tests.auth.card_server import CardServer, card_server
from tests.auth.test_nginx import HOST
from tests.conftest import free_port
from tests.require import require

pytestmark = pytest.mark.slow

CARD = "/auth/card"


@dataclass(frozen=True, slots=True)
class Front(CardProxy):
    """nginx with our pages behind it."""

    server: CardServer
    behind: int


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    require("nginx")
    port, behind = free_port(), free_port()
    now = int(time.time())
    root = Authority.root(now)
    lists = RevocationLists((tmp_path / "root.crl", tmp_path / "issuer.crl"))
    async with card_server(lists, base=f"https://{HOST}:{port}/fhir", proxy="127.0.0.1", now=now) as server:
        front = Front(tmp_path, port, root, server.issuer, server, behind)
        front.revoke()
        application = uvicorn.Server(
            uvicorn.Config(server.pages.app, port=behind, log_config=None, proxy_headers=False, lifespan="off")
        )
        serving = asyncio.create_task(application.serve())
        try:
            with front.running(behind):
                while not application.started:
                    assert not serving.done()
                    await asyncio.sleep(0.05)
                yield front
        finally:
            application.should_exit = True
            await serving


async def press(http: httpx.AsyncClient, response: httpx.Response) -> httpx.Response:
    """Send the form of a page."""
    form = lxml.html.fromstring(response.text).forms[0]
    return await http.post(urljoin(str(response.url), form.get("action")), data=dict(form.form_values()))


async def test_a_card_signs_its_holder_in(front: Front) -> None:
    async with front.browser(front.issuer.card()) as http:
        page = await http.get(CARD)
        assert page.status_code == 200, page.text
        assert "ANA LUCIA RIVERA" in page.text
        answer = await press(http, page)
        assert answer.status_code == 303 and answer.headers["location"] == "/auth/manage"
        (session,) = [each for each in http.cookies.jar if each.name == "__Host-session"]
        assert session.secure
    assert front.server.said("login") == ["CAC; card"]


async def test_a_card_leads_an_app_to_a_token_that_says_so(front: Front) -> None:
    client = await front.server.pages.client()
    sent = {**asked(client, "openid fhirUser launch/patient patient/Patient.rs"), "aud": f"{front.origin}/fhir"}
    async with front.browser(front.issuer.card()) as http:
        login = await http.get("/auth/authorize", params=sent, follow_redirects=True)
        there = lxml.html.fromstring(login.text).xpath("//a[starts-with(@href, '/auth/card')]/@href")[0]
        answer = await press(http, await http.get(there))
        consent = await http.get(answer.headers["location"], follow_redirects=True)
        form = lxml.html.fromstring(consent.text).forms[0]
        fields = [*form.form_values(), ("decision", "allow")]
        body = {name: [value for each, value in fields if each == name] for name, _ in fields}
        allowed = await http.post(form.get("action"), data=body)
        code = parse_qs(urlsplit(allowed.headers["location"]).query)["code"][0]
        exchange = {
            "grant_type": "authorization_code",
            "client_id": client.id,
            "code": code,
            "redirect_uri": client.redirect_uris[0],
            "code_verifier": VERIFIER,
        }
        token = (await http.post("/auth/token", data=exchange)).json()
    access = await front.server.parts.tokens.read(token["access_token"])
    assert (access.acr, access.fhir_user, access.patient) == ("card", "Patient/p1", "p1")


async def test_without_a_card_there_is_a_page_and_no_failure_of_tls(front: Front) -> None:
    async with front.browser() as http:
        page = await http.get(CARD)
        assert page.status_code == 401
        assert "certificate-missing" in page.text and "card reader" in page.text
        assert (await http.get("/auth/login")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"not_after": -60}, "certificate-expired"),
        ({"not_before": 3600}, "certificate-not-yet-valid"),
        ({"extended": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "certificate-usage"),
        ({"policies": ("1.2.3.4",)}, "certificate-policy"),
    ],
)
async def test_a_bad_card_gets_through_tls_and_is_refused_with_its_reason(
    front: Front, fields: dict[str, Any], expected: str
) -> None:
    async with front.browser(front.issuer.card(**fields)) as http:
        page = await http.get(CARD)
        assert (page.status_code, expected in page.text) == (401, True), page.text
    assert front.server.said("card") == [expected]


async def test_a_card_issued_anew_leads_to_the_same_account(front: Front) -> None:
    accounts = []
    for serial, days in ((1, 30), (2, 900)):
        async with front.browser(front.issuer.card(serial=serial, not_after=days * 86_400)) as http:
            await press(http, await http.get(CARD))
            (cookie,) = [each for each in http.cookies.jar if each.name == "__Host-session"]
            session = await front.server.parts.sessions.find(cookie.value or "")
            assert session is not None
            accounts.append(session.account)
    assert accounts == ["id-ann", "id-ann"]
    assert front.server.said("login") == ["CAC; card", "CAC; card"]


async def test_a_card_of_nobody_and_one_of_another_root_are_refused(front: Front) -> None:
    async with front.browser(self_signed(front.root.now), key("somebody")) as http:
        assert "certificate-self-signed" in (await http.get(CARD)).text
    other = Authority.root(front.root.now, "Another Root")
    async with front.browser(other.card()) as http:
        assert "certificate-untrusted" in (await http.get(CARD)).text
    assert front.server.said("card") == ["certificate-self-signed", "certificate-untrusted"]


async def test_a_revoked_card_is_refused_from_the_new_list_on(front: Front) -> None:
    shown = front.issuer.card()
    async with front.browser(shown) as http:
        page = await http.get(CARD)
        assert page.status_code == 200
        front.revoke(shown)
        refused = await press(http, page)
        assert refused.status_code == 401 and "certificate-revoked" in refused.text
        assert not [each for each in http.cookies.jar if each.name == "__Host-session"]
    assert front.server.said("card") == ["certificate-revoked"]


def forged(front: Front) -> list[tuple[str, str]]:
    """What somebody who copied a card's certificate might send."""
    text = quote(pem(front.issuer.card()), safe="")
    return [("X-Client-Cert", text), ("X-Client-Cert-Secret", SECRET), ("X_Client_Cert", text)]


async def test_nginx_lets_no_certificate_through_but_its_own(front: Front) -> None:
    headers = forged(front)
    async with front.browser() as http:
        page = await http.get(CARD, headers=headers)
        assert page.status_code == 401 and "certificate-missing" in page.text
    expired = front.issuer.card(not_after=-60)
    async with front.browser(expired) as http:
        page = await http.get(CARD, headers=headers)
        assert page.status_code == 401 and "certificate-expired" in page.text
    assert front.server.said("card") == ["certificate-missing", "certificate-expired"]


async def test_past_nginx_the_secret_is_needed(front: Front) -> None:
    sent = [(name, value) for name, value in forged(front) if name != "X-Client-Cert-Secret"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{front.behind}", trust_env=False) as http:
        page = await http.get(CARD, headers=sent)
        assert page.status_code == 401 and "certificate-missing" in page.text
    assert front.server.said("card") == ["certificate-missing without the proxy's secret"]
