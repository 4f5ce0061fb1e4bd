"""Authlib's asynchronous client, unmodified, launches at a real server process, as each kind of app.

https://docs.authlib.org/en/latest/client/oauth2.html
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import import_key

from seeds.accounts import Client, clients, private_key
from tests.auth.visitor import Visitor

pytestmark = pytest.mark.slow

SCOPE = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs"
VERIFIER = "a-verifier-of-seventy-three-characters-as-the-kits-send-them-0123456789-x"
APPS = ("demo-public", "demo-confidential", "demo-asymmetric", "demo-asymmetric-es384")


class FiveMinutes(PrivateKeyJWT):  # type: ignore[misc]
    """Its assertions are good for an hour where nobody says otherwise; SMART allows five minutes."""

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        # Anew each time: it writes the jti into what it was given, and would send it again.
        self.claims = {"exp": int(time.time()) + 240}
        return super().sign(auth, token_endpoint)


@asynccontextmanager
async def launched(visitor: Visitor, app: Client, username: str) -> AsyncIterator[Any]:
    """Authlib's client with the token that this user let the app have."""
    smart = (await visitor.http.get(f"{visitor.base}/.well-known/smart-configuration")).json()
    method: Any = app.token_endpoint_auth_method
    secret: Any = app.client_secret
    if method == "private_key_jwt":
        key = private_key(app.client_id)
        secret = import_key(key)
        method = FiveMinutes(smart["token_endpoint"], headers={"kid": key["kid"]}, alg=key["alg"])
    async with AsyncOAuth2Client(
        client_id=app.client_id,
        client_secret=secret,
        token_endpoint_auth_method=method,
        scope=SCOPE,
        redirect_uri=app.redirect_uris[0],
        code_challenge_method="S256",
        token_endpoint=smart["token_endpoint"],
        trust_env=False,
    ) as client:
        address, state = client.create_authorization_url(
            smart["authorization_endpoint"], code_verifier=VERIFIER, aud=visitor.base
        )
        back = await visitor.walked(address, username)
        await client.fetch_token(authorization_response=back, state=state, code_verifier=VERIFIER)
        yield client


@pytest.mark.parametrize("id", APPS)
async def test_a_launched_app_reads_refreshes_and_reads_again(visitor: Visitor, id: str) -> None:
    app = next(each for each in clients() if each.client_id == id)
    async with launched(visitor, app, "harold.washington") as client:
        assert client.token["patient"] == "washington-harold"
        url = f"{visitor.base}/Patient/washington-harold"
        assert (await client.get(url)).json()["id"] == "washington-harold"
        before = client.token["access_token"]
        await client.refresh_token()
        assert client.token["access_token"] != before
        assert (await client.get(url)).status_code == 200
