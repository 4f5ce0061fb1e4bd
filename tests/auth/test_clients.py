"""Clients are kept with digests of their secrets, and only exact addresses of theirs are answered."""

import asyncio

import msgspec
import pytest

from smart_auth.access import NotAdmitted
from smart_auth.clients import Clients
from smart_auth.records import CLIENTS, Client
from smart_auth.redirect_uris import flaw_of_redirect_uri, flaw_of_web_address, is_registered, web_origin
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.oauth import Clock, OAuth


def an_app(id: str = "", **fields: object) -> Client:
    return msgspec.convert({"id": id, "name": "App", "scope": "openid", **fields}, Client)


async def test_a_secret_is_told_once_and_kept_as_its_digest() -> None:
    documents = MemoryDocuments()
    made = await Clients(documents, Clock()).add(an_app(auth_method="client_secret_basic"))
    assert made.secret is not None
    assert len(made.secret) == 43
    assert made.secret not in str(await documents.get(CLIENTS, made.client.id))


async def test_a_public_client_has_no_secret() -> None:
    assert (await Clients(MemoryDocuments(), Clock()).add(an_app())).secret is None


async def test_an_id_that_is_taken_is_refused() -> None:
    clients = Clients(MemoryDocuments(), Clock())
    await clients.add(an_app("growth-chart"))
    with pytest.raises(ValueError, match="growth-chart"):
        await clients.add(an_app("growth-chart"))


async def test_a_rotated_secret_takes_the_old_ones_place(server: OAuth) -> None:
    client, old = await server.app()
    new = await server.parts.clients.rotate_secret(client.id)
    assert (await server.exchange(client, await server.code(client), old)).status_code == 401
    assert (await server.exchange(client, await server.code(client), new)).status_code == 200


async def test_only_a_client_with_a_secret_gets_a_new_one() -> None:
    clients = Clients(MemoryDocuments(), Clock())
    await clients.add(an_app("public"))
    for id in ("public", "nobody"):
        with pytest.raises(LookupError, match=id):
            await clients.rotate_secret(id)


@pytest.mark.parametrize("how", ["removed", "disabled"])
async def test_a_client_that_is_removed_or_disabled_is_nobody_and_its_tokens_end(server: OAuth, how: str) -> None:
    client = await server.public()
    tokens = await server.tokens(client)
    if how == "removed":
        assert await server.parts.clients.remove(client.id)
    else:
        await server.parts.clients.update(msgspec.structs.replace(client, is_disabled=True))
    assert await server.parts.clients.get(client.id) is None
    with pytest.raises(NotAdmitted, match="revoked"):
        await _admitted_elsewhere(server, tokens["access_token"])
    assert (await server.refresh(client, tokens["refresh_token"])).json()["error"] == "invalid_client"


async def test_an_invitation_is_good_for_one_client_and_for_its_time() -> None:
    clock = Clock()
    clients = Clients(MemoryDocuments(now=lambda: 0), clock)
    token = await clients.invite(60)
    assert await clients.spend_invitation(token)
    assert not await clients.spend_invitation(token)
    late = await clients.invite(60)
    clock.at += 60
    assert not await clients.spend_invitation(late)
    assert not await clients.spend_invitation("made up")


async def test_every_worker_knows_the_origins_of_registered_apps_within_a_second() -> None:
    documents = MemoryDocuments()
    here, there = Clients(documents, Clock()), Clients(documents, Clock())
    await here.add(an_app("early", redirect_uris=["https://early.test/cb"]))
    following = asyncio.create_task(there.run())
    try:
        await _until(there, {"https://early.test"})
        await here.add(
            an_app("late", redirect_uris=["https://late.test:8443/cb"], initiate_login_uri="http://[::1]:3/")
        )
        await _until(there, {"https://early.test", "https://late.test:8443", "http://[::1]:3"})
        await here.remove("early")
        await _until(there, {"https://late.test:8443", "http://[::1]:3"})
        documents.is_away = True
        await asyncio.sleep(0.05)
        documents.is_away = False
        await here.add(an_app("meanwhile", redirect_uris=["https://meanwhile.test/"]))
        await _until(there, {"https://late.test:8443", "http://[::1]:3", "https://meanwhile.test"})
    finally:
        following.cancel()
        await asyncio.wait([following], timeout=1)


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.test/callback?x=1", "https://app.test"),
        ("https://app.test:443/", "https://app.test"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("com.example.app:/callback", None),
        ("nonsense", None),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(uri: str, origin: str | None) -> None:
    assert web_origin(uri) == origin


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://app.test/cb", "https://app.test/cb"),
        ("https://app.test/cb?tenant=1", "https://app.test/cb?tenant=1"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://[::1]/cb", "http://[::1]:51004/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
def test_a_registered_address_is_answered(registered: str, asked: str) -> None:
    assert is_registered([registered], asked)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://app.test/cb", "https://app.test/cb/"),
        ("https://app.test/cb", "https://app.test/cb?x=1"),
        ("https://app.test/cb", "https://app.test/cb#x"),
        ("https://app.test/cb", "https://app.test/cb/../evil"),
        ("https://app.test/cb", "https://app.test.evil.test/cb"),
        ("https://app.test/cb", "https://app.test@evil.test/cb"),
        ("https://app.test/cb", "https://app.test\\@evil.test/cb"),
        ("https://app.test/cb", "https://APP.test/cb"),
        ("https://app.test/cb", "http://app.test/cb"),
        ("https://app.test/cb", "https://app.test:8443/cb"),
        ("https://app.test/cb", "https://app.test/%63b"),
        ("https://app.test/cb", ""),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:8001/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.test/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:8000/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.2:8000/cb"),
        ("http://localhost/cb", "http://localhost:8000/cb"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:8000/cb"),
    ],
)
def test_an_address_that_differs_in_anything_is_not_answered(registered: str, asked: str) -> None:
    assert not is_registered([registered], asked)


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://*.app.test/cb",
        "https://app.test/*",
        "https://app.test/cb#here",
        "https://app.test/cb#",
        "https://user:secret@app.test/cb",
        "http://app.test/cb",
        "http://127.0.0.1.evil.test/cb",
        "myapp:/cb",
        "/cb",
        "//app.test/cb",
        "https:///cb",
        "https://app.test/c b",
        "https://app.test:x/cb",
        "https://\u0430pp.test/cb",
        "https://app.test/" + "x" * 2000,
        "",
    ],
)
def test_an_address_that_could_lead_elsewhere_is_not_registered(uri: str) -> None:
    assert flaw_of_redirect_uri(uri) is not None


@pytest.mark.parametrize(
    "uri", ["https://app.test/cb?x=1", "http://127.0.0.1/cb", "http://localhost:8000/", "com.example.app:/cb"]
)
def test_an_address_that_leads_to_the_app_can_be_registered(uri: str) -> None:
    assert flaw_of_redirect_uri(uri) is None


def test_keys_are_fetched_by_https_or_on_loopback() -> None:
    assert flaw_of_web_address("https://app.test/jwks.json") is None
    assert flaw_of_web_address("http://localhost:4567/jwks.json") is None
    for uri in ("http://app.test/jwks.json", "file:///etc/passwd", "com.example.app:/jwks", "https://a:b@app.test/"):
        assert flaw_of_web_address(uri) is not None


async def _until(clients: Clients, origins: set[str]) -> None:
    async with asyncio.timeout(2):
        while clients.origins() != origins:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def _admitted_elsewhere(server: OAuth, token: str) -> None:
    async with asyncio.timeout(2):
        while True:
            await server.parts.guard.admitted(f"Bearer {token}")
            await asyncio.sleep(0.01)
