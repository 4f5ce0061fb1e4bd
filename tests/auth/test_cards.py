"""Signing in by card: what the proxy passes on is checked again, and leads to one account or to none."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from smart_auth.identity.cards import Card, CardBindings
from smart_auth.records import CARDS
from tests.auth.browsing import ORIGIN, PASSWORD, Seen, asked
from tests.auth.card_authority import DAY, SECRET, Authority, pem, self_signed
from tests.auth.card_server import (
    DOD_ID,
    NO_ACCOUNT_DOD_ID,
    OTHER_DOD_ID,
    PROXY,
    STRANGER,
    CardServer,
    card_server,
)

CARD = "/auth/card"


class Revoked:
    """Where these certificates are revoked, or nothing is known."""

    def __init__(self) -> None:
        self.serials: set[int] = set()
        self.knows = True

    async def check(self, certificate: Any, issuer: Any, now: int) -> None:
        from smart_auth.identity.revocation import revoked, unknown

        if not self.knows:
            raise unknown()
        if certificate.serial_number in self.serials:
            raise revoked()


async def session_of(server: CardServer, http: httpx.AsyncClient) -> Any:
    """The session of a browser."""
    found = [each for each in http.cookies.jar if each.name.startswith("session")]
    return await server.parts.sessions.find(found[0].value) if found else None


async def signed_in_by(server: CardServer, **card: Any) -> tuple[Seen, Any]:
    """Where a card's holder ends up who presses the button, and the session."""
    browser = server.browser(server.issuer.card(**card))
    seen = await browser.send(await browser.go(CARD))
    return seen, await session_of(server, browser.http)


class TestCac:
    async def test_its_holder_is_signed_in_as_the_person_of_its_dod_id(self) -> None:
        async with card_server() as server:
            seen, session = await signed_in_by(server)
            assert seen.path == "/auth/manage"
            assert (session.account, session.acr, session.amr) == ("id-ann", "card", ("sc", "mfa"))
            assert server.said("login") == ["CAC; card"]

    async def test_the_page_says_whose_card_was_read_before_anything_is_done(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card())
            seen = await browser.go(CARD)
            assert "ANA LUCIA RIVERA" in seen.text
            assert await session_of(server, browser.http) is None

    async def test_a_number_that_is_typed_does_not_count(self) -> None:
        async with card_server() as server:
            await server.person("sam", OTHER_DOD_ID, patients=("p3",), fhir_user="Patient/p3")
            browser = server.browser(server.issuer.card())
            seen = await browser.go(CARD, dod_id=OTHER_DOD_ID)
            await browser.send(seen, dod_id=OTHER_DOD_ID, patient="p3", username="sam")
            assert (await session_of(server, browser.http)).account == "id-ann"

    async def test_an_account_of_another_cannot_be_chosen(self) -> None:
        async with card_server() as server:
            await server.person("sam", OTHER_DOD_ID, patients=("p3",), fhir_user="Patient/p3")
            browser = server.browser(server.issuer.card())
            seen = await browser.send(await browser.go(CARD), account="id-sam")
            assert seen.status == 400
            assert await session_of(server, browser.http) is None

    async def test_a_valid_card_of_nobody_is_refused_and_that_is_kept(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card(common=f"DOE.JANE.{NO_ACCOUNT_DOD_ID}"))
            seen = await browser.go(CARD)
            assert seen.status == 403
            assert "nobody is registered" in seen.text and "Global Service Center" in seen.text
            assert server.said("card") == ["a valid CAC that signs in to no account in use"]
            assert NO_ACCOUNT_DOD_ID not in str(server.pages.trail.events)

    @pytest.mark.parametrize(("beneficiary_class", "is_sent_on"), [("active-duty", True), ("veteran", False)])
    async def test_who_may_register_by_it_is_told_where(self, beneficiary_class: str, is_sent_on: bool) -> None:
        async with card_server(portal={"registrar": object()}) as server:
            server.registry.enroll(NO_ACCOUNT_DOD_ID, "Jane", "Doe", beneficiary_class)
            seen = await server.browser(server.issuer.card(common=f"DOE.JANE.{NO_ACCOUNT_DOD_ID}")).go(CARD)
            assert seen.status == 403
            assert ("/auth/registration/active-duty" in seen.response.text) is is_sent_on

    async def test_without_the_registry_nobody_is_let_in_or_sent_on(self) -> None:
        async with card_server(portal={"registrar": object()}) as server:
            server.registry.is_away = True
            seen = await server.browser(server.issuer.card(common=f"DOE.JANE.{NO_ACCOUNT_DOD_ID}")).go(CARD)
            assert seen.status == 503

    async def test_the_registry_is_not_needed_by_who_is_known(self) -> None:
        async with card_server() as server:
            server.registry.is_away = True
            assert (await signed_in_by(server))[1].account == "id-ann"

    async def test_a_disabled_account_is_nobodys_way_in(self) -> None:
        async with card_server(portal={"registrar": object()}) as server:
            await server.parts.accounts.change("id-ann", is_disabled=True)
            seen = await server.browser(server.issuer.card()).go(CARD)
            assert seen.status == 403
            assert "/auth/registration/active-duty" not in seen.response.text
            assert [event.account for event in server.pages.trail.events if event.kind == "card"] == ["id-ann"]

    async def test_it_works_on_where_the_ds_logon_was_deactivated(self) -> None:
        async with card_server() as server:
            await server.parts.accounts.change("id-ann", is_logon_active=False)
            assert (await signed_in_by(server))[1].account == "id-ann"

    async def test_a_card_issued_anew_is_the_same_person(self) -> None:
        async with card_server() as server:
            seen, _ = await signed_in_by(server, serial=1)
            again, session = await signed_in_by(server, serial=2, not_after=90 * DAY)
            assert (seen.path, again.path) == ("/auth/manage", "/auth/manage")
            assert session.account == "id-ann"

    async def test_a_clinician_signs_in_by_the_card_that_was_bound_to_the_account(self) -> None:
        async with card_server() as server:
            doctor = await server.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
            browser = server.browser(server.issuer.card(common="LEE.MIN.4444444444"))
            assert (await browser.go(CARD)).status == 403
            await server.parts.card_bindings.bind(await card_of(server, "LEE.MIN.4444444444"), doctor)
            await browser.send(await browser.go(CARD))
            assert (await session_of(server, browser.http)).account == "id-doctor"

    async def test_who_has_two_accounts_chooses(self) -> None:
        async with card_server() as server:
            doctor = await server.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
            await server.parts.card_bindings.bind(await card_of(server), doctor)
            for chosen in ("id-doctor", "id-ann"):
                browser = server.browser(server.issuer.card())
                await browser.send(await browser.go(CARD), account=chosen)
                assert (await session_of(server, browser.http)).account == chosen


async def card_of(server: CardServer, common: str = "RIVERA.ANA.LUCIA.1234567890") -> Card:
    from smart_auth.identity.certificates import card

    trusted = server.parts.portal.cards
    assert trusted is not None
    return await card(trusted, pem(server.issuer.card(common=common)), server.pages.clock())


class TestTheWayToAnApp:
    async def test_the_token_says_that_it_was_a_card(self) -> None:
        async with card_server() as server:
            client = await server.pages.client()
            browser = server.browser(server.issuer.card())
            seen = await browser.go("/auth/authorize", **asked(client))
            assert seen.title == "Sign in"
            there = seen.html.xpath("//a[starts-with(@href, '/auth/card')]/@href")[0]
            seen = await browser.allow(await browser.send(await browser.go(ORIGIN + there)))
            answer = await server.pages.exchanged(client, seen.answer["code"])
            access = await server.parts.tokens.read(answer["access_token"])
            assert (access.acr, access.patient) == ("card", "p1")

    async def test_what_a_page_asked_the_card_for_is_gone_on_with(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card())
            seen = await browser.send(await browser.go(CARD, next="family"))
            assert seen.path == "/auth/family"

    async def test_a_form_of_another_browser_signs_nobody_in(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card())
            seen = await browser.go(CARD)
            victim = server.browser(server.issuer.card())
            assert (await victim.send(seen)).status == 403
            assert (await browser.send(seen, headers={"sec-fetch-site": "cross-site"})).status == 403
            assert server.said("login") == []

    async def test_who_tries_too_often_has_to_wait(self) -> None:
        async with card_server() as server:
            limit = server.parts.settings.logins_per_minute
            for _ in range(limit):
                await server.parts.limits.take("card", "198.51.100.5", limit)
            assert (await server.browser(server.issuer.card()).go(CARD)).status == 429


class TestRefusals:
    async def test_no_card_is_a_page_that_says_what_is_needed(self) -> None:
        async with card_server() as server:
            seen = await server.browser().go(CARD)
            assert seen.status == 401
            assert "card reader" in seen.text and "certificate-missing" in seen.text
            assert "Global Service Center" in seen.text
            assert server.said("card") == ["certificate-missing"]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"not_after": -1}, "certificate-expired"),
            ({"not_before": 60}, "certificate-not-yet-valid"),
            ({"extended": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "certificate-usage"),
            ({"policies": ("1.2.3.4",)}, "certificate-policy"),
        ],
    )
    async def test_a_bad_card_is_refused_with_its_reason(self, fields: dict[str, Any], expected: str) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card(**fields))
            seen = await browser.go(CARD)
            assert seen.status == 401 and expected in seen.text
            assert not [form for form in seen.html.forms if form.get("action") == CARD]
            assert server.said("card") == [expected]

    async def test_a_revoked_card_is_refused_with_its_reason(self) -> None:
        revoked = Revoked()
        async with card_server(revoked) as server:
            shown = server.issuer.card()
            browser = server.browser(shown)
            page = await browser.go(CARD)
            revoked.serials.add(shown.serial_number)
            seen = await browser.send(page)
            assert seen.status == 401 and "certificate-revoked" in seen.text
            assert await session_of(server, browser.http) is None
            assert server.said("card") == ["certificate-revoked"]

    async def test_where_revocation_cannot_be_known_nobody_is_let_in(self) -> None:
        revoked = Revoked()
        revoked.knows = False
        async with card_server(revoked) as server:
            seen = await server.browser(server.issuer.card()).go(CARD)
            assert seen.status == 401 and "certificate-revocation-unknown" in seen.text
            assert server.said("card") == ["certificate-revocation-unknown"]

    async def test_a_card_of_another_root_and_one_of_nobody_are_refused(self) -> None:
        async with card_server() as server:
            now = server.pages.clock()
            other = Authority.root(now, "Another Root").below("Another CA")
            assert "certificate-untrusted" in (await server.browser(other.card()).go(CARD)).text
            assert "certificate-self-signed" in (await server.browser(self_signed(now)).go(CARD)).text
            assert server.said("card") == ["certificate-untrusted", "certificate-self-signed"]

    @pytest.mark.parametrize("door", ["/auth/card/register", "/auth/registration/active-duty"])
    async def test_every_door_that_takes_a_card_refuses_a_bad_one_with_its_reason(self, door: str) -> None:
        revoked = Revoked()
        async with card_server(revoked, portal={"registrar": object()}) as server:
            now = server.pages.clock()
            taken_back = server.issuer.card()
            revoked.serials.add(taken_back.serial_number)
            shown = {
                "certificate-missing": None,
                "certificate-expired": server.issuer.card(not_after=-1),
                "certificate-usage": server.issuer.card(extended=(ExtendedKeyUsageOID.SERVER_AUTH,)),
                "certificate-policy": server.issuer.card(policies=("1.2.3.4",)),
                "certificate-self-signed": self_signed(now),
                "certificate-untrusted": Authority.root(now, "Another Root").card(),
                "certificate-revoked": taken_back,
            }
            for reason, certificate in shown.items():
                browser = server.browser() if certificate is None else server.browser(certificate)
                seen = await browser.go(door)
                assert (seen.status, reason in seen.text) == (401, True), (reason, seen.text)
                assert await session_of(server, browser.http) is None
            assert server.said("card") == list(shown)
            forged = TestForgery().sent(server)
            assert "certificate-missing" in (await server.browser(headers=forged, peer=STRANGER).go(door)).text

    async def test_a_piv_card_does_not_register_as_active_duty_and_that_it_tried_is_kept(self) -> None:
        async with card_server(portal={"registrar": object()}) as server:
            seen = await server.browser(server.issuer.piv()).go("/auth/registration/active-duty")
            assert (seen.status, "certificate-policy" in seen.text) == (401, True)
            assert server.said("card") == ["certificate-policy"]

    async def test_refusals_in_floods_are_few_rows(self) -> None:
        async with card_server() as server:
            for _ in range(5):
                await server.browser(server.issuer.card(not_after=-1)).go(CARD)
            assert server.said("card") == ["certificate-expired"]


class TestForgery:
    """Whoever holds a certificate has not its key: only the proxy knows who showed it."""

    def sent(self, server: CardServer, secret: str = SECRET, times: int = 1) -> list[tuple[str, str]]:
        text = quote(pem(server.issuer.card()), safe="")
        return [*[("x-client-cert", text)] * times, ("x-client-cert-secret", secret)]

    async def test_past_the_proxy_the_header_does_not_count(self) -> None:
        async with card_server() as server:
            browser = server.browser(headers=self.sent(server), peer=STRANGER)
            assert "certificate-missing" in (await browser.go(CARD)).text

    @pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", "é"])
    async def test_beside_the_proxy_the_secret_is_needed(self, secret: str) -> None:
        async with card_server() as server:
            headers = [(name, value.encode()) for name, value in self.sent(server, secret)]
            browser = server.browser(headers=headers, peer=PROXY)  # type: ignore[arg-type]
            seen = await browser.go(CARD)
            assert seen.status == 401 and "certificate-missing" in seen.text
            assert server.said("card") == ["certificate-missing without the proxy's secret"]

    async def test_two_certificates_are_none(self) -> None:
        async with card_server() as server:
            browser = server.browser(headers=self.sent(server, times=2), peer=PROXY)
            seen = await browser.go(CARD)
            assert seen.status == 401 and "certificate-malformed" in seen.text

    @pytest.mark.parametrize("text", ["%", "%00", "x", "%FF%FE", "A" * 60_000, "%2D" * 16_000])
    async def test_what_is_no_certificate_is_malformed(self, text: str) -> None:
        async with card_server() as server:
            sent = [("x-client-cert", text), ("x-client-cert-secret", SECRET)]
            seen = await server.browser(headers=sent, peer=PROXY).go(CARD)
            assert seen.status == 401 and "certificate-malformed" in seen.text

    async def test_a_session_by_password_stays_what_it_is(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card())
            await browser.sign_in(await browser.go("/auth/login"), "ann", PASSWORD)
            assert (await session_of(server, browser.http)).acr == "level2"


async def test_where_no_card_is_read_there_is_no_such_page() -> None:
    async with card_server(portal={"cards": None}) as server:
        assert (await server.browser().http.get(CARD)).status_code == 404


class TestBindings:
    async def test_a_binding_says_when_it_was_used_last(self) -> None:
        async with card_server() as server:
            bindings: CardBindings = server.parts.card_bindings
            card = await card_of(server)
            await bindings.bind(card, await server.parts.accounts.get("id-ann"))  # type: ignore[arg-type]
            server.pages.clock.pass_seconds(60)
            assert (await bindings.account_of(card)) is not None
            (binding,) = await bindings.of_account("id-ann")
            assert binding.last_used_at == binding.registered_at + 60

    async def test_what_is_kept_of_a_card_names_nobody(self) -> None:
        async with card_server() as server:
            card = await card_of(server)
            await server.parts.card_bindings.bind(card, await server.parts.accounts.get("id-ann"))  # type: ignore[arg-type]
            document = await server.parts.documents.get(CARDS, card.key)
            assert document is not None
            assert "RIVERA" not in str(document) and DOD_ID not in str(document)

    async def test_a_binding_that_is_removed_is_gone(self) -> None:
        async with card_server() as server:
            card = await card_of(server)
            await server.parts.card_bindings.bind(card, await server.parts.accounts.get("id-ann"))  # type: ignore[arg-type]
            assert await server.parts.card_bindings.remove(card.key)
            assert not await server.parts.card_bindings.remove(card.key)
            assert await server.parts.card_bindings.account_of(card) is None
