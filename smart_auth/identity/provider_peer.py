"""How another OpenID provider is spoken with: where its endpoints are, and what a code is good for.

https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 6749 section 4.1.3, RFC 7636 (PKCE)
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import httpx
import msgspec

from smart_auth.identity.id_tokens import Identity, Refused, identity, key_id
from smart_auth.identity.providers import Provider
from smart_auth.jwks_of_clients import FetchJwks, JwksOfClients, JwksUnavailable, fetch_jwks
from smart_auth.redirect_uris import flaw_of_web_address
from smart_auth.settings import SmartSettings

ASK_SECONDS = 5.0
MAX_BYTES = 65_536
_BASIC, _POST = "client_secret_basic", "client_secret_post"


class Endpoints(msgspec.Struct, frozen=True):
    """What of a provider's discovery document is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = (_BASIC,)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


@dataclass(frozen=True, slots=True)
class Authorizing:
    """One sign-in on its way: what the provider repeats, and what proves that it was we who asked."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str


Post = Callable[[str, dict[str, str], dict[str, str]], Awaitable[bytes]]
"""Sends a form with headers to an address; the body of a 200. Raises Refused."""


class Peer:
    """One provider, as this worker sees it. Its discovery document is kept as long as keys of clients are."""

    def __init__(
        self,
        provider: Provider,
        settings: SmartSettings,
        now: Callable[[], int],
        fetch: FetchJwks = fetch_jwks,
        post: "Post | None" = None,
    ) -> None:
        self.provider = provider
        self._fetch = fetch
        self._post = post or post_form
        self._jwks = JwksOfClients(fetch, settings, now)
        self._kept_seconds = settings.jwks_cache_seconds
        self._now = now
        self._endpoints: Endpoints | None = None
        self._ends_at = 0

    async def endpoints(self) -> Endpoints:
        """Where the provider's endpoints are. Raises Refused where it cannot be asked, or is another than it should."""
        if self._endpoints is None or self._ends_at <= self._now():
            try:
                answer = await self._fetch(f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration")
                found = msgspec.json.decode(answer.body, type=Endpoints)
            except (JwksUnavailable, ValueError, RecursionError):
                raise Refused("the provider's configuration cannot be had") from None
            self._check(found)
            self._endpoints, self._ends_at = found, self._now() + self._kept_seconds
        return self._endpoints

    async def address(self, asked: Authorizing) -> str:
        """Where the browser is sent to sign in. Raises Refused."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked.verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            **self.provider.parameters,
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": self.provider.scope,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        there = (await self.endpoints()).authorization_endpoint
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return f"{there}{'&' if '?' in there else '?'}{query}"

    async def check_sender(self, iss: str) -> None:
        """Raises Refused where an answer says, or should say and does not, that another provider sent it (RFC 9207)."""
        is_promised = (await self.endpoints()).authorization_response_iss_parameter_supported
        if (iss or is_promised) and iss != self.provider.issuer:
            raise Refused("the answer is of another provider")

    async def signed_in(self, asked: Authorizing, code: str) -> Identity:
        """Who signed in, for a code. Raises Refused."""
        endpoints = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        headers = {"Accept": "application/json"} | self._credentials(endpoints, form)
        try:
            token = msgspec.json.decode(
                await self._post(endpoints.token_endpoint, form, headers), type=_Tokens
            ).id_token
        except (ValueError, RecursionError):
            raise Refused("the provider's token response has no ID token") from None
        try:
            keys = await self._jwks.keys(endpoints.jwks_uri, key_id(token))
        except JwksUnavailable:
            raise Refused("the provider's keys cannot be had") from None
        return identity(token, keys, self.provider, asked.nonce, self._now())

    def _credentials(self, endpoints: Endpoints, form: dict[str, str]) -> dict[str, str]:
        """The headers that say who we are; without a secret, or by POST, the form says it."""
        provider = self.provider
        if provider.client_secret is None:
            form["client_id"] = provider.client_id
            return {}
        methods = endpoints.token_endpoint_auth_methods_supported
        if _BASIC not in methods and _POST in methods:
            form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
            return {}
        # RFC 6749 section 2.3.1: both are form-encoded first.
        words = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
        return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}

    def _check(self, found: Endpoints) -> None:
        if found.issuer != self.provider.issuer:
            raise Refused("the provider's configuration is of another issuer")
        for address in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            # http only where the issuer itself is one of this machine.
            is_downgraded = self.provider.issuer.startswith("https:") and not address.startswith("https:")
            if flaw_of_web_address(address) is not None or is_downgraded:
                raise Refused("the provider's configuration names an address that is not to be trusted")


async def post_form(address: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
    """The body of a 200: no redirects, MAX_BYTES and ASK_SECONDS at most. Raises Refused."""
    try:
        async with (
            asyncio.timeout(ASK_SECONDS),
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=ASK_SECONDS) as client,
            client.stream("POST", address, data=form, headers={**headers, "Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise Refused("the provider did not take the code")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise Refused("the provider's token response is too long")
            return bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError):
        raise Refused("the provider cannot be asked") from None
