"""What people must pass between sign-in and code: contact data that are current, and the conditions of use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from smart_auth.gates import gates
from smart_auth.identity.contact import Contact, ContactChanged
from smart_auth.pages_routes import pages_routes
from smart_auth.portal import Portal
from smart_auth.records import SESSIONS, Account
from smart_auth.sealing import Seal
from smart_auth.settings import SmartSettings
from tests.auth.browsing import ORIGIN, PASSWORD, Browser, PageServer, Seen, asked, page_server
from tests.auth.logons import Letters

CONTACT = Contact("ann@example.org", "202-555-0100", ("1 Main St", "Apt 2"), "Norfolk", "VA", "23510")
DAY = 86_400


@dataclass(slots=True)
class Records:
    """The contact data and acceptances of a record, in memory."""

    contacts: dict[str, Contact] = field(default_factory=lambda: {"p1": CONTACT, "p3": Contact()})
    verified: list[tuple[str, str, Contact]] = field(default_factory=list)
    accepted: list[tuple[str, str]] = field(default_factory=list)
    entered: list[tuple[str, str, int]] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    text: str = ""
    is_away: bool = False
    is_overtaken: bool = False

    async def read(self, patient: str) -> Contact | None:
        if self.is_away:
            raise ConnectionError
        return self.contacts.get(patient)

    async def verify(self, account: str, patient: str, contact: Contact) -> None:
        if self.is_overtaken:
            self.contacts[patient] = replace(contact, city="Elsewhere")
            raise ContactChanged
        self.verified.append((account, patient, contact))
        self.contacts[patient] = contact

    async def accept(self, account: Account, version: str) -> str | None:
        self.accepted.append((account.id, version))
        return f"Consent/{account.id}-{version}" if account.kind == "patient" else None

    async def enter(self, account: Account, version: str, accepted_at: int) -> str | None:
        if self.is_away:
            raise ConnectionError
        self.entered.append((account.id, version, accepted_at))
        return f"Consent/{account.id}-{version}"

    async def stands(self, consent: str) -> bool:
        return consent not in self.withdrawn


@dataclass(frozen=True, slots=True)
class Gated:
    """A server with both gates, what they stand on, and its browser."""

    server: PageServer
    records: Records
    letters: Letters

    @property
    def browser(self) -> Browser:
        return self.server.browser

    async def arrive(self, username: str = "ann", **fields: str | None) -> Seen:
        """Sign in on the way from an app; the page where that leads."""
        client = await self.server.client()
        seen = await self.browser.go("/auth/authorize", **asked(client, **fields))
        return await self.browser.sign_in(seen, username)

    async def arrive_again(self, username: str = "ann") -> Seen:
        """The same from a browser that nobody is signed in with."""
        return await replace(self, server=replace(self.server, browser=self.server.another_browser())).arrive(username)

    async def account(self, username: str = "ann") -> Account:
        found = await self.server.parts.accounts.get(f"id-{username}")
        assert found is not None
        return found

    async def set(self, username: str = "ann", **fields: Any) -> None:
        await self.server.parts.accounts.change(f"id-{username}", **fields)

    async def has_passed(self, username: str = "ann") -> None:
        """As if both gates had been passed now."""
        await self.set(username, contact_verified_at=self.server.clock(), conditions_version="3")


@asynccontextmanager
async def gated(settings: SmartSettings | None = None, portal: Portal | None = None) -> AsyncIterator[Gated]:
    records, letters = Records(), Letters()
    portal = portal or Portal(seal=Seal(b"k" * 32), mail=letters, contacts=records, conditions=records)
    async with page_server(settings=settings, portal=portal) as bare:
        app = Starlette(routes=pages_routes(bare.parts, gates(bare.parts)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as http:
            yield Gated(replace(bare, app=app, browser=Browser(http)), records, letters)


@pytest.fixture
async def door() -> AsyncIterator[Gated]:
    async with gated() as made:
        yield made


class TestTheWay:
    async def test_first_contact_data_then_conditions_then_consent(self, door: Gated) -> None:
        seen = await door.arrive()
        assert (seen.path, seen.title) == ("/auth/contact", "Is this how we reach you?")
        seen = await door.browser.send(seen)
        assert (seen.path, seen.title) == ("/auth/conditions", "Conditions of use")
        seen = await door.browser.send(seen, decision="accept")
        assert seen.path == "/auth/consent"
        assert "code" in (await door.browser.allow(seen)).answer
        assert door.records.verified == [("id-ann", "p1", CONTACT)]
        assert door.records.accepted == [("id-ann", "3")]
        assert [each for each in door.server.trail.kinds() if each in ("contact", "conditions")] == [
            "contact",
            "conditions",
        ]

    async def test_whoever_passed_both_is_not_asked_again(self, door: Gated) -> None:
        await door.has_passed()
        assert (await door.arrive()).path == "/auth/consent"

    @pytest.mark.parametrize("path", ["/auth/consent", "/auth/patient", "/auth/conditions"])
    async def test_no_page_leads_past_them(self, door: Gated, path: str) -> None:
        seen = await door.arrive()
        request = seen.form().fields["request"]
        assert (await door.browser.go(path, request=request)).path == "/auth/contact"
        for fields in ({"decision": "allow", "scope": "patient/Patient.rs"}, {"decision": "accept", "version": "3"}):
            sent = {"csrf": seen.form().fields["csrf"], "request": request, **fields}
            response = await door.browser.http.post(path, data=sent, headers={"origin": ORIGIN})
            assert response.status_code == 303
            assert response.headers["location"].startswith("/auth/contact")
        assert door.records.accepted == []

    async def test_a_gate_that_closes_meanwhile_stops_the_answer_to_consent(self, door: Gated) -> None:
        await door.has_passed()
        await door.set(conditions_consent="Consent/c1")
        seen = await door.arrive()
        assert seen.path == "/auth/consent"
        door.records.withdrawn.add("Consent/c1")
        assert (await door.browser.allow(seen)).path == "/auth/conditions"

    @pytest.mark.parametrize(
        ("passed", "told"),
        [
            ({}, "contact-not-verified"),
            ({"contact_verified_at": 2_000_000_000}, "terms-not-accepted"),
        ],
    )
    async def test_without_a_page_the_app_is_told_what_is_missing(
        self, door: Gated, passed: dict[str, Any], told: str
    ) -> None:
        await door.set(**passed)
        await door.arrive()
        client = await door.server.client()
        silent = await door.browser.go("/auth/authorize", **asked(client, prompt="none"))
        assert silent.answer["error"] == "interaction_required"
        assert told in silent.answer["error_description"]

    async def test_a_record_that_cannot_be_asked_lets_nobody_in(self, door: Gated) -> None:
        door.records.is_away = True
        with pytest.raises(ConnectionError):
            await door.arrive()

    async def test_a_form_of_another_page_is_refused(self, door: Gated) -> None:
        seen = await door.arrive()
        assert (await door.browser.send(seen, csrf="made up")).status == 403
        seen = await door.browser.send(seen)
        assert (await door.browser.send(seen, csrf="made up", decision="accept")).status == 403
        assert door.records.accepted == []


class TestContactData:
    async def test_the_page_shows_what_the_record_says_and_nothing_that_cannot_be_changed(self, door: Gated) -> None:
        form = (await door.arrive()).form()
        assert {name: form.fields[name] for name in ("email", "phone", "line1", "line2", "city", "state")} == {
            "email": "ann@example.org",
            "phone": "202-555-0100",
            "line1": "1 Main St",
            "line2": "Apt 2",
            "city": "Norfolk",
            "state": "VA",
        }
        assert not {"name", "birth_date", "identifier"} & set(form.fields)

    async def test_it_is_asked_again_after_as_many_days_as_set(self) -> None:
        async with gated(SmartSettings(contact_verification_days=30)) as door:
            await door.has_passed()
            door.server.clock.pass_seconds(30 * DAY - 1)
            assert (await door.arrive()).path == "/auth/consent"
            door.server.clock.pass_seconds(1)
            seen = await door.arrive_again()
            assert seen.path == "/auth/contact"

    async def test_never_is_zero_days(self) -> None:
        async with gated(SmartSettings(contact_verification_days=0)) as door:
            assert (await door.arrive()).path == "/auth/conditions"

    @pytest.mark.parametrize("username", ["doctor", "admin", "officer"])
    async def test_only_those_with_a_record_of_their_own_are_asked(self, door: Gated, username: str) -> None:
        assert (await door.arrive(username, scope="openid user/Patient.rs")).path == "/auth/conditions"

    async def test_level_1_is_shown_nothing_of_the_record(self, door: Gated) -> None:
        await door.set(level="level1")
        seen = await door.arrive(scope="openid patient/Patient.rs patient/Organization.rs")
        assert seen.path == "/auth/conditions"
        request = seen.form().fields["request"]
        assert (await door.browser.go("/auth/contact", request=request)).path == "/auth/conditions"

    async def test_a_record_that_is_not_there_has_nothing_to_confirm(self, door: Gated) -> None:
        del door.records.contacts["p1"]
        assert (await door.arrive()).path == "/auth/conditions"

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ({"email": "", "phone": ""}, "one way to reach you"),
            ({"email": "ann at example.org"}, "The e-mail address is not one"),
            ({"email": "ann@example.org, eve@example.org"}, "The e-mail address is not one"),
            ({"phone": "call me"}, "The telephone number is not one"),
            ({"city": "x" * 101}, "longer than 100"),
        ],
    )
    async def test_what_reaches_nobody_is_refused_and_kept_in_the_form(
        self, door: Gated, typed: dict[str, str], said: str
    ) -> None:
        seen = await door.browser.send(await door.arrive(), **typed)
        assert (seen.status, seen.path) == (400, "/auth/contact")
        assert said in seen.text
        for name, value in typed.items():
            assert seen.form().fields[name] == value
        assert door.records.verified == []
        assert (await door.account()).contact_verified_at is None

    async def test_whoever_has_no_home_is_let_in(self, door: Gated) -> None:
        seen = await door.browser.send(await door.arrive(), line1="", line2="", city="", state="", postal_code="")
        assert seen.path == "/auth/conditions"
        assert door.records.contacts["p1"] == Contact("ann@example.org", "202-555-0100")

    async def test_what_the_page_has_no_room_for_stays(self, door: Gated) -> None:
        long = replace(CONTACT, lines=("1", "2", "3", "4", "5"))
        door.records.contacts["p1"] = long
        await door.browser.send(await door.arrive(), city="Reston")
        assert door.records.contacts["p1"] == replace(long, city="Reston")

    async def test_what_changed_since_the_page_was_drawn_is_shown_and_not_overwritten(self, door: Gated) -> None:
        seen = await door.arrive()
        door.records.contacts["p1"] = replace(CONTACT, city="Reston")
        seen = await door.browser.send(seen, phone="202-555-0111")
        assert (seen.status, seen.form().fields["city"]) == (409, "Reston")
        assert "was changed in the meantime" in seen.text
        assert door.records.verified == []
        assert (await door.browser.send(seen)).path == "/auth/conditions"

    async def test_a_lost_race_shows_the_page_again(self, door: Gated) -> None:
        door.records.is_overtaken = True
        seen = await door.browser.send(await door.arrive())
        assert (seen.status, seen.form().fields["city"]) == (409, "Elsewhere")
        assert (await door.account()).contact_verified_at is None

    async def test_the_same_form_sent_twice_is_answered_once(self, door: Gated) -> None:
        seen = await door.arrive()
        await door.browser.send(seen)
        assert (await door.browser.send(seen, phone="202-555-0199")).path == "/auth/conditions"
        assert [each[2].phone for each in door.records.verified] == ["202-555-0100"]


class TestANewAddress:
    async def test_it_is_confirmed_by_a_link(self, door: Gated) -> None:
        await door.set(email="ann@example.org", email_verified_at=1)
        await door.browser.send(await door.arrive(), email="new@example.org", password=PASSWORD)
        (letter,) = door.letters.sent
        assert letter.to == "new@example.org"
        token = door.letters.link().partition("?token=")[2]
        link = await door.server.parts.mail_links.find("email", token)
        assert link is not None
        assert (link.subject, door.server.parts.mail_links.content(link)) == ("id-ann", "new@example.org")
        # Until then the old one stands for whatever is sent to the account.
        assert (await door.account()).email == "ann@example.org"

    async def test_the_letter_holds_nobodys_name_and_nothing_of_the_record(self, door: Gated) -> None:
        await door.browser.send(await door.arrive(), email="new@example.org", password=PASSWORD)
        (letter,) = door.letters.sent
        for secret in ("p1", "Ann", "Norfolk", "202-555"):
            assert secret not in letter.text + letter.subject

    async def test_the_one_that_is_known_is_not_asked_for_again(self, door: Gated) -> None:
        await door.set(email="ann@example.org", email_verified_at=1)
        await door.browser.send(await door.arrive())
        assert door.letters.sent == []

    @pytest.mark.parametrize("email", ["new@example.org", ""])
    async def test_it_takes_the_password(self, door: Gated, email: str) -> None:
        seen = await door.arrive()
        for password in ("", "wrong"):
            refused = await door.browser.send(seen, email=email, password=password)
            assert refused.status == 401 and "not recognized" in refused.text
            assert (refused.form().fields["email"] or "") == email and not refused.form().fields["password"]
        assert (door.records.verified, door.letters.sent) == ([], [])
        assert door.server.trail.events[-1].text == "e-mail address not changed: the password was wrong"
        assert (await door.browser.send(seen, email=email, password=PASSWORD)).path == "/auth/conditions"

    async def test_guesses_at_it_lock_the_name(self, door: Gated) -> None:
        seen = await door.arrive()
        for _ in range(5):
            await door.browser.send(seen, email="new@example.org", password="wrong")
        assert (await door.browser.send(seen, email="new@example.org", password=PASSWORD)).status == 429
        assert door.records.verified == []

    async def test_who_has_no_password_changes_it_by_card(self, door: Gated) -> None:
        seen = await door.arrive()
        await door.set(password_hash="")
        assert (await door.browser.send(seen, email="new@example.org")).status == 401
        (session,) = await door.server.parts.documents.find(SESSIONS, {})
        await door.server.parts.documents.change(SESSIONS, session["id"], {"acr": "card"})
        assert (await door.browser.send(seen, email="new@example.org")).path == "/auth/conditions"
        assert door.letters.sent[-1].to == "new@example.org"

    async def test_an_address_that_an_app_wrote_into_the_record_gets_no_letters_without_it(self, door: Gated) -> None:
        await door.set(email="mine@example.org", email_verified_at=1)
        assert (await door.browser.send(await door.arrive())).path == "/auth/conditions"
        assert door.letters.sent == []
        await door.set(contact_verified_at=None)
        client = await door.server.client()
        seen = await door.browser.go("/auth/authorize", **asked(client))
        await door.browser.send(seen, password=PASSWORD)
        assert [each.to for each in door.letters.sent] == ["ann@example.org"]

    async def test_a_record_without_one_is_offered_the_one_that_the_account_has_confirmed(self, door: Gated) -> None:
        door.records.contacts["p1"] = Contact(phone="202-555-0100")
        await door.set(email="ann@example.org", email_verified_at=1)
        seen = await door.arrive()
        assert seen.form().fields["email"] == "ann@example.org"
        assert (await door.browser.send(seen)).path == "/auth/conditions"
        assert door.records.contacts["p1"].email == "ann@example.org"
        assert door.letters.sent == []

    async def test_an_address_that_nobody_has_confirmed_is_not_offered(self, door: Gated) -> None:
        door.records.contacts["p1"] = Contact(phone="202-555-0100")
        await door.set(email="ann@example.org", email_verified_at=None)
        assert (await door.arrive()).form().fields["email"] in ("", None)

    async def test_without_mail_the_page_says_who_helps_and_lets_in(self, door: Gated) -> None:
        door.letters.is_available = False
        seen = await door.arrive()
        assert "the help desk confirms" in seen.text
        assert (await door.browser.send(seen, email="new@example.org", password=PASSWORD)).path == "/auth/conditions"
        assert door.letters.sent == []


class TestOnesOwnContactPage:
    """Whoever was asked once finds the page again by themselves."""

    async def at_home(self, door: Gated, username: str = "ann") -> Seen:
        await door.browser.sign_in(await door.browser.go("/auth/login"), username)
        return await door.browser.go("/auth/manage")

    async def test_it_is_linked_and_changes_the_record_and_the_address(self, door: Gated) -> None:
        assert "/auth/contact" in (await self.at_home(door)).html.xpath("//main//a/@href")
        seen = await door.browser.go("/auth/contact")
        assert seen.status == 200 and "is let in" not in seen.text
        seen = await door.browser.send(seen, email="new@example.org", password=PASSWORD)
        assert (seen.path, seen.status) == ("/auth/contact", 200) and "written into your record" in seen.text
        assert door.records.contacts["p1"].email == "new@example.org"
        assert [each.to for each in door.letters.sent] == ["new@example.org"]

    async def test_a_new_address_takes_the_password_there_too(self, door: Gated) -> None:
        await self.at_home(door)
        before = door.records.contacts["p1"]
        seen = await door.browser.send(
            await door.browser.go("/auth/contact"), email="new@example.org", password="wrong"
        )
        assert seen.status == 401
        assert door.records.contacts["p1"] == before and not door.letters.sent

    async def test_who_is_not_signed_in_does_so_first_and_comes_back(self, door: Gated) -> None:
        seen = await door.browser.go("/auth/contact")
        assert seen.path == "/auth/login"
        assert (await door.browser.sign_in(seen)).path == "/auth/contact"

    async def test_level_1_and_those_without_a_record_see_none(self, door: Gated) -> None:
        await door.set(level="level1")
        seen = await self.at_home(door)
        assert "/auth/contact" not in seen.html.xpath("//main//a/@href")
        assert (await door.browser.go("/auth/contact")).status == 403

    async def test_a_form_of_another_page_changes_nothing(self, door: Gated) -> None:
        await self.at_home(door)
        before = door.records.contacts["p1"]
        answer = await door.browser.http.post("/auth/contact", data={"csrf": "made-up", "phone": "555-0199"})
        assert answer.status_code == 403
        assert door.records.contacts["p1"] == before


class TestConditions:
    async def passed_contact(self, door: Gated) -> Seen:
        await door.set(contact_verified_at=door.server.clock())
        seen = await door.arrive()
        assert seen.path == "/auth/conditions"
        return seen

    async def test_whoever_declines_goes_back_to_the_app_without_a_code(self, door: Gated) -> None:
        seen = await door.browser.send(await self.passed_contact(door), decision="decline")
        assert seen.answer["error"] == "access_denied"
        assert "terms-not-accepted" in seen.answer["error_description"]
        assert door.records.accepted == []
        assert (await door.account()).conditions_version is None
        assert "grant-refused" in door.server.trail.kinds()

    async def test_a_new_version_is_asked_for(self) -> None:
        async with gated(SmartSettings(conditions_version="4")) as door:
            await door.has_passed()
            seen = await door.arrive()
            assert seen.path == "/auth/conditions"
            assert "version 4" in seen.text
            await door.browser.send(seen, decision="accept")
            account = await door.account()
            assert (account.conditions_version, account.conditions_consent) == ("4", "Consent/id-ann-4")

    async def test_an_answer_to_another_version_than_is_asked_for_is_none(self, door: Gated) -> None:
        seen = await door.browser.send(await self.passed_contact(door), decision="accept", version="2")
        assert seen.path == "/auth/conditions"
        assert door.records.accepted == []

    async def test_whoever_has_no_record_accepts_too(self, door: Gated) -> None:
        seen = await door.arrive("doctor", scope="openid user/Patient.rs")
        assert (await door.browser.send(seen, decision="accept")).path == "/auth/consent"
        account = await door.account("doctor")
        assert (account.conditions_version, account.conditions_consent) == ("3", None)

    async def test_what_was_accepted_before_there_was_a_record_is_entered_once_there_is_one(self, door: Gated) -> None:
        accepted_at = door.server.clock() - DAY
        await door.has_passed()
        await door.set(patients=(), conditions_accepted_at=accepted_at)
        assert (await door.arrive_again()).path != "/auth/conditions"
        assert door.records.entered == []
        await door.set(patients=("p1",))
        assert (await door.arrive_again()).path != "/auth/conditions"
        assert (await door.arrive_again()).path != "/auth/conditions"
        assert door.records.entered == [("id-ann", "3", accepted_at)]
        assert (await door.account()).conditions_consent == "Consent/id-ann-3"

    async def test_a_former_version_is_entered_too_before_the_new_one_is_asked_for(self, door: Gated) -> None:
        await door.has_passed()
        await door.set(conditions_version="2", conditions_accepted_at=1)
        assert (await door.arrive()).path == "/auth/conditions"
        assert door.records.entered == [("id-ann", "2", 1)]

    async def test_what_was_withdrawn_before_it_was_entered_does_not_count(self, door: Gated) -> None:
        await door.has_passed()
        await door.set(conditions_accepted_at=1)
        door.records.withdrawn.add("Consent/id-ann-3")
        assert (await door.arrive()).path == "/auth/conditions"

    async def test_nobody_passes_while_it_cannot_be_entered(self, door: Gated) -> None:
        await door.has_passed()
        await door.set(conditions_accepted_at=1)
        door.records.is_away = True
        with pytest.raises(ConnectionError):
            await door.arrive()

    async def test_an_acceptance_that_was_withdrawn_no_longer_counts(self, door: Gated) -> None:
        await door.browser.send(await self.passed_contact(door), decision="accept")
        door.records.withdrawn.add("Consent/id-ann-3")
        assert (await door.arrive_again()).path == "/auth/conditions"

    async def test_none_are_asked_for_where_there_is_no_version(self) -> None:
        async with gated(SmartSettings(conditions_version="", contact_verification_days=0)) as door:
            assert (await door.arrive()).path == "/auth/consent"

    async def test_anything_but_yes_or_no_is_refused(self, door: Gated) -> None:
        seen = await door.browser.send(await self.passed_contact(door), decision="perhaps")
        assert seen.status == 400
        assert door.records.accepted == []

    async def test_everybody_may_read_them(self, door: Gated) -> None:
        seen = await door.browser.go("/auth/conditions")
        assert (seen.status, seen.title) == (200, "Conditions of use")
        assert not seen.html.forms
        assert "Version 3" in seen.text

    async def test_whoever_runs_the_server_words_them(self, door: Gated) -> None:
        door.records.text = "Be <kind>\nto all.\r\n\r\nAnd careful."
        for seen in (await door.browser.go("/auth/conditions"), await self.passed_contact(door)):
            assert "Be <kind> to all." in seen.text
            assert "Not for emergencies" not in seen.text
            assert "<kind>" not in seen.response.text

    async def test_two_answers_at_once_are_one(self, door: Gated) -> None:
        seen = await self.passed_contact(door)
        sent = await asyncio.gather(*(door.browser.send(seen, decision="accept") for _ in range(2)))
        assert {each.path for each in sent} == {"/auth/consent"}
        assert (await door.account()).conditions_consent == "Consent/id-ann-3"
