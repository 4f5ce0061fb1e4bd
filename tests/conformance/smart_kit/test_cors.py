"""CORS, SMART 2.2: a page of a registered app asks before it sends, and may read every answer; another may not."""

import pytest

from tests.conformance.smart_kit.app import SITE
from tests.conformance.smart_kit.conftest import PATIENT
from tests.conformance.smart_kit.kit import Kit, Launched

pytestmark = pytest.mark.slow

STRANGER = "https://stranger.example.org"
ALLOWED = "access-control-allow-origin"


def _preflight(origin: str, method: str, headers: str = "authorization, content-type") -> dict[str, str]:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return {"Origin": origin, **asked}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_registered_page_may_send_every_fhir_request(kit: Kit, public: Launched, method: str) -> None:
    answer = await kit.http.options(f"{kit.base}/Patient/{PATIENT}", headers=_preflight(SITE, method))
    assert answer.is_success
    assert answer.headers[ALLOWED] == SITE
    assert method in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("name", ["token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri"])
async def test_a_registered_page_may_ask_the_endpoints(kit: Kit, public: Launched, name: str) -> None:
    answer = await kit.http.options(kit.smart[name], headers=_preflight(SITE, "POST"))
    assert answer.is_success and answer.headers[ALLOWED] in (SITE, "*")


async def test_a_refusal_can_be_read_too(kit: Kit, public: Launched) -> None:
    for response in (
        await kit.get(f"Patient/{PATIENT}", Origin=SITE),
        await kit.http.post(kit.smart["token_endpoint"], data={"grant_type": "x"}, headers={"Origin": SITE}),
    ):
        assert response.is_client_error and response.headers[ALLOWED] == SITE


async def test_a_page_of_a_stranger_reads_nothing(kit: Kit, public: Launched) -> None:
    read = await kit.http.get(f"{kit.base}/Patient/{PATIENT}", headers={**public.bearer, "Origin": STRANGER})
    preflight = await kit.http.options(f"{kit.base}/Patient/{PATIENT}", headers=_preflight(STRANGER, "GET"))
    token = await kit.http.post(kit.smart["token_endpoint"], data={}, headers={"Origin": STRANGER})
    assert all(ALLOWED not in each.headers for each in (read, preflight, token))


async def test_cookies_never_count_across_sites(kit: Kit, public: Launched) -> None:
    read = await kit.http.get(f"{kit.base}/Patient/{PATIENT}", headers={**public.bearer, "Origin": SITE})
    assert "access-control-allow-credentials" not in read.headers
    assert read.headers["cache-control"] == "no-store"
