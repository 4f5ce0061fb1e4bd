"""Somebody with a browser without scripts, who lets an app in: the whole way from authorize to the token response."""

import base64
import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import lxml.html
from joserfc import jwt
from joserfc.jwk import import_key

from seeds.accounts import Client, clients, private_key, users

Json = dict[str, Any]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser at the server that `http` reaches; `base` is the FHIR base as its apps write it."""

    http: httpx.AsyncClient
    base: str

    @property
    def origin(self) -> str:
        return self.base.removesuffix("/fhir")

    async def token_for(
        self,
        username: str,
        scope: str,
        client: str = "demo-public",
        *,
        patient: str | None = None,
        allow: Sequence[str] | None = None,
        **asked: str,
    ) -> Json:
        """The token response of one of the demo apps, which this demo user let in.

        `patient` is picked where there is a choice, `allow` are the scopes left ticked, `asked` further parameters.
        """
        app = next(each for each in clients() if each.client_id == client)
        request = LaunchRequest(app, scope, self.base, asked)
        return await self.token_at(request, await self.sent_back(request, username, patient=patient, allow=allow))

    async def token_at(self, request: "LaunchRequest", address: str) -> Json:
        """The token response for the code in the address that the browser was sent back to."""
        answer = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert answer.get("state") == request.state, address
        response = await self.exchange(request, answer["code"])
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def sent_back(
        self,
        request: "LaunchRequest",
        username: str,
        *,
        patient: str | None = None,
        allow: Sequence[str] | None = None,
    ) -> str:
        """The address that the browser is sent to in the end: the app's, with a code or an error."""
        address = f"{self.origin}/auth/authorize?{urlencode(request.parameters)}"
        return await self.walked(address, username, patient=patient, allow=allow)

    async def walked(
        self, address: str, username: str, *, patient: str | None = None, allow: Sequence[str] | None = None
    ) -> str:
        """Where a new browser ends up that was sent to this address, once this demo user has answered every page."""
        self.http.cookies.clear()
        return await self.onward(await self.http.get(address), username, patient=patient, allow=allow)

    async def onward(
        self, response: httpx.Response, username: str, *, patient: str | None = None, allow: Sequence[str] | None = None
    ) -> str:
        """Where this browser ends up from an answer on, once this demo user has answered every page."""
        for _ in range(24):
            if response.is_redirect:
                address = urljoin(str(response.url), response.headers["location"])
                if not address.startswith(f"{self.origin}/"):
                    return address
                response = await self.http.get(address)
                continue
            assert response.status_code == 200, response.text
            response = await self._answered(response, username, patient, allow)
        raise AssertionError(f"no end at {response.url}")

    async def exchange(self, request: "LaunchRequest", code: str) -> httpx.Response:
        """What the token endpoint says to the code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        return await self.at_token_endpoint(request.app, form)

    async def at_token_endpoint(self, app: Client, form: dict[str, str]) -> httpx.Response:
        """The token endpoint's answer to a form that the app sends in its own name."""
        address = f"{self.origin}/auth/token"
        if app.token_endpoint_auth_method == "client_secret_basic":
            return await self.http.post(address, data=form, auth=(app.client_id, app.client_secret or ""))
        if app.token_endpoint_auth_method == "private_key_jwt":
            signed = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(app, address)}
            return await self.http.post(address, data={**form, **signed})
        return await self.http.post(address, data={**form, "client_id": app.client_id})

    async def system_token(self, client: str, scope: str, patient: str | None = None) -> Json:
        """The token response of one of the demo systems."""
        app = next(each for each in clients() if each.client_id == client)
        form = {"grant_type": "client_credentials", "scope": scope}
        response = await self.at_token_endpoint(app, form | ({"launch": patient} if patient else {}))
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    def password_of(self, username: str) -> str:
        """What this demo user types."""
        return next(each.password for each in users() if each.username == username)

    async def _answered(
        self, response: httpx.Response, username: str, patient: str | None, allow: Sequence[str] | None
    ) -> httpx.Response:
        """Fill in the page that is shown, whichever of the three it is."""
        page = lxml.html.fromstring(response.text)
        form = next(each for each in page.forms if each.fields.get("action") != "search")
        fields: dict[str, list[str]] = {}
        for name, value in form.form_values():
            fields.setdefault(name, []).append(value)
        names = {each.get("name") for each in form.xpath(".//*[@name]")}
        if "password" in names:
            fields |= {"username": [username], "password": [self.password_of(username)]}
        elif "decision" in names:
            fields["decision"] = ["allow"]
            if allow is not None:
                fields["scope"] = list(allow)
        elif "patient" in names:
            chosen = patient or form.xpath(".//input[@name='patient']")[0].get("value")
            fields["patient"] = [chosen]
        else:
            raise AssertionError(page.text_content())
        return await self.http.post(urljoin(str(response.url), form.get("action")), data=fields)


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What an app sends the browser to authorize with."""

    app: Client
    scope: str
    base: str
    asked: dict[str, str] = field(default_factory=dict)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def redirect_uri(self) -> str:
        return self.app.redirect_uris[0]

    @property
    def parameters(self) -> dict[str, str]:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {
            "response_type": "code",
            "client_id": self.app.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "aud": self.base,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **self.asked,
        }


def assertion(app: Client, audience: str) -> str:
    """A client assertion of a demo app that has a key."""
    key = private_key(app.client_id)
    now = int(time.time())
    claims = {
        "iss": app.client_id,
        "sub": app.client_id,
        "aud": audience,
        "exp": now + 240,
        "iat": now,
        "jti": secrets.token_urlsafe(16),
    }
    header = {"alg": key["alg"], "kid": key["kid"], "typ": "JWT"}
    return jwt.encode(header, claims, import_key(key), algorithms=[key["alg"]])


def bearer(answer: Json) -> dict[str, str]:
    """The header that a token response is for."""
    return {"authorization": f"Bearer {answer['access_token']}"}
