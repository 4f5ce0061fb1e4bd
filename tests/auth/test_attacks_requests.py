"""Attacks by the way a request is sent: broken off, in another's name, to an address that is nearly the right one."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Message

from smart_auth.redirect_uris import is_registered
from smart_auth.settings import SmartSettings
from tests.auth.browsing import asked, page_server
from tests.auth.oauth import OAuth, oauth_server
from tests.auth.visitor import Visitor, bearer


@pytest.mark.parametrize("path", ["/auth/token", "/auth/login", "/auth/register"])
async def test_a_form_that_is_broken_off_is_the_senders_fault(server: OAuth, path: str) -> None:
    kind = b"application/json" if path == "/auth/register" else b"application/x-www-form-urlencoded"
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"fhir.test"), (b"content-type", kind), (b"content-length", b"100")],
        "client": ("192.0.2.1", 4000),
    }
    received: list[Message] = [
        {"type": "http.request", "body": b"grant", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    app: Any = server.http._transport.app  # type: ignore[attr-defined]
    await app(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_nobody_uses_up_the_share_of_a_public_app_for_everybody() -> None:
    async with oauth_server(settings=SmartSettings(token_requests_per_minute=3)) as server:
        client = await server.public()
        elsewhere = httpx.ASGITransport(server.http._transport.app, client=("192.0.2.9", 4000))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://fhir.test") as attacker:
            form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": client.id}
            answers = [(await attacker.post("/auth/token", data=form)).status_code for _ in range(4)]
        assert answers == [400, 400, 400, 429]
        assert (await server.tokens(client))["access_token"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:3000/callback/",
        "http://127.0.0.1:3000/Callback",
        "http://127.0.0.1:3000/callback?next=x",
        "http://127.0.0.1:3000/callback#x",
        "http://127.0.0.1:03000/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:+5/callback",
        "http://127.0.0.1:5_5/callback",
        "http://127.0.0.1:\uff18/callback",
        "http://127.0.0.1:8\t/callback",
        "http://127.0.0.1:3000@evil.example.org/callback",
        "http://127.0.0.1:3000%40evil.example.org/callback",
        "http://evil.example.org\\@127.0.0.1/callback",
        "http://127.0.0.1%2eevil.example.org/callback",
        "http://127.0.0.1.evil.example.org/callback",
        "http://127.0.0.1:8/x/../callback",
        "HTTP://127.0.0.1:8/callback",
        "https://127.0.0.1:8/callback",
        "http://localhost:8/callback",
        "http://[::1]:8/callback",
        " http://127.0.0.1:8/callback",
        "http://127.0.0.1:8/callback ",
        "http://127.0.0.1:8/callback\x00",
        "http://127.0.0.1:99999/callback",
    ],
)
def test_no_address_is_taken_for_the_registered_one(uri: str) -> None:
    assert not is_registered(["http://127.0.0.1/callback"], uri)


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "\u2028", "%0d%0ax", "<script>", "\U0001f600"])
async def test_no_state_becomes_a_header_of_its_own(state: str) -> None:
    async with page_server() as server:
        client = await server.client()
        response = await server.browser.http.get("/auth/authorize", params=asked(client, state=state, aud="x"))
        assert response.status_code == 303
        assert "set-cookie" not in response.headers
        location = response.headers["location"]
        assert location.isascii() and location.isprintable() and "<" not in location
        assert httpx.URL(location).params["state"] == state


async def test_a_request_that_one_person_began_ends_in_nobody_elses_name() -> None:
    async with page_server() as server:
        client, sam, ann = await server.client(), server.browser, server.another_browser()
        seen = await sam.sign_in(await sam.go("/auth/authorize", **asked(client)), "sam")
        request = (await sam.send(seen, patient="p2")).answer["request"]
        page = await ann.sign_in(await ann.go("/auth/login"), "ann")
        csrf = page.form().fields["csrf"]
        # Ann is sent Sam's page, and the forms that go with it; what Sam picked is not hers to allow.
        for path in ("consent", "patient"):
            assert (await ann.go(f"/auth/{path}", request=request)).title == "Sign in"
        for path, fields in (
            ("consent", {"decision": "allow", "scope": "patient/Patient.rs"}),
            ("patient", {"patient": "p1"}),
        ):
            form = {"request": request, "csrf": csrf, **fields}
            answer = await ann.http.post(f"/auth/{path}", data=form)
            assert answer.headers["location"].startswith("/auth/login?")
        assert await server.parts.grants.of_account("id-ann") == []
        # Once she signs in for it, it is hers alone, and about her own record.
        consent = await ann.sign_in(await ann.go("/auth/login", request=request), "ann")
        assert "Ben" not in consent.text and "Ann Example" in consent.text
        assert (await sam.go("/auth/consent", request=request)).title == "Sign in"
        assert (await ann.allow(consent)).answer["code"]
        assert (await server.parts.grants.of_account("id-ann"))[0].patient == "p1"
        assert await server.parts.grants.of_account("id-sam") == []


async def test_whatever_is_refreshed_while_it_is_revoked_is_worth_nothing(visitor: Visitor) -> None:
    tokens = await visitor.token_for("nora.fairchild", "openid offline_access launch/patient patient/*.rs")

    async def sent(endpoint: str, form: dict[str, str]) -> httpx.Response:
        # A connection of its own, so that both workers are met.
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            return await http.post(f"{visitor.origin}/auth/{endpoint}", data=form | {"client_id": "demo-public"})

    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    requests = [sent("token", refresh) for _ in range(12)]
    requests.insert(6, sent("revoke", {"token": tokens["refresh_token"]}))
    answers = [each.json() for each in await asyncio.gather(*requests) if each.content]
    await asyncio.sleep(1.0)
    for answer in answers:
        if "access_token" in answer:
            read = await visitor.http.get(f"{visitor.base}/Patient/fairchild-nora", headers=bearer(answer))
            assert read.status_code == 401
            again = await sent("token", refresh | {"refresh_token": answer["refresh_token"]})
            assert again.json()["error"] == "invalid_grant"
    assert (await sent("token", refresh)).json()["error"] == "invalid_grant"
