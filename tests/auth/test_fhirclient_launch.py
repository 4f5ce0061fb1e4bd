"""fhirclient, SMART's own JavaScript client, unmodified: an app of another origin registers itself, launches in a real
browser, reads, and refreshes. https://docs.smarthealthit.org/client-js/
"""

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.conftest import browser as browser
from tests.conftest import RunningServer
from tests.require import require_npm

pytestmark = pytest.mark.slow

SCOPE = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs"
PAGE = Path(__file__).with_name("fhirclient.html")


class _Site(BaseHTTPRequestHandler):
    """The app's own web site: one page and the client library."""

    def __init__(self, files: dict[str, bytes], *arguments: Any) -> None:
        self.files = files
        super().__init__(*arguments)

    def do_GET(self) -> None:
        body = self.files.get(self.path.partition("?")[0])
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/javascript" if self.path.endswith(".js") else "text/html")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *said: Any) -> None:
        """Nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """The origin of the app."""
    library = require_npm("fhirclient") / "build" / "fhir-client.js"
    files = {"/index.html": PAGE.read_bytes(), "/fhir-client.js": library.read_bytes()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, files))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def registered(smart_server: RunningServer, site: str) -> str:
    """The client_id that the app was given when it registered itself (RFC 7591)."""
    about = {
        "client_name": "A third party's app",
        "redirect_uris": [f"{site}/index.html"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": SCOPE,
    }
    origin = smart_server.base.removesuffix("/fhir")
    answer = httpx.post(f"{origin}/auth/register", json=about, trust_env=False)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["client_id"])


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


async def test_a_browser_app_launches_reads_and_refreshes(
    smart_server: RunningServer, site: str, registered: str, page: Page
) -> None:
    asked = urlencode({"client_id": registered, "scope": SCOPE, "iss": smart_server.base})
    await page.goto(f"{site}/index.html?{asked}")
    await page.get_by_label("Username").fill("ana.rivera")
    await page.get_by_label("Password").fill("try-ana-rivera")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Mateo").check()
    await page.get_by_role("button").last.click()
    await page.get_by_role("button", name="Allow").click()
    status = page.get_by_role("status")
    await page.wait_for_url(f"{site}/index.html*")
    await page.wait_for_function("document.getElementById('state').textContent !== 'starting'")
    said = await status.text_content()
    assert said is not None and said.startswith("{"), said
    found = json.loads(said)
    assert found["patient"] == found["again"] == "rivera-mateo"
    assert found["user"].endswith("Patient/rivera-ana")
    assert found["observations"] and set(found["observations"]) == {"Patient/rivera-mateo"}
    assert set(found["scope"].split()) == set(SCOPE.split())
