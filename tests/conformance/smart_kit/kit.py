"""The kit: it knows the server's FHIR base alone, and asks as the Inferno kits for SMART 2.2 and (g)(10) do.

https://inferno.healthit.gov/test-kits/smart-app-launch/, https://inferno.healthit.gov/test-kits/g10-certification/
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.conformance.smart_kit.app import LAUNCH_URI, REDIRECT_URI, App, Json
from tests.conformance.smart_kit.person import Choice, Page, Person

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
MOST_PAGES = 20


def new_verifier() -> str:
    """A code verifier as the kits make it: two UUIDs and a hyphen, 73 characters."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(36)) for _ in range(2))


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent to the authorization endpoint, and the parameters that came back to the app."""

    app: App
    sent: dict[str, str]
    verifier: str
    answer: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        assert "error" not in self.answer, self.answer
        return self.answer["code"]


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch that ended in tokens."""

    app: App
    asked: Asked
    response: httpx.Response

    @property
    def answer(self) -> Json:
        return self.response.json()

    @property
    def bearer(self) -> dict[str, str]:
        return bearer(self.answer)

    @property
    def patient(self) -> str:
        return self.answer["patient"]

    @property
    def scopes(self) -> list[str]:
        return self.answer["scope"].split()


def bearer(answer: Json) -> dict[str, str]:
    """The header that a token response is for."""
    return {"Authorization": f"Bearer {answer['access_token']}"}


@dataclass(frozen=True, slots=True)
class Kit:
    """The kit at one server; `smart` is what its discovery said. `http` keeps no cookies that count."""

    http: httpx.AsyncClient
    base: str
    smart: Json

    async def launch(
        self,
        app: App,
        person: Person,
        scope: str,
        *,
        choice: Choice | None = None,
        patient: str | None = None,
        by_post: bool = False,
        origin: str | None = None,
        **parameters: str,
    ) -> Launched:
        """The whole of a launch: authorize, the person's answers, and the exchange of the code."""
        asked = await self.authorize(app, person, scope, choice=choice, patient=patient, by_post=by_post, **parameters)
        response = await self.exchange(asked, origin=origin)
        assert response.status_code == 200, response.text
        return Launched(app, asked, response)

    async def authorize(
        self,
        app: App,
        person: Person,
        scope: str,
        *,
        choice: Choice | None = None,
        patient: str | None = None,
        by_post: bool = False,
        **parameters: str,
    ) -> Asked:
        """The way to a code. The app finds its session by the state, which therefore comes back as it was."""
        asked = self.request(app, scope, **parameters)
        endpoint = self.smart["authorization_endpoint"]
        if by_post:
            response = await person.http.post(endpoint, data=asked.sent)
        else:
            response = await person.get(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked.sent)}")
        address = await person.sent_on(response, choice, patient)
        assert address.startswith(f"{REDIRECT_URI}?"), address
        answer = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert answer["state"] == asked.sent["state"]
        return Asked(app, asked.sent, asked.verifier, answer)

    def request(self, app: App, scope: str, **parameters: str) -> Asked:
        """What an app sends the browser to authorize with; `parameters` take the place of what is right."""
        verifier = new_verifier()
        right = {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": secrets.token_hex(16),
            "aud": self.base,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return Asked(app, {**right, **parameters}, verifier)

    async def exchange(self, asked: Asked, origin: str | None = None, **changed: str | None) -> httpx.Response:
        """The token endpoint's answer to the code; `changed` fields take the place of the right ones, None of any."""
        form = {
            "grant_type": "authorization_code",
            "code": asked.code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": asked.verifier,
            **changed,
        }
        return await self.token(asked.app, {name: value for name, value in form.items() if value is not None}, origin)

    async def refresh(self, app: App, refresh_token: str, scope: str | None = None) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.token(app, form | ({} if scope is None else {"scope": scope}))

    async def token(self, app: App, form: dict[str, str], origin: str | None = None) -> httpx.Response:
        """What the token endpoint says to a form that the app sends in its own name."""
        endpoint = self.smart["token_endpoint"]
        proof, basic = app.proof(endpoint)
        headers = {} if origin is None else {"Origin": origin}
        if basic is None:
            return await self.http.post(endpoint, data={**form, **proof}, headers=headers)
        return await self.http.post(endpoint, data={**form, **proof}, headers=headers, auth=basic)

    async def opened(self, app: App, practitioner: Person, patient: str, **fields: str) -> dict[str, str]:
        """What the EHR tells the app when a practitioner opens it for a patient: `iss` and `launch`."""
        chosen = await self.chosen(practitioner, patient)
        form = next(each for each in chosen.html.forms if each.fields.get("action") == "launch")
        if "encounter" in form.fields and "encounter" not in fields:
            fields["encounter"] = form.xpath(".//select[@name='encounter']/option/@value")[1]
        sent = await practitioner.send(chosen, form, client_id=app.client_id, **fields)
        address = sent.headers["location"]
        assert address.startswith(f"{LAUNCH_URI}?"), address
        return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}

    async def chosen(self, practitioner: Person, patient: str) -> Page:
        """The page on which a practitioner opens an app for this patient."""
        page = await practitioner.page(self.smart["ehr_launch_endpoint"])
        form = next(each for each in page.html.forms if each.fields.get("action") == "choose")
        return Page(await practitioner.send(page, form, patient=patient))

    async def get(self, path: str, launched: Launched | None = None, **headers: str) -> httpx.Response:
        """A FHIR request by GET, with the token of a launch."""
        given = {} if launched is None else launched.bearer
        return await self.http.get(f"{self.base}/{path}", headers={**given, **headers})

    async def search(
        self, launched: Launched, type: str, parameters: dict[str, Any], by_post: bool = False, count: int = 0
    ) -> dict[str, Json]:
        """The resources of this type that a search finds, by id, over all its pages; every one answers 200."""
        sized = {**parameters, **({"_count": str(count)} if count else {})}
        url, found = f"{self.base}/{type}", {}
        if by_post:
            response = await self.http.post(f"{url}/_search", data=sized, headers=launched.bearer)
        else:
            response = await self.http.get(url, params=sized, headers=launched.bearer)
        async for bundle in self._pages(response, launched):
            for entry in bundle.get("entry", []):
                if entry["resource"]["resourceType"] == type:
                    found[entry["resource"]["id"]] = entry["resource"]
        return found

    async def _pages(self, response: httpx.Response, launched: Launched) -> AsyncIterator[Json]:
        for _ in range(MOST_PAGES):
            assert response.status_code == 200, response.text
            bundle = response.json()
            assert bundle["resourceType"] == "Bundle" and bundle["type"] == "searchset"
            yield bundle
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                return
            response = await self.http.get(following[0], headers=launched.bearer)
        raise AssertionError(f"more than {MOST_PAGES} pages")
