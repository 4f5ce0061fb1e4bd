"""Stories 1 and 3: CAC and PIV, through nginx that speaks mutual TLS with the browser.

On a demo server of their own, because they change who may come in.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography import x509
from pymongo import MongoClient

from seeds.accounts import dod_id, users
from tests.auth.browsing import Seen
from tests.auth.card_authority import Authority
from tests.auth.card_proxy import CardProxy
from tests.conftest import LOADING_SECONDS, free_port, start_server
from tests.require import require
from tests.stories.conftest import (
    PASSWORD,
    CardHolder,
    Guest,
    Person,
    Post,
    World,
    claims_of,
    known,
    link_to,
    person_of,
    request_of,
    said_of,
)

pytestmark = pytest.mark.slow

SCOPE = "openid fhirUser launch/patient patient/*.rs"
NOBODYS = "EXAMPLE.JO.9999999999"


@pytest.fixture(scope="module")
def front(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, post: Post, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CardProxy]:
    require("nginx")
    root = Authority.root(int(time.time()))
    proxy = CardProxy(tmp_path_factory.mktemp("cards"), free_port(), root, root.below())
    proxy.revoke()
    name = f"test_{uuid4().hex[:16]}"
    settings = {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": name,
        "FHIR_DEMO": "true",
        "FHIR_MAIL_URL": post.url,
        **proxy.settings,
    }
    server = start_server(proxy.folder / "server.log", 1, settings, LOADING_SECONDS, auth="smart")
    try:
        with proxy.running(urlsplit(server.base).port or 0):
            yield proxy
    finally:
        server.stop()
        mongodb.drop_database(name)


def cac(front: CardProxy, name: str, patient: str) -> x509.Certificate:
    """A CAC of somebody of the demo population."""
    return front.issuer.card(common=f"{name}.{dod_id(patient)}")


@asynccontextmanager
async def holder(front: CardProxy, card: x509.Certificate | None) -> AsyncIterator[CardHolder]:
    """Whoever has this card in the reader."""
    async with front.browser(card) as http:
        yield CardHolder(http, front.base)


@asynccontextmanager
async def without_card(front: CardProxy, password: str = "") -> AsyncIterator[Guest]:
    async with front.browser() as http:
        yield Guest(http, front.base, password=password)


async def audited(front: CardProxy, text: str) -> bool:
    """Whether the security officer finds a refusal that says so."""
    async with without_card(front) as visitor:
        officer = await World(visitor).person("security.officer", "user/AuditEvent.rs")
        events = await officer.found("AuditEvent?outcome=4&_count=100")
    return text in [each.get("outcomeDesc") for each in events]


async def test_1_a_cac_leads_an_app_to_a_token_that_says_so_and_to_the_holders_record(front: CardProxy) -> None:
    async with holder(front, cac(front, "RIVERA.ANA.LUCIA", "rivera-ana")) as ana:
        answer = await ana.token_by_card(SCOPE, patient="rivera-ana")
        claims = await claims_of(ana, answer)
        assert (claims["acr"], claims["amr"]) == ("card", ["sc", "mfa"])
        assert claims["fhirUser"] == f"{front.base}/Patient/rivera-ana"
        assert answer["patient"] == "rivera-ana"
        reader = person_of(ana, answer)
        patient = await reader.get("Patient/rivera-ana")
        assert dod_id("rivera-ana") in [each.get("value") for each in patient["identifier"]]
        assert await reader.found("Observation?patient=rivera-ana&category=laboratory")
        assert (await reader.ask("GET", "Patient/rivera-miguel")).status_code == 404


async def test_1_a_revoked_card_is_refused_with_the_reason_and_the_next_card_signs_in(front: CardProxy) -> None:
    lost, next_one = (cac(front, "RIVERA.ANA.LUCIA", "rivera-ana") for _ in range(2))
    async with holder(front, lost) as ana:
        assert (await ana.at_the_card(request_of(ana, SCOPE))).status == 200
        front.revoke(lost)
        seen = await ana.at_the_card(request_of(ana, SCOPE))
        assert (seen.status, "certificate-revoked" in seen.text) == (401, True), seen.text
        assert (await ana.browser.go("/auth/manage")).title == "Sign in"
    assert await audited(front, "certificate-revoked")
    async with holder(front, next_one) as ana:
        answer = await ana.token_by_card(SCOPE, patient="rivera-ana")
        assert (await claims_of(ana, answer))["acr"] == "card"


async def test_1_without_a_card_it_is_said_what_is_lacking_and_a_password_is_no_card(front: CardProxy) -> None:
    async with holder(front, None) as miguel:
        seen = await miguel.at_the_card(request_of(miguel, SCOPE))
        assert (seen.status, "certificate-missing" in seen.text) == (401, True), seen.text
    async with without_card(front) as miguel:
        answer = await miguel.token_for("miguel.rivera", SCOPE)
        assert (await claims_of(miguel, answer))["acr"] == "level2"


async def test_1_a_valid_card_of_nobody_is_refused_and_in_the_audit_log(front: CardProxy) -> None:
    async with holder(front, front.issuer.card(common=NOBODYS)) as nobody:
        seen = await nobody.at_the_card(request_of(nobody, SCOPE))
        assert (seen.status, "card-not-registered" in seen.text) == (403, True), seen.text
        assert not seen.html.xpath("//main//a[starts-with(@href, '/auth/registration')]")
    assert await audited(front, "a valid CAC that signs in to no account in use")


async def test_1_who_has_a_cac_and_no_account_registers_by_it_on_the_way_to_the_app(front: CardProxy) -> None:
    async with holder(front, cac(front, "KOWALSKI.PETER", "kowalski-peter")) as peter:
        request = request_of(peter, SCOPE)
        seen = await peter.at_the_card(request)
        assert seen.status == 403
        seen = await peter.browser.go(link_to(seen.html, "/auth/registration/active-duty"))
        # The number is the certificate's, whatever is sent besides.
        seen = await peter.browser.send(seen, dod_id=str(dod_id("rivera-ana")))
        answer = await peter.token_at(request, await peter.onward(seen.response, ""))
        claims = await claims_of(peter, answer)
        assert (claims["acr"], answer["patient"]) == ("card", "kowalski-peter")
        (task,) = await person_of(peter, answer).found("Task?patient=kowalski-peter&code=registration")
        assert task["status"] == "completed"


def piv(front: CardProxy, name: str) -> x509.Certificate:
    return front.issuer.piv(common=f"{name} (affiliate)")


def five(patient: str, username: str, password: str) -> dict[str, str]:
    """What registers a PIV card: name, birth date, DoD ID number, and name and password of a DS Logon."""
    return {**said_of(known(patient), "dod_id"), "username": username, "password": password}


def password_of(username: str) -> str:
    return next(each.password for each in users() if each.username == username)


async def registered(holder: CardHolder, **typed: str) -> Seen:
    """What the holder of a PIV card is shown who registers it so."""
    return await holder.browser.send(await holder.browser.go("/auth/card/register"), **typed)


async def is_let_in(holder: CardHolder) -> bool:
    """Whether the card alone is enough."""
    seen = await holder.at_the_card(request_of(holder, SCOPE))
    assert seen.status in (200, 403), seen.text
    assert (seen.status == 403) == ("card-not-registered" in seen.text)
    return seen.status == 200


async def ended(reader: Person, url: str) -> None:
    """Until the token opens nothing any more."""
    async with asyncio.timeout(20):
        while True:
            if (await reader.ask("GET", url)).status_code == 401:
                return
            await asyncio.sleep(0.1)


async def test_3_a_piv_card_is_registered_by_five_things_and_is_enough_from_then_on(front: CardProxy) -> None:
    right = five("walker-james", "james.walker", password_of("james.walker"))
    async with holder(front, piv(front, "JAMES E WALKER")) as james:
        request = request_of(james, SCOPE)
        seen = await james.at_the_card(request)
        assert (seen.status, "card-not-registered" in seen.text) == (403, True), seen.text
        seen = await james.browser.go(link_to(seen.html, "/auth/card/register"))
        texts = set()
        for wrong in ({"birth_date": "1980-01-01"}, {"dod_id": str(dod_id("rivera-ana"))}, {"password": "wrong"}):
            seen = await james.browser.send(seen, **right | wrong)
            assert seen.status == 401
            texts.add(seen.text)
        assert len(texts) == 1, "nobody learns which of the five was wrong"
        seen = await james.browser.send(seen, **right)
        by_registering = await james.token_at(request, await james.onward(seen.response, ""))
    async with holder(front, piv(front, "JAMES E WALKER")) as james:
        by_card_alone = await james.token_by_card(SCOPE)
        for answer in (by_registering, by_card_alone):
            claims = await claims_of(james, answer)
            assert (claims["acr"], claims["fhirUser"]) == ("card", f"{front.base}/Patient/walker-james")
            assert answer["patient"] == "walker-james"
            assert await person_of(james, answer).found("Condition?patient=walker-james")
    async with holder(front, piv(front, "SOMEBODY ELSE")) as other:
        assert not await is_let_in(other)


async def test_3_after_the_ds_logon_was_deactivated_the_card_is_dead_until_it_is_registered_again(
    front: CardProxy, post: Post
) -> None:
    patient, email, card = "washington-harold", "harold.washington@example.org", piv(front, "HAROLD WASHINGTON")
    old = five(patient, "harold.washington", password_of("harold.washington"))
    new = five(patient, "harold.again", PASSWORD)
    async with holder(front, card) as harold, without_card(front, PASSWORD) as at_home:
        assert (await registered(harold, **old)).path == "/auth/manage"
        reader = person_of(harold, await harold.token_by_card(SCOPE))
        assert (await reader.get(f"Patient/{patient}"))["id"] == patient

        browser = at_home.browser
        seen = await browser.sign_in(await browser.go("/auth/login?next=deactivate"), old["username"], old["password"])
        seen = await browser.send(seen, password=old["password"])
        assert seen.title == "Your DS Logon is deactivated"
        await ended(reader, f"Patient/{patient}")
        assert not await is_let_in(harold)
        assert (await registered(harold, **old)).status == 401

        typed = {"name": new["name"], "username": new["username"], "email": email}
        await browser.send(await browser.go("/auth/logon/new"), **typed, password=PASSWORD, again=PASSWORD)
        link = await post.link(email, "Create your DS Logon")
        assert (await browser.send(await browser.go(link), password=PASSWORD)).title == "Done"
        seen = await browser.sign_in(await browser.go("/auth/login?next=upgrade"), new["username"], PASSWORD)
        seen = await browser.send(seen, **said_of(known(patient), "dod_id", "ssn"))
        assert "Premium (level 2) now" in seen.text
        assert not await is_let_in(harold), "a new logon alone does not bring the card back"

        assert (await registered(harold, **new)).path == "/auth/manage"
        answer = await harold.token_by_card(SCOPE)
        claims = await claims_of(harold, answer)
        assert (claims["acr"], claims["fhirUser"]) == ("card", f"{front.base}/Patient/{patient}")
        assert await person_of(harold, answer).found(f"Condition?patient={patient}")
