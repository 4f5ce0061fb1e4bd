"""Cards as they come in earnest: nginx speaks mutual TLS and passes on what it saw, as docs/people/cards.md has it.

https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_verify_client
"""

import asyncio
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx
import lxml.html
import pytest
import pytest_asyncio
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from smart_auth.identity.revocation import RevocationLists
from tests.auth.browsing import VERIFIER, asked
from tests.auth.card_authority import CAC_NAME, SECRET, Authority, key, pem, self_signed
from tests.auth.card_server import CardServer, card_server
from tests.auth.test_nginx import HOST, certificates
from tests.conftest import free_port
from tests.require import require

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "people" / "cards.md"
CARD = "/auth/card"

AROUND = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def documented(folder: Path, port: int, behind: int) -> str:
    """The configuration that the document tells people to write, with this machine's places in it."""
    found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None
    server = found[1]
    for written, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("fhir.example.org", HOST),
        ("/etc/nginx/fhir.pem", f"{folder}/server.pem"),
        ("/etc/nginx/fhir.key", f"{folder}/server.key"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{behind}"),
        ("the secret of FHIR_CARD_PROXY_SECRET", SECRET),
    ):
        assert written in server, written
        server = server.replace(written, here)
    return AROUND.format(folder=folder, server=server)


@dataclass(frozen=True, slots=True)
class Front:
    """nginx with our pages behind it."""

    server: CardServer
    folder: Path
    port: int
    behind: int
    root: Authority
    issuer: Authority

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.port}"

    @asynccontextmanager
    async def browser(
        self, certificate: x509.Certificate | None = None, own: Any = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser with this card in its reader."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate is not None:
            place = self.folder / "card.pem"
            private = (own or key(f"card of {CAC_NAME}")).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            place.write_bytes(private + pem(certificate).encode())
            context.load_cert_chain(place)
        async with httpx.AsyncClient(verify=context, base_url=self.origin, timeout=20, trust_env=False) as http:
            yield http

    def revoke(self, *revoked: x509.Certificate) -> None:
        (self.folder / "issuer.crl").write_bytes(self.issuer.revocation_list(revoked))


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    nginx, port, behind = require("nginx"), free_port(), free_port()
    certificates(tmp_path)
    (tmp_path / "nginx.conf").write_text(documented(tmp_path, port, behind))
    now = int(time.time())
    lists = RevocationLists((tmp_path / "root.crl", tmp_path / "issuer.crl"))
    base = f"https://{HOST}:{port}/fhir"
    async with card_server(lists, base=base, proxy="127.0.0.1", now=now) as server:
        root = Authority.root(now)
        (tmp_path / "root.crl").write_bytes(root.revocation_list())
        front = Front(server, tmp_path, port, behind, root, server.issuer)
        front.revoke()
        as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), *as_root]
        application = uvicorn.Server(
            uvicorn.Config(server.pages.app, port=behind, log_config=None, proxy_headers=False, lifespan="off")
        )
        serving = asyncio.create_task(application.serve())
        running = _started(command, tmp_path / "nginx.log")
        try:
            await _wait_for(port, running, tmp_path / "nginx.log")
            await _wait_for(behind, running, tmp_path / "nginx.log")
            yield front
        finally:
            running.terminate()
            await asyncio.to_thread(running.wait, 20)
            application.should_exit = True
            await serving


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as written:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=written, stderr=written)


async def _wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.05)
    said = await asyncio.to_thread(log.read_text, errors="replace")
    raise AssertionError(f"it did not come up:\n{said}")


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
