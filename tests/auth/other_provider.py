"""An OpenID provider that a test plays: it signs what it is told to, and remembers what it was asked."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

from smart_auth.identity.id_tokens import Refused
from smart_auth.identity.providers import Provider
from smart_auth.jwks_of_clients import FetchedJwks, JwksUnavailable
from tests.auth.browsing import Browser, PageServer, Seen

ISSUER = "https://idp.test"
KEY = RSAKey.generate_key(2048, {"kid": "key-1"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "key-1"})
PROVIDER = Provider(
    "other",
    "Other.gov",
    ISSUER,
    "our-client",
    "our secret/+",
    levels={"ial2": "level2", "loa1": "level1"},
    parameters={"acr_values": "ial2"},
)


@dataclass(slots=True)
class OtherProvider:
    """`claims` go over those of a right ID token, `header` over its header; None takes one away."""

    server: PageServer
    subject: str = "person-1"
    issuer: str = ISSUER
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: KEY)
    is_away: bool = False
    token: str | None = None
    asked: dict[str, str] = field(default_factory=dict)
    posted: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    async def fetch(self, url: str) -> FetchedJwks:
        """The discovery document and the keys."""
        if self.is_away:
            raise JwksUnavailable("away")
        if url == f"{self.issuer}/keys":
            return FetchedJwks(json.dumps({"keys": [{**KEY.as_dict(private=False), "use": "sig"}]}).encode())
        assert url == f"{self.issuer}/.well-known/openid-configuration"
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.configuration,
        }
        return FetchedJwks(json.dumps(found).encode())

    async def post(self, url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        """The token endpoint: an ID token for the code, whose verifier must be the one."""
        self.posted.append((url, dict(form), dict(headers)))
        made = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if made != self.asked["code_challenge"] or form["code"] != "the-code":
            raise Refused("the provider did not take the code")
        return json.dumps({"access_token": "x", "id_token": self.token or self.signed()}).encode()

    def signed(self) -> str:
        """An ID token, right but for what the test changed."""
        now = self.server.clock()
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": "our-client",
            "exp": now + 300,
            "iat": now,
            "nonce": self.asked.get("nonce", ""),
            "acr": "ial2",
            **self.claims,
        }
        header = {"alg": "RS256", "kid": "key-1", "typ": "JWT", **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        payload = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
        registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
        return jws.serialize_compact(header, payload, self.key, registry=registry)

    async def asked_by(self, browser: Browser, query: str = "") -> dict[str, str]:
        """Press the button of our page; what the provider is asked."""
        seen = await browser.go(f"/auth/provider/other{query}")
        return self.remember(await browser.send(seen, form=seen.html.forms[0]))

    def remember(self, seen: Seen) -> dict[str, str]:
        assert seen.address.startswith(f"{self.issuer}/authorize?"), seen.text
        found = parse_qs(urlsplit(seen.address).query)
        self.asked = {name: values[0] for name, values in found.items()}
        return self.asked

    async def answered(self, browser: Browser, **answer: str | None) -> Seen:
        """Send the browser back with a code, or with what the test says."""
        given = {"code": "the-code", "state": self.asked["state"], **answer}
        return await browser.go(
            "/auth/provider/other/callback", **{name: value for name, value in given.items() if value is not None}
        )

    async def visited(self, browser: Browser, query: str = "") -> Seen:
        """All of it: the button, the provider, and back."""
        await self.asked_by(browser, query)
        return await self.answered(browser)
