"""Registrations that wait for a link or for staff: how long, how many, and who may take whose place."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_server.record_proxies import RecordProxies
from smart_auth import registration_pages
from smart_auth.records import ACCOUNTS, REGISTRATION_FILES, REGISTRATIONS
from tests.auth.browsing import Seen
from tests.auth.registering import ENTRIES, PASSWORD, PDF, Registering, registering, sent_with_file
from tests.rest.writers import person

DAY = 86_400
DOD = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
KIM = {"name": "Kim Example", "birth_date": "2020-05-05", "relationship": "child"}
PAT = {"name": "Pat Example", "birth_date": "1981-01-01", "relationship": "spouse", "email": "pat@example.org"}
SPONSOR = {"sponsor_name": "Ann Example", "sponsor_birth_date": "1980-07-04", "sponsor_dod_id": "9900000041"}
LOGON = {"username": "pat", "password": PASSWORD, "again": PASSWORD, "dod_id": "9900000058"}


@pytest.fixture
async def desk(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registering]:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    async with registering(mongodb_uri, database_name) as made:
        yield made


async def enrolled(desk: Registering, username: str = "ann", **fields: str) -> Seen:
    """A sponsor enrolls somebody."""
    browser = desk.pages.another_browser()
    await browser.sign_in(await browser.go("/auth/login"), username)
    form = await browser.go("/auth/family/enroll")
    return await sent_with_file(browser, form, PDF, **{"proof": "birth-certificate", **fields})


async def another_sponsor(desk: Registering) -> None:
    """Whom the registry names as the sponsor of both as well, once it was put right; an account of theirs."""
    await desk.record.stored(person("p9", identifier=[{"system": DOD, "value": "9900000074"}]))
    await desk.pages.person("bo", patients=("p9",), fhir_user="Patient/p9")
    statuses = [{"beneficiary_class": "active-duty", "start": "2005-01-01"}]
    bo = {"dod_id": "9900000074", "family": "Other", "given": ["Bo"], "birth_date": "1979-01-01", "statuses": statuses}
    held = {"family": "Example", "sponsor_dod_id": "9900000074"}
    kim = {
        **held,
        "dod_id": "9900000033",
        "given": ["Kim"],
        "birth_date": "2020-05-05",
        "statuses": [{"beneficiary_class": "dependent-child", "start": "2020-05-05"}],
        "relationship": "child",
    }
    pat = {
        **held,
        "dod_id": "9900000058",
        "given": ["Pat"],
        "birth_date": "1981-01-01",
        "statuses": [{"beneficiary_class": "dependent-spouse", "start": "2010-01-01"}],
        "relationship": "spouse",
    }
    await desk.registry.seed([bo, kim, pat])


async def only(desk: Registering) -> dict[str, Any]:
    (kept,) = await desk.parts.documents.find(REGISTRATIONS, {})
    return kept


async def decided(desk: Registering, decision: str) -> None:
    staff = await desk.staff()
    await staff.send(await staff.go("/auth/registrations"), decision=decision)


class TestOnHold:
    async def test_after_ninety_days_it_ends_with_its_reason_and_nothing_sealed_is_left(
        self, desk: Registering
    ) -> None:
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        (task,) = await desk.record.rows("Task")
        letters = len(desk.letters.sent)
        desk.pages.clock.seconds += 90 * DAY - 60
        await desk.registrations.sweep()
        assert (await only(desk))["sealed"] is not None
        desk.pages.clock.seconds += 120
        for _ in range(2):
            await desk.registrations.sweep()
        ended = await desk.registrar.progress(task["_id"])
        assert (ended.status, ended.reason) == ("cancelled", "deers-discrepancy")
        kept = await only(desk)
        assert (kept["status"], kept["sealed"], kept["password_hash"]) == ("cancelled", None, "")
        assert [row["_id"] for row in await desk.record.rows("Communication")] == [f"{task['_id']}-notice"]
        assert len(desk.letters.sent) == letters + 1
        (account,) = await desk.parts.documents.find(ACCOUNTS, {"added_by": "registration"})
        assert account["is_disabled"]

    async def test_its_owner_registers_anew_afterwards(self, desk: Registering) -> None:
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        desk.pages.clock.seconds += 91 * DAY
        await desk.registrations.sweep()
        await desk.register("retiree", username="robin2")
        await desk.confirm()
        assert await desk.signs_in("robin2")

    async def test_a_proof_that_was_refused_is_waited_for_from_then_on(self, desk: Registering) -> None:
        await desk.register("veteran")
        await desk.confirm()
        desk.pages.clock.seconds += 80 * DAY
        await decided(desk, "refuse-proof")
        desk.pages.clock.seconds += 80 * DAY
        await desk.registrations.sweep()
        assert (await only(desk))["decided_at"] is None
        desk.pages.clock.seconds += 11 * DAY
        await desk.registrations.sweep()
        assert (await only(desk))["status"] == "cancelled"

    async def test_who_is_proven_takes_the_place_of_who_is_on_hold(self, desk: Registering) -> None:
        """Somebody who knows both numbers and a name could keep its owner out otherwise."""
        await desk.register("retiree", birth_date="1955-02-04", email="thief@example.org", username="thief")
        await desk.confirm()
        desk.pages.clock.seconds += 60
        await desk.register("retiree")
        await desk.confirm()
        assert await desk.signs_in()
        assert not await desk.signs_in("thief")
        await desk.registrations.sweep()
        assert not await desk.signs_in("thief")


class TestEnrollments:
    async def test_what_the_sponsor_typed_reaches_the_record_once_staff_accepted_the_proof(
        self, desk: Registering
    ) -> None:
        await enrolled(desk, card_number="DEP-77", assigner="Uniformed Services", **KIM)
        types = ("Patient", "Task", "RelatedPerson", "Person", "DocumentReference", "VerificationResult")
        for type in types:
            assert all(b"DEP-77" not in row["body"] for row in await desk.record.rows(type)), type
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        assert "Their identification card, as the sponsor typed it: DEP-77 of Uniformed Services." in seen.text
        await decided(desk, "accept-proof")
        (patient,) = [row for row in await desk.record.rows("Patient") if row["_id"] != "p1"]
        assert b'"value":"DEP-77"' in patient["body"]
        assert (await only(desk))["sealed"] is None

    async def test_it_never_does_where_they_refused(self, desk: Registering) -> None:
        await enrolled(desk, card_number="DEP-77", **KIM)
        await decided(desk, "reject")
        assert all(b"DEP-77" not in row["body"] for row in await desk.record.rows("Patient"))

    @pytest.mark.parametrize("number", ["912-34-5678", "912345678"])
    async def test_a_social_security_number_is_no_number_of_a_card(self, desk: Registering, number: str) -> None:
        seen = await enrolled(desk, card_number=number, **KIM)
        assert seen.status == 400
        assert await desk.parts.documents.find(REGISTRATIONS, {}) == []

    async def test_another_sponsor_does_not_displace_one_that_waits(self, desk: Registering) -> None:
        await enrolled(desk, **PAT)
        link = desk.letters.link()
        await another_sponsor(desk)
        desk.pages.clock.seconds += 60
        seen = await enrolled(desk, "bo", **{**PAT, "email": "thief@example.org"})
        assert (seen.status, "This was not recognized." in seen.text) == (401, True)
        # The registry names Ann as the sponsor once more.
        await desk.registry.seed(ENTRIES)
        browser = desk.pages.another_browser()
        await decided(desk, "accept-proof")
        assert (await browser.send(await browser.go(link), birth_date="1981-01-01", **LOGON)).title == "Thank you"
        assert await desk.signs_in("pat")

    async def test_nor_one_of_a_child_that_waits_for_staff(self, desk: Registering) -> None:
        await enrolled(desk, **KIM)
        await another_sponsor(desk)
        desk.pages.clock.seconds += 60 * DAY
        assert (await enrolled(desk, "bo", **KIM)).status == 401
        assert len(await desk.record.rows("RelatedPerson")) == 1

    async def test_once_the_invitation_is_over_another_sponsor_may(self, desk: Registering) -> None:
        await enrolled(desk, **PAT)
        await another_sponsor(desk)
        desk.pages.clock.seconds += 15 * DAY
        assert "has begun" in (await enrolled(desk, "bo", **PAT)).text

    async def test_the_same_sponsor_sends_a_lost_invitation_again(self, desk: Registering) -> None:
        await enrolled(desk, **PAT)
        lost = desk.letters.link()
        desk.pages.clock.seconds += 60
        assert "has begun" in (await enrolled(desk, **PAT)).text
        assert (await desk.pages.another_browser().go(lost)).status == 400
        assert (await desk.pages.another_browser().go(desk.letters.link())).status == 200

    async def test_another_proof_is_handed_in_where_the_first_was_refused_whether_or_not_there_is_a_logon(
        self, desk: Registering
    ) -> None:
        await enrolled(desk, **PAT)
        browser = desk.pages.another_browser()
        seen = await browser.send(await browser.go(desk.letters.link()), birth_date="1981-01-01", **LOGON)
        assert seen.title == "Thank you"
        await decided(desk, "refuse-proof")
        before = await only(desk)
        assert before["account"] is not None and before["status"] == "on-hold"
        desk.pages.clock.seconds += 60
        seen = await enrolled(desk, **{**PAT, "proof": "marriage-certificate", "email": "thief@example.org"})
        assert "has begun" in seen.text
        after = await only(desk)
        assert (after["account"], after["email"], after["status"]) == (before["account"], before["email"], "accepted")
        assert len(await desk.record.rows("DocumentReference")) == 2
        await decided(desk, "accept-proof")
        assert await desk.signs_in("pat")

    async def test_a_registration_that_the_dependent_has_under_way_stays(self, desk: Registering) -> None:
        statuses = [{"beneficiary_class": each, "start": "2015-01-01"} for each in ("retiree", "dependent-spouse")]
        both = {"dod_id": "9900000017", "ssn": "912345678", "family": "Example", "given": ["Robin"]}
        held = {"birth_date": "1955-02-03", "sponsor_dod_id": "9900000041", "relationship": "spouse"}
        await desk.registry.seed([{**both, **held, "statuses": statuses}])
        await desk.register("retiree")
        desk.pages.clock.seconds += 60
        robin = {**PAT, "name": "Robin Example", "birth_date": "1955-02-03", "email": "thief@example.org"}
        assert (await enrolled(desk, **robin)).status == 401
        await desk.confirm()
        assert await desk.signs_in()

    async def test_who_registers_alone_is_not_kept_out_by_a_sponsor(self, desk: Registering) -> None:
        statuses = [{"beneficiary_class": each, "start": "2015-01-01"} for each in ("retiree", "dependent-spouse")]
        both = {"dod_id": "9900000017", "ssn": "912345678", "family": "Example", "given": ["Robin"]}
        held = {"birth_date": "1955-02-03", "sponsor_dod_id": "9900000041", "relationship": "spouse"}
        await desk.registry.seed([{**both, **held, "statuses": statuses}])
        await enrolled(desk, **{**PAT, "name": "Robin Example", "birth_date": "1955-02-03"})
        desk.pages.clock.seconds += 60
        await desk.register("retiree")
        await desk.confirm()
        assert await desk.signs_in()
        assert all(b'"active":false' in row["body"] for row in await desk.record.rows("RelatedPerson"))


class TestHowMany:
    async def test_one_mailbox_is_not_flooded_and_nothing_is_kept_for_it(self, desk: Registering) -> None:
        for number in range(desk.parts.settings.mails_per_hour):
            await desk.register("retiree", ssn=f"99900000{number}", dod_id=f"990000100{number}")
        before = len(desk.letters.sent)
        seen = await desk.register("retiree")
        assert seen.title == "Check your mail"
        assert len(desk.letters.sent) == before
        assert await desk.parts.documents.find(REGISTRATIONS, {}) == []

    async def test_one_network_address_keeps_a_bounded_number(
        self, desk: Registering, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registration_pages, "MOST_KEPT_AN_HOUR", 2)
        for number in range(2):
            await desk.register("veteran", ssn=f"99900000{number}", email=f"v{number}@example.org")
        assert (await desk.register("veteran")).status == 429
        assert await desk.parts.documents.find(REGISTRATION_FILES, {}) == []

    async def test_which_link_is_over_tells_nobody_who_exists(self, desk: Registering) -> None:
        """As somebody whose birth date was guessed, as nobody; by the same address and by another one."""
        for ssn in ("912-34-5678", "999-00-0001"):
            links = []
            for day, address in (("04", "x"), ("05", "x"), ("06", "y"), ("07", "z")):
                fields = {"ssn": ssn, "birth_date": f"1955-02-{day}", "email": f"{address}@example.org"}
                name = "Robin Example" if address != "z" else "Nobody Else"
                await desk.register("retiree", None, name=name, **fields)
                links.append(desk.letters.link())
                desk.pages.clock.seconds += 5
            browser = desk.pages.another_browser()
            assert [(await browser.go(each)).status for each in links] == [400, 200, 200, 200]
            # Nobody is locked out any more.
            desk.pages.clock.seconds += 3600

    async def test_a_name_that_is_taken_is_asked_for_again_at_both_links(self, desk: Registering) -> None:
        forms = []
        for fields in ({}, {"ssn": "999-00-0001"}):
            await desk.register("retiree", None, username="ann", **fields)
            seen = await desk.confirm()
            forms.append(re.sub(r'value="[^"]{20,}"', "", seen.response.text))
            desk.pages.clock.seconds += 5
        assert "This username is taken" in forms[0]
        assert forms[0] == forms[1]


class TestInPerson:
    """Staff begin a dependent's registration for a sponsor who has come to them (domain.md I10)."""

    async def begun(self, desk: Registering, **fields: str) -> Seen:
        staff = await desk.other_staff()
        seen = await staff.go("/auth/registrations")
        assert "/auth/registrations/begin" in seen.response.text
        form = await staff.go("/auth/registrations/begin")
        return await sent_with_file(staff, form, PDF, **{"proof": "birth-certificate", **SPONSOR, **fields})

    async def test_it_waits_where_they_work_and_the_sponsor_acts_once_the_proof_is_accepted(
        self, desk: Registering
    ) -> None:
        seen = await self.begun(desk, **KIM)
        assert "The registration has begun." in seen.text and "Kim Example: accepted" in seen.text
        (waiting,) = await desk.registrar.open_tasks("Practitioner/d1")
        task = await desk.record.now(f"Task/{waiting.task}")
        assert task["requester"] == {"reference": "Practitioner/d2"}
        assert task["owner"]["reference"] in ("Organization/agency-dod", "Organization/agency-va")
        assert await acting(desk) == ()
        await decided(desk, "accept-proof")
        assert await acting(desk) == (task["for"]["reference"].partition("/")[2],)
        (consent,) = await desk.record.rows("Consent")
        assert b"RelatedPerson" in consent["body"]

    @pytest.mark.parametrize("decision", ["accept-proof", "refuse-proof", "confirm-person"])
    async def test_who_began_it_does_not_decide_it(self, desk: Registering, decision: str) -> None:
        await self.begun(desk, **KIM)
        staff = await desk.other_staff()
        seen = await staff.send(await staff.go("/auth/registrations"), decision=decision)
        assert (seen.status, "You began this registration yourself" in seen.text) == (403, True)
        event = desk.pages.trail.events[-1]
        assert (event.kind, event.outcome) == ("registration", "failed")
        assert await acting(desk) == ()

    async def test_a_spouse_gets_an_invitation_all_the_same(self, desk: Registering) -> None:
        await self.begun(desk, **PAT)
        await decided(desk, "accept-proof")
        browser = desk.pages.another_browser()
        seen = await browser.send(await browser.go(desk.letters.link()), birth_date="1981-01-01", **LOGON)
        assert seen.title == "Thank you"
        assert await desk.signs_in("pat")
        assert await acting(desk) == ()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"sponsor_dod_id": "9900000042"},
            {"sponsor_dod_id": "9900000025"},
            {"sponsor_name": "Ann Other"},
            {"sponsor_birth_date": "1980-07-05"},
            {"name": "Lee Example"},
            {"relationship": "parent"},
        ],
    )
    async def test_what_does_not_fit_the_registry_is_refused_by_one_text(
        self, desk: Registering, wrong: dict[str, str]
    ) -> None:
        seen = await self.begun(desk, **{**KIM, **wrong})
        assert (seen.status, "This was not recognized." in seen.text) == (401, True)
        assert await desk.record.rows("Task") == []

    async def test_nobody_begins_it_who_decides_none(self, desk: Registering) -> None:
        await desk.pages.person("visitor", kind="practitioner", fhir_user="Practitioner/without-a-role")
        for username in ("visitor", "ann", "admin"):
            browser = desk.pages.another_browser()
            await browser.sign_in(await browser.go("/auth/login"), username)
            assert (await browser.go("/auth/registrations/begin")).status == 403, username
        assert (await desk.pages.another_browser().go("/auth/registrations/begin")).title == "Sign in"


async def test_staff_decide_a_contested_relationship_at_their_page(desk: Registering) -> None:
    await enrolled(desk, **KIM)
    await decided(desk, "accept-proof")
    (child,) = await acting(desk)
    ann = await desk.parts.accounts.by_login("ann")
    (related,) = await desk.record.rows("RelatedPerson")
    assert ann is not None
    for decision, acts_for in (("accept-relation", (child,)), ("refuse-relation", ())):
        await RecordProxies(desk.registrar.writer).contest(ann, child, related["_id"])
        assert await acting(desk) == ()
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        assert "A contested relationship" in seen.text and "of Kim Example" in seen.text
        seen = await staff.send(seen, decision=decision)
        assert "Your decision was recorded." in seen.text
        assert "A contested relationship" not in seen.text
        assert await acting(desk) == acts_for


async def acting(desk: Registering) -> tuple[str, ...]:
    """For whom Ann acts now."""
    desk.registrar.writer.server.database.noted.clear()
    return await RecordProxies(desk.registrar.writer).acts_for(("p1",))
