"""How sure a sign-in was: what apps may ask of it, what they are told, and what level 1 gets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc import jwt

from smart_auth.access import Acr
from smart_auth.portal import Portal
from smart_auth.records import SESSIONS
from smart_auth.settings import SmartSettings
from tests.auth.browsing import LAUNCH_URI, PageServer, Seen, asked, page_server
from tests.auth.oauth import OAuth, oauth_server

CARD_FOR = SmartSettings(card_for=("emergency", "orders", "administration"))
WIDE = "openid fhirUser launch/patient patient/*.rs"


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server() as server:
        await server.person("one", fhir_user="Patient/p1", patients=("p1",), level="level1")
        yield server


async def at_app(server: PageServer, username: str = "ann", scope: str = WIDE, **fields: str) -> Seen:
    """Where somebody is who comes from the app and signs in by password."""
    seen = await server.browser.go("/auth/authorize", **asked(await server.client(), scope, **fields))
    return await server.browser.sign_in(seen, username) if seen.path == "/auth/login" else seen


async def tokens_of(server: PageServer, seen: Seen) -> dict[str, Any]:
    allowed = await server.browser.allow(seen)
    return await server.exchanged(await server.client(), allowed.answer["code"])


async def now_by(server: PageServer, acr: Acr) -> None:
    """Let whoever is signed in have signed in as sure as this."""
    for session in await server.parts.documents.find(SESSIONS, {}):
        await server.parts.documents.change(SESSIONS, session["id"], {"acr": acr, "amr": ["sc", "mfa"]})


class TestLevelOne:
    async def test_no_scope_on_a_patients_data_is_granted(self, server: PageServer) -> None:
        seen = await at_app(server, "one")
        types = {scope.partition("/")[2].partition(".")[0] for scope in seen.boxes if scope.endswith(".rs")}
        assert types == {
            "Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService", "Endpoint"
        }  # fmt: skip
        assert "upgrade your DS Logon to Premium (level 2)" in seen.text
        granted = (await tokens_of(server, seen))["scope"].split()
        assert "patient/Organization.rs" in granted and "patient/*.rs" not in granted

    async def test_the_token_says_so(self, server: PageServer) -> None:
        answer = await tokens_of(server, await at_app(server, "one"))
        assert (await server.parts.tokens.read(answer["access_token"])).acr == "level1"
        assert (await server.parts.tokens.claims(answer["access_token"])).acr == "level1"

    async def test_a_box_that_was_not_offered_cannot_be_ticked(self, server: PageServer) -> None:
        seen = await server.browser.allow(await at_app(server, "one"), ["patient/Observation.rs", "patient/*.rs"])
        assert seen.path == "/auth/consent" and "Nothing is ticked." in seen.text

    async def test_where_nothing_is_left_the_app_hears_how_to_upgrade(self, server: PageServer) -> None:
        seen = await at_app(server, "one", "launch/patient patient/Observation.rs")
        assert seen.answer["error"] == "access_denied"
        assert "/auth/logon/upgrade" in seen.answer["error_description"]
        assert "(insufficient-assurance)" in seen.answer["error_description"]

    async def test_a_practitioner_of_level_one_sees_no_patient_either(self, server: PageServer) -> None:
        await server.person("trainee", kind="practitioner", fhir_user="Practitioner/d2", level="level1")
        seen = await at_app(server, "trainee", "user/Observation.rs user/Location.rs")
        assert list(seen.boxes) == ["user/Location.rs"]

    async def test_after_an_upgrade_and_another_sign_in_all_is_granted(self, server: PageServer) -> None:
        await at_app(server, "one")
        await server.parts.accounts.change("id-one", level="level2")
        assert "patient/*.rs" not in (await at_app(server, "one")).boxes
        seen = await at_app(server, "one", prompt="login")
        assert "patient/*.rs" in seen.boxes

    async def test_refreshing_keeps_the_level_of_the_sign_in(self, server: PageServer) -> None:
        answer = await tokens_of(server, await at_app(server, "one", f"{WIDE} offline_access"))
        await server.parts.accounts.change("id-one", level="level2")
        form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "client_id": "growth"}
        again = (await server.browser.http.post("/auth/token", data=form)).json()
        assert (await server.parts.tokens.read(again["access_token"])).acr == "level1"
        assert "patient/*.rs" not in again["scope"].split()


class TestAcrValues:
    @pytest.mark.parametrize("values", ["level1", "level2", "card level2", "urn:other level2"])
    async def test_a_sign_in_that_is_sure_enough_goes_on(self, server: PageServer, values: str) -> None:
        assert (await at_app(server, acr_values=values)).path == "/auth/consent"

    async def test_who_is_not_sure_enough_is_told_how_to_be(self, server: PageServer) -> None:
        seen = await at_app(server, acr_values="card")
        assert (seen.path, seen.title) == ("/auth/step-up", "Sign in by a stronger way")
        assert "asks for a sign-in by CAC or PIV card" in seen.text
        seen = await at_app(server, "one", acr_values="level2", prompt="login")
        assert "/auth/logon/upgrade" in [each.get("href") for each in seen.html.xpath("//main//a")]

    async def test_no_page_after_it_can_be_reached_past_it(self, server: PageServer) -> None:
        seen = await at_app(server, acr_values="card")
        request = seen.answer["request"]
        for path in ("/auth/consent", "/auth/patient", "/auth/login"):
            assert (await server.browser.go(path, request=request)).path == "/auth/step-up"

    async def test_by_card_the_same_request_goes_on(self, server: PageServer) -> None:
        seen = await at_app(server, acr_values="card")
        await now_by(server, "card")
        seen = await server.browser.go("/auth/step-up", request=seen.answer["request"])
        assert seen.path == "/auth/consent"
        answer = await tokens_of(server, seen)
        claims = await server.parts.tokens.claims(answer["access_token"])
        assert (claims.acr, claims.amr, claims.auth_time) == ("card", ("sc", "mfa"), server.clock())

    async def test_who_goes_back_lets_the_app_hear_why(self, server: PageServer) -> None:
        seen = await server.browser.send(await at_app(server, acr_values="card"), decision="back")
        assert seen.answer["error"] == "unmet_authentication_requirements"
        assert server.trail.kinds() == ["login", "step-up", "grant-refused"]

    async def test_silently_it_is_unmet(self, server: PageServer) -> None:
        await at_app(server)
        seen = await at_app(server, acr_values="card", prompt="none")
        assert seen.answer["error"] == "unmet_authentication_requirements"

    async def test_values_that_are_none_of_ours_are_unmet(self, server: PageServer) -> None:
        seen = await at_app(server, acr_values="urn:mace:incommon:iap:silver")
        assert seen.answer["error"] == "unmet_authentication_requirements"
        assert seen.answer["state"] == "state & more"


class TestTheHoursOfACard:
    """`card_hours` after a card was used, what it opened is good for level 2."""

    @pytest.fixture
    async def server(self) -> AsyncIterator[PageServer]:
        async with page_server(settings=SmartSettings(card_for=("emergency",), card_hours=2)) as server:
            yield server

    async def test_a_refreshed_token_says_card_no_longer_and_a_new_sign_in_says_it_again(
        self, server: PageServer
    ) -> None:
        seen = await at_app(server, scope=f"{WIDE} offline_access")
        await now_by(server, "card")
        answer = await tokens_of(server, seen)
        signed_in_at = server.clock()
        for seconds, acr in ((2 * 3600 - 1, "card"), (1, "level2"), (86_400, "level2")):
            server.clock.pass_seconds(seconds)
            form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "client_id": "growth"}
            answer = (await server.browser.http.post("/auth/token", data=form)).json()
            claims = await server.parts.tokens.claims(answer["access_token"])
            assert (claims.acr, claims.amr, claims.auth_time) == (acr, ("sc", "mfa"), signed_in_at)
        seen = await server.browser.sign_in(
            await server.browser.go("/auth/authorize", **asked(await server.client(), WIDE))
        )
        await now_by(server, "card")
        claims = await server.parts.tokens.claims((await tokens_of(server, seen))["access_token"])
        assert (claims.acr, claims.auth_time) == ("card", server.clock())

    async def test_a_session_by_card_gives_no_more_than_that_either(self, server: PageServer) -> None:
        await at_app(server)
        await now_by(server, "card")
        assert (await at_app(server, acr_values="card")).path == "/auth/consent"
        # Not left unused, which would end the session.
        for _ in range(4):
            server.clock.pass_seconds(1800)
            await server.browser.go("/auth/manage")
        seen = await at_app(server, acr_values="card")
        assert seen.path == "/auth/step-up"
        assert (await at_app(server, acr_values="card", prompt="none")).answer["error"].startswith("unmet")
        claims = await server.parts.tokens.claims((await tokens_of(server, await at_app(server)))["access_token"])
        assert claims.acr == "level2"

    async def test_what_a_card_opened_outlasts_the_ds_logon_all_the_same(self) -> None:
        async with oauth_server() as oauth:
            client = await oauth.public()
            by_card = await oauth.tokens(client, acr="level2", amr=("sc", "mfa"))
            by_password = await oauth.tokens(client)
            await oauth.parts.accounts.change(oauth.account.id, is_logon_active=False)
            assert (await oauth.refresh(client, by_card["refresh_token"])).status_code == 200
            assert (await oauth.refresh(client, by_password["refresh_token"])).status_code == 400

    async def test_an_app_may_ask_for_a_younger_sign_in_and_is_told_when_it_was(self, server: PageServer) -> None:
        await at_app(server)
        server.clock.pass_seconds(600)
        seen = await server.browser.go("/auth/authorize", **asked(await server.client(), WIDE, max_age="600"))
        assert seen.path == "/auth/consent"
        seen = await server.browser.go("/auth/authorize", **asked(await server.client(), WIDE, max_age="599"))
        assert seen.title == "Sign in"
        answer = await tokens_of(server, await server.browser.sign_in(seen))
        key = (await server.parts.keys.signing()).key
        claims = jwt.decode(answer["id_token"], key, algorithms=["RS256"]).claims
        assert claims["auth_time"] == server.clock()


class TestEmergency:
    @pytest.fixture
    async def server(self) -> AsyncIterator[PageServer]:
        async with page_server(settings=CARD_FOR) as server:
            await server.client(initiate_login_uri=LAUNCH_URI)
            yield server

    async def broken(self, server: PageServer) -> Seen:
        """Where a doctor is sent who breaks the glass for p3."""
        seen = await server.browser.go("/auth/launch")
        seen = await server.browser.sign_in(seen, "doctor") if seen.title == "Sign in" else seen
        form = next(form for form in seen.html.forms if form.xpath(".//input[@id='patient-id']"))
        chosen = await server.browser.send(seen, form=form, patient="p3")
        reason = {"emergency_reason": "unconscious in the emergency room"}
        return await server.browser.send(chosen, "launch", client_id="growth", **reason)

    async def test_by_password_the_glass_is_not_broken(self, server: PageServer) -> None:
        seen = await self.broken(server)
        assert seen.path == "/auth/step-up"
        refused = server.trail.events[-1]
        assert (refused.kind, refused.patient, refused.outcome) == ("step-up", "p3", "failed")

    async def test_by_card_it_is(self, server: PageServer) -> None:
        await server.browser.sign_in(await server.browser.go("/auth/login"), "doctor")
        await now_by(server, "card")
        assert (await self.broken(server)).address.startswith(LAUNCH_URI)

    async def test_a_launch_made_by_card_is_no_use_to_a_session_by_password(self, server: PageServer) -> None:
        await server.browser.sign_in(await server.browser.go("/auth/login"), "doctor")
        await now_by(server, "card")
        launch = (await self.broken(server)).answer["launch"]
        await now_by(server, "level2")
        client = await server.client(initiate_login_uri=LAUNCH_URI)
        seen = await server.browser.go("/auth/authorize", **asked(client, "launch patient/*.rs", launch=launch))
        assert seen.path == "/auth/step-up"

    async def test_a_launch_in_care_relation_asks_for_no_card(self, server: PageServer) -> None:
        seen = await server.browser.sign_in(await server.browser.go("/auth/launch"), "doctor")
        form = next(form for form in seen.html.forms if form.xpath(".//input[@id='patient-id']"))
        chosen = await server.browser.send(seen, form=form, patient="p1")
        away = await server.browser.send(chosen, "launch", client_id="growth")
        assert away.address.startswith(LAUNCH_URI)


class TestWhatClientsAreTold:
    @pytest.fixture
    async def oauth(self) -> AsyncIterator[OAuth]:
        async with oauth_server() as server:
            yield server

    async def test_the_id_token_says_how_somebody_signed_in(self, oauth: OAuth) -> None:
        client = await oauth.public()
        answer = await oauth.tokens(client, acr="card", amr=("sc", "mfa"))
        key = (await oauth.parts.keys.signing()).key
        claims = jwt.decode(answer["id_token"], key, algorithms=["RS256"]).claims
        assert (claims["acr"], claims["amr"]) == ("card", ["sc", "mfa"])
        assert claims["auth_time"] == oauth.clock.at - 5

    async def test_introspection_says_it_of_both_kinds_of_token(self, oauth: OAuth) -> None:
        client, secret = await oauth.app()
        answer = await oauth.tokens(client, secret, acr="card", amr=("sc", "mfa"))
        for token in (answer["access_token"], answer["refresh_token"]):
            told = (await oauth.post("introspect", {"token": token}, client, secret)).json()
            assert (told["acr"], told["amr"], told["auth_time"]) == ("card", ["sc", "mfa"], oauth.clock.at - 5)

    async def test_a_systems_token_says_nothing_of_a_sign_in(self, oauth: OAuth) -> None:
        client = await oauth.backend(may_introspect=True)
        token = (await oauth.by_assertion(oauth.assertion(client))).json()["access_token"]
        claims = await oauth.parts.tokens.claims(token)
        assert (claims.acr, claims.amr, claims.auth_time) == (None, (), 0)

    async def test_discovery_names_the_levels(self, oauth: OAuth) -> None:
        told = (await oauth.http.get("/fhir/.well-known/openid-configuration")).json()
        assert told["acr_values_supported"] == ["level1", "level2", "card"]
        assert {"acr", "amr", "auth_time"} <= set(told["claims_supported"])

    async def test_a_token_from_before_there_were_levels_is_level_one(self, oauth: OAuth) -> None:
        client = await oauth.public()
        grant = await oauth.granted(client, acr="level1", amr=())
        token, _ = await oauth.parts.tokens.mint(grant, client, None, grant.base)
        assert (await oauth.parts.tokens.read(token)).acr == "level1"


class Family:
    """Proxies of whom the records say that the person with p1 acts for some others now."""

    def __init__(self, *children: str) -> None:
        self.children: tuple[str, ...] = children

    async def acts_for(self, patients: Any) -> tuple[str, ...]:
        return self.children if tuple(patients) == ("p1",) else ()

    async def represented(self, patients: Any) -> list[Any]:
        return []

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not asked here")


class TestRelatives:
    async def test_a_grant_for_a_relative_ends_with_the_relation(self) -> None:
        family = Family("p2")
        portal = Portal(proxies=family)
        async with oauth_server(portal=portal) as oauth:
            client = await oauth.public()
            answer = await oauth.tokens(client, patient="p2")
            family.children = ()
            refused = await oauth.refresh(client, answer["refresh_token"])
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

    async def test_whom_one_acts_for_is_asked_each_time_and_not_kept_in_the_token(self) -> None:
        family = Family("p2")
        async with oauth_server(portal=Portal(proxies=family)) as oauth:
            client = await oauth.public()
            answer = await oauth.tokens(client, patient="p2")
            access = await oauth.parts.tokens.read(answer["access_token"])
            assert (access.patients, access.patient) == (("p1",), "p2")
            assert await oauth.parts.patients_of(oauth.account) == ("p1", "p2")

    async def test_one_relative_makes_a_choice_of_two(self) -> None:
        async with page_server(portal=Portal(proxies=Family("p2"))) as server:
            assert (await at_app(server)).path == "/auth/patient"

    async def test_what_was_picked_is_asked_again_once_the_relation_ended(self) -> None:
        family = Family("p2", "p3")
        async with page_server(portal=Portal(proxies=family)) as server:
            seen = await at_app(server)
            request = seen.answer["request"]
            await server.parts.documents.change("requests", request, {"patient": "p3"})
            assert (await server.browser.go("/auth/consent", request=request)).path == "/auth/consent"
            family.children = ("p2",)
            assert (await server.browser.go("/auth/consent", request=request)).path == "/auth/patient"
