"""The OAuth endpoints in one process, with what a person would have granted on the pages already granted."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette

from smart_auth.app import Authorization
from smart_auth.directory import EncounterName, PatientName
from smart_auth.documents import Documents
from smart_auth.jwks_of_clients import FetchedJwks, FetchJwks, JwksUnavailable
from smart_auth.keys import Keys
from smart_auth.portal import Portal
from smart_auth.random_secrets import new_secret
from smart_auth.records import (
    ACCOUNTS,
    SIGNING_KEYS,
    Account,
    AuthorizationRequest,
    Client,
    Grant,
    Launch,
    kept,
)
from smart_auth.settings import SmartSettings
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.trail import Trail

ORIGIN = "http://fhir.test"
BASE = f"{ORIGIN}/fhir"
TOKEN_URL = f"{ORIGIN}/auth/token"
REDIRECT_URI = "https://app.test/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"
VERIFIER = "a-verifier-of-seventy-three-characters-as-the-kits-send-them-0123456789-x"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa-1"})
EC_KEY = ECKey.generate_key("P-384", {"kid": "ec-1"})


@dataclass(slots=True)
class Clock:
    """Seconds since 1970, as the test likes them."""

    at: int = 1_800_000_000

    def __call__(self) -> int:
        return self.at


class OnePatient:
    """A directory that knows the patient p1."""

    async def patients(self, ids: Sequence[str]) -> list[PatientName]:
        return [PatientName(id, "Ann") for id in ids if id == "p1"]

    async def related_patients(self, fhir_user: str, words: str) -> list[PatientName]:
        return []

    async def is_related(self, fhir_user: str, patient: str) -> bool:
        return False

    async def encounters(self, patient: str) -> list[EncounterName]:
        return []

    async def patient_exists(self, id: str) -> bool:
        return id == "p1"


@dataclass(slots=True)
class KeySets:
    """What jwks_uris answer, and which were asked."""

    answers: dict[str, FetchedJwks] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, url: str) -> FetchedJwks:
        self.asked.append(url)
        await asyncio.sleep(0)
        if url not in self.answers:
            raise JwksUnavailable("The jwks_uri could not be fetched.")
        return self.answers[url]


@dataclass(frozen=True, slots=True)
class OAuth:
    """The parts, and an HTTP client of the endpoints."""

    parts: Authorization
    http: httpx.AsyncClient
    clock: Clock
    trail: Trail
    key_sets: KeySets
    account: Account

    async def app(self, **fields: Any) -> tuple[Client, str]:
        """A registered app and its secret (empty where it has none)."""
        method = fields.pop("auth_method", "client_secret_basic")
        client = Client(
            id="",
            name="Growth chart",
            scope=fields.pop("scope", SCOPE),
            redirect_uris=(REDIRECT_URI,),
            auth_method=method,
            **fields,
        )
        made = await self.parts.clients.add(client)
        return made.client, made.secret or ""

    async def public(self, **fields: Any) -> Client:
        """A registered public app."""
        return (await self.app(auth_method="none", **fields))[0]

    async def backend(self, **fields: Any) -> Client:
        """A registered system client with the keys of this module."""
        keys = fields.pop("jwks", {"keys": [RSA_KEY.as_dict(private=False), EC_KEY.as_dict(private=False)]})
        scope, grants = fields.pop("scope", "system/*.rs"), fields.pop("grant_types", ("client_credentials",))
        return (await self.app(auth_method="private_key_jwt", grant_types=grants, scope=scope, jwks=keys, **fields))[0]

    async def granted(self, client: Client, scope: str = SCOPE, **fields: Any) -> Grant:
        """What the person granted the app on the consent page."""
        patient = fields.pop("patient", "p1")
        sign_in = {"acr": fields.pop("acr", "level2"), "amr": fields.pop("amr", ("pwd",))}
        return await self.parts.grants.create(
            client=client,
            account=self.account,
            scopes=scope.split(),
            base=BASE,
            auth_time=self.clock.at - 5,
            patient=patient,
            **sign_in,
            **fields,
        )

    async def code(self, client: Client, grant: Grant | None = None, **fields: Any) -> str:
        """A code as the redirect carries it."""
        given = grant or await self.granted(client, **fields)
        return await self.parts.grants.issue_code(given, asked_for(client))

    async def exchange(self, client: Client, code: str, secret: str = "", **fields: str | None) -> httpx.Response:
        """The exchange of a code; fields that are None are left out."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        return await self.post("token", {**form, "code_verifier": VERIFIER, **fields}, client, secret)

    async def tokens(self, client: Client, secret: str = "", **fields: Any) -> dict[str, Any]:
        """The token response of a launch."""
        response = await self.exchange(client, await self.code(client, **fields), secret)
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def refresh(self, client: Client, token: str, secret: str = "", **fields: str | None) -> httpx.Response:
        """A request for new tokens; fields that are None are left out."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.post("token", {**form, **fields}, client, secret)

    async def post(
        self, endpoint: str, form: dict[str, str | None], client: Client | None = None, secret: str = ""
    ) -> httpx.Response:
        """A form by a client: with a secret by HTTP Basic, without by its client_id."""
        headers = basic(client.id, secret) if client is not None and secret else {}
        if client is not None and not secret:
            form = {"client_id": client.id, **form}
        sent = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"/auth/{endpoint}", data=sent, headers=headers)

    async def by_assertion(self, assertion: str, **fields: str | None) -> httpx.Response:
        """A request for a system token by a signed assertion."""
        form: dict[str, str | None] = {"grant_type": "client_credentials", "scope": "system/*.rs"}
        form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion} | fields
        return await self.post("token", form)

    async def status_of(self, access_token: str) -> int:
        """How an access token fares at a protected resource."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return (await self.http.get("/auth/userinfo", headers=headers)).status_code

    def claims(self, client: Client, **claims: Any) -> dict[str, Any]:
        """What an assertion says; claims that are None are left out."""
        own = {"iss": client.id, "sub": client.id, "aud": TOKEN_URL, "exp": self.clock.at + 300}
        all_of_them = {**own, "jti": secrets.token_urlsafe(8), **claims}
        return {name: value for name, value in all_of_them.items() if value is not None}

    def assertion(self, client: Client, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An assertion signed by the RSA key."""
        return signed(self.claims(client, **claims), {"alg": "RS384", "kid": "rsa-1", **(header or {})}, RSA_KEY)


def signed(claims: dict[str, Any], header: dict[str, Any], key: Any) -> str:
    """A JWT by any algorithm there is."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    kept = {name: value for name, value in {"typ": "JWT", **header}.items() if value is not None}
    return jws.serialize_compact(kept, json.dumps(claims), key, registry=registry)


def basic(id: str, secret: str) -> dict[str, str]:
    """The header of RFC 6749 section 2.3.1."""
    credentials = f"{quote(id, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def asked_for(client: Client, redirect_uri: str = REDIRECT_URI) -> AuthorizationRequest:
    """An authorize request that has passed its checks."""
    return AuthorizationRequest(
        id=new_secret(),
        client_id=client.id,
        redirect_uri=redirect_uri,
        state="s",
        scopes=(),
        base=BASE,
        code_challenge=CHALLENGE,
    )


def launched(client: Client, **fields: Any) -> Launch:
    """An EHR launch."""
    return Launch(id="launch-1", client_id=client.id, account="a1", **fields)


@asynccontextmanager
async def oauth_server(
    documents: Documents | None = None,
    settings: SmartSettings | None = None,
    fetch: FetchJwks | None = None,
    portal: Portal | None = None,
) -> AsyncIterator[OAuth]:
    """A worker over these documents, or over fresh ones in memory, that runs until the block ends."""
    clock, trail, key_sets = Clock(), Trail(), KeySets()
    parts = Authorization.compose(
        documents or MemoryDocuments(now=clock),
        OnePatient(),
        trail,
        settings or SmartSettings(open_registration=True, open_to_systems=True),
        clock,
        lambda base: base == BASE,
        lambda request: BASE,
        fetch or key_sets,
        portal=portal,
    )
    account = await _ann(parts)
    if documents is None:
        await _same_signing_key(parts.documents)
    running = asyncio.create_task(parts.run())
    transport = httpx.ASGITransport(Starlette(routes=parts.routes()))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        try:
            yield OAuth(parts, http, clock, trail, key_sets, account)
        finally:
            # More than once: wait_for of Python 3.11 may swallow a cancellation that meets its own timeout.
            while not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=0.05)


async def _same_signing_key(documents: Documents) -> None:
    """Let all servers of a run in memory sign by one key, because to make one takes longer than most tests."""
    for document in _signing_keys:
        await documents.insert(SIGNING_KEYS, document["id"], document)
    if not _signing_keys:
        await Keys(documents, Clock()).signing()
        _signing_keys.extend(await documents.find(SIGNING_KEYS, {}))


_signing_keys: list[dict[str, Any]] = []


async def _ann(parts: Authorization) -> Account:
    """A person who can sign in, made without a password because hashing one is slow."""
    ann = Account(
        id="a1",
        username="ann",
        login="ann",
        password_hash="",
        kind="patient",
        name="Ann Example",
        fhir_user="Patient/p1",
        patients=("p1",),
    )
    await parts.documents.insert(ACCOUNTS, ann.id, kept(ann))
    return ann
