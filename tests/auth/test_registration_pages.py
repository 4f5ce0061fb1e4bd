"""People register in a browser: what they type, the letters they get, and what staff decide (domain.md I1 to I14)."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
import pytest

from fhir_server.registrar import RecordRegistrar
from smart_auth import invitation_pages, registration_pages
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.records import ACCOUNTS, REGISTRATION_FILES, REGISTRATIONS
from tests.auth.browsing import Browser, Seen
from tests.auth.registering import PASSWORD, PDF, RETIREE, VETERAN, Registering, registering, sent_with_file

CHECK_MAIL = "Check your mail"


@pytest.fixture
async def desk(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registering]:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    async with registering(mongodb_uri, database_name) as made:
        yield made


def token_of(text: str) -> str:
    """The token of a letter's link."""
    return text.partition("token=")[2].split()[0]


async def everything(desk: Registering) -> str:
    """All documents of sign-in but the registry's, all of the record, all audit events and all letters, as one text."""
    kinds = desk.parts.documents._kinds  # type: ignore[attr-defined]
    documents = {kind: [held.document for held in some.values()] for kind, some in kinds.items()}
    record = []
    for type in ("Patient", "Task", "VerificationResult", "Communication", "Person", "DocumentReference", "Coverage"):
        record += [row["body"].decode() for row in await desk.record.rows(type)]
    letters = [f"{each.to} {each.subject} {each.text}" for each in desk.letters.sent]
    return " ".join([repr(documents), *record, repr(desk.pages.trail), *letters])


class TestRetirees:
    async def test_both_numbers_and_the_letter_make_an_account_with_the_record(self, desk: Registering) -> None:
        seen = await desk.register("retiree")
        assert seen.title == CHECK_MAIL
        assert not await desk.signs_in()
        seen = await desk.confirm()
        assert seen.title == "Thank you"
        account = await desk.with_record()
        assert (account.level, account.added_by, account.name) == ("level2", "registration", "Robin Example")
        (patient,) = account.patients
        names = (await desk.record.now(f"Patient/{patient}"))["name"]
        assert names == [{"use": "official", "family": "Example", "given": ["Robin"]}]
        assert await desk.signs_in()
        assert [each.subject for each in desk.letters.sent] == ["Confirm your registration", "Registration complete"]
        assert [row["_id"].endswith("-notice") for row in await desk.record.rows("Communication")] == [True]

    async def test_the_link_alone_is_not_enough(self, desk: Registering) -> None:
        await desk.register("retiree")
        seen = await desk.confirm(password="something else entirely")
        assert seen.status == 401
        assert await desk.parts.documents.find(ACCOUNTS, {"username": "robin"}) == []
        assert (await desk.confirm()).title == "Thank you"

    async def test_a_link_is_good_once_and_a_newer_one_ends_it(self, desk: Registering) -> None:
        await desk.register("retiree")
        lost = desk.letters.link()
        desk.pages.clock.seconds += 5
        await desk.register("retiree")
        browser = desk.pages.another_browser()
        assert (await browser.go(lost)).status == 400
        mistyped = desk.letters.link()
        desk.pages.clock.seconds += 5
        await desk.register("retiree", email="robin.new@example.org")
        link = desk.letters.link()
        await desk.confirm(mistyped)
        assert desk.letters.sent[-1].subject == "Your registration"
        assert await desk.parts.accounts.by_login("robin") is None
        await desk.confirm(link)
        assert (await browser.go(link)).status == 400
        account = await desk.parts.accounts.by_login("robin")
        assert account is not None
        assert account.email == "robin.new@example.org"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"dod_id": "9900000018"},
            {"ssn": "912345679"},
            {"ssn": "923456789"},
            {"name": "Robin Other"},
            {"birth_date": "1955-02-04"},
            {"name": "Somebody Else", "birth_date": "1950-01-01"},
        ],
    )
    async def test_whatever_is_wrong_the_page_and_the_letter_are_the_same(
        self, desk: Registering, wrong: dict[str, str]
    ) -> None:
        right = await desk.register("retiree", email="first@example.org", username="first")
        desk.pages.clock.seconds += 5
        seen = await desk.register("retiree", None, **wrong)
        assert (seen.status, seen.text, seen.address) == (right.status, right.text, right.address)
        first, letter = desk.letters.sent
        assert letter.to == "robin@example.org"
        assert letter.text.replace(token_of(letter.text), "") == first.text.replace(token_of(first.text), "")
        assert await desk.record.rows("Task") == []
        seen = await desk.confirm()
        assert seen.title == "Thank you"
        assert desk.letters.sent[-1].to == "robin@example.org"
        assert "It could not be completed with what was entered." in desk.letters.sent[-1].text
        assert "http" not in desk.letters.sent[-1].text
        assert not await desk.signs_in()

    async def test_a_discrepancy_is_held_until_staff_confirm_the_person(self, desk: Registering) -> None:
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        (task,) = await desk.record.rows("Task")
        held = await desk.registrar.progress(task["_id"])
        assert (held.status, held.reason) == ("on-hold", "deers-discrepancy")
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        assert "Robin Example, born 1955-02-03" in seen.text
        assert "deers-discrepancy" in seen.text
        seen = await staff.send(seen, decision="confirm-person")
        assert "Your decision was recorded." in seen.text
        assert await desk.signs_in()

    async def test_who_differs_does_not_displace_who_was_proven(self, desk: Registering) -> None:
        await desk.register("retiree")
        desk.pages.clock.seconds += 5
        await desk.register("retiree", birth_date="1955-02-04", email="thief@example.org", username="thief")
        assert [each.to for each in desk.letters.sent] == ["robin@example.org", "thief@example.org"]
        right, blind = (re.search(r"http://\S+", each.text) for each in desk.letters.sent)
        assert right is not None and blind is not None
        await desk.confirm(blind.group())
        assert "could not be completed" in desk.letters.sent[-1].text
        assert await desk.record.rows("Task") == []
        await desk.confirm(right.group())
        assert await desk.signs_in()

    async def test_staff_see_where_the_letter_would_go(self, desk: Registering) -> None:
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        staff = await desk.staff()
        assert "robin@example.org" in (await staff.go("/auth/registrations")).text

    async def test_after_the_registry_was_put_right_it_is_asked_again(self, desk: Registering) -> None:
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        entry = {"dod_id": "9900000017", "family": "Example", "given": ["Robin"], "birth_date": "1955-02-04"}
        statuses = [{"beneficiary_class": "retiree", "start": "2015-01-01"}]
        await desk.registry.seed([{**entry, "ssn": "912345678", "statuses": statuses}])
        staff = await desk.staff()
        await staff.send(await staff.go("/auth/registrations"), decision="check-again")
        assert await desk.signs_in()

    async def test_who_is_not_eligible_is_rejected_and_told_no_more_than_others(self, desk: Registering) -> None:
        await desk.register("retiree", name="José Núñez", ssn="923456789", dod_id="9900000025", birth_date="1990-06-30")
        await desk.confirm()
        (task,) = await desk.record.rows("Task")
        ended = await desk.registrar.progress(task["_id"])
        assert (ended.status, ended.reason) == ("rejected", "not-eligible")
        assert [each.subject for each in desk.letters.sent] == ["Confirm your registration", "Your registration"]
        assert "It could not be completed" in desk.letters.sent[-1].text
        (kept,) = await desk.parts.documents.find(REGISTRATIONS, {})
        assert (kept["status"], kept["sealed"], kept["password_hash"]) == ("rejected", None, "")

    async def test_a_name_that_is_taken_is_asked_for_again_past_the_letter_alone(self, desk: Registering) -> None:
        seen = await desk.register("retiree", username="ann")
        assert seen.title == CHECK_MAIL
        seen = await desk.confirm()
        assert "This username is taken" in seen.text
        seen = await desk.pages.another_browser().go(desk.letters.link())
        assert seen.status == 400
        assert (await desk.parts.documents.find(REGISTRATIONS, {}))[0]["account"] is None

    async def test_all_that_is_wrong_with_the_form_is_said_at_once(self, desk: Registering) -> None:
        seen = await desk.register("retiree", email="nowhere", password="short", again="other", birth_date="soon")
        assert seen.status == 400
        for words in ("birth date such as", "name@example.org", "at least 15 characters", "not the same"):
            assert words in seen.text
        assert PASSWORD not in seen.response.text
        assert desk.letters.sent == []

    async def test_while_the_registry_is_away_nobody_is_let_in_or_refused_for_good(
        self, desk: Registering, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(self: Any, ssn: str) -> None:
            raise RegistryUnavailable

        with monkeypatch.context() as changed:
            changed.setattr(type(desk.registry), "by_ssn", away)
            assert (await desk.register("retiree")).status == 503
        assert (await desk.register("retiree")).title == CHECK_MAIL

    async def test_numbers_are_not_tried_out(self, desk: Registering) -> None:
        for _ in range(desk.parts.settings.failed_logins):
            await desk.register("retiree", name="Somebody Else", birth_date="1950-01-01")
        assert (await desk.register("retiree")).status == 429

    async def test_without_mail_the_help_desk_does_it(self, desk: Registering) -> None:
        desk.letters.is_available = False
        seen = await desk.pages.browser.go("/auth/registration/retiree")
        assert seen.status == 503
        assert "Global Service Center" in seen.text


class TestVeterans:
    async def test_a_proof_and_a_second_look_make_an_account(self, desk: Registering) -> None:
        assert (await desk.register("veteran")).title == CHECK_MAIL
        await desk.confirm()
        assert not await desk.signs_in()
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        assert "José Núñez Jr., born 1990-06-30" in seen.text
        (link,) = seen.html.xpath("//main//a[contains(@href, 'proof=')]/@href")
        file = await staff.http.get(link)
        assert file.content == PDF
        assert file.headers["content-disposition"].startswith("attachment")
        await staff.send(seen, decision="accept-proof")
        assert await desk.signs_in()
        assert (await desk.with_record()).level == "level2"
        assert [each.subject for each in desk.letters.sent] == ["Confirm your registration", "Registration complete"]

    async def test_before_the_link_was_used_nothing_of_it_is_in_the_record(self, desk: Registering) -> None:
        types = ("Task", "VerificationResult", "DocumentReference", "Binary", "Patient", "Person", "Communication")
        before = {type: len(await desk.record.rows(type)) for type in types}
        await desk.register("veteran")
        for fields in ({"ssn": "923456780"}, {"birth_date": "1990-07-30"}):
            await desk.register("veteran", None, email="other@example.org", username="other", **fields)
        await desk.registrations.sweep()
        await desk.registrar.sweep()
        assert {type: len(await desk.record.rows(type)) for type in types} == before
        (file,) = await desk.parts.documents.find(REGISTRATION_FILES, {})
        assert PDF not in repr(file).encode()

    @pytest.mark.parametrize("size", [100, 4_194_304, 4_194_305])
    async def test_the_proof_comes_into_the_record_with_the_link_and_is_kept_beside_it_no_longer(
        self, desk: Registering, size: int
    ) -> None:
        content = PDF + bytes(size - len(PDF))
        browser = desk.pages.another_browser()
        await sent_with_file(
            browser, await browser.go("/auth/registration/veteran"), content, proof="dd-214", **VETERAN
        )
        await desk.confirm()
        assert await desk.parts.documents.find(REGISTRATION_FILES, {}) == []
        (waiting,) = await desk.registrar.open_tasks("Practitioner/d1")
        assert await desk.registrar.proof("Practitioner/d1", waiting.proofs[0][1]) == ("application/pdf", content)

    async def test_the_proof_is_erased_when_the_link_ends_or_another_registration_takes_its_place(
        self, desk: Registering
    ) -> None:
        for _ in range(2):
            await desk.register("veteran")
            desk.pages.clock.seconds += 5
        assert len(await desk.parts.documents.find(REGISTRATION_FILES, {})) == 1
        desk.pages.clock.seconds += 24 * 3600
        await desk.registrations.sweep()
        assert await desk.parts.documents.find(REGISTRATION_FILES, {}) == []

    async def test_what_was_cut_off_at_the_link_is_made_up_for(
        self, desk: Registering, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.register("veteran")

        async def away(self: Any, *arguments: Any) -> None:
            raise RegistryUnavailable

        for owner, method in (
            (type(desk.registry), "by_ssn"),
            (RecordRegistrar, "hand_in"),
            (RecordRegistrar, "complete"),
        ):
            with monkeypatch.context() as changed:
                changed.setattr(owner, method, away)
                if method == "by_ssn":
                    assert (await desk.confirm()).title == "Thank you"
                else:
                    await desk.registrations.sweep()
        for _ in range(2):
            await desk.registrations.sweep()
        await accepted(desk)
        assert await desk.signs_in()
        assert len(await desk.record.rows("Task")) == 2
        assert len(await desk.record.rows("DocumentReference")) == 1

    @pytest.mark.parametrize("content", [b"MZ\x90 a program", b"<html>", b"", b"%PD"])
    async def test_a_file_that_is_no_document_is_not_taken(self, desk: Registering, content: bytes) -> None:
        browser = desk.pages.another_browser()
        form = await browser.go("/auth/registration/veteran")
        seen = await sent_with_file(browser, form, content, proof="dd-214", **VETERAN)
        assert seen.status == 400
        assert "PDF" in seen.text or "one file" in seen.text
        assert await desk.record.rows("Binary") == []

    async def test_a_proof_that_is_too_long_is_not_read(self, desk: Registering) -> None:
        browser = desk.pages.another_browser()
        form = await browser.go("/auth/registration/veteran")
        long = PDF + b"x" * desk.parts.settings.proof_bytes_max
        assert (await sent_with_file(browser, form, long, proof="dd-214", **VETERAN)).status == 413

    async def test_who_is_rejected_gets_a_letter_and_no_account(self, desk: Registering) -> None:
        await desk.register("veteran")
        await desk.confirm()
        staff = await desk.staff()
        await staff.send(await staff.go("/auth/registrations"), decision="reject")
        assert not await desk.signs_in()
        assert "It could not be completed" in desk.letters.sent[-1].text
        account = await desk.parts.accounts.by_login("robin")
        assert account is not None
        assert account.is_disabled


@pytest.mark.parametrize("page", [registration_pages, invitation_pages])
async def test_nobody_is_told_by_the_clock_whether_somebody_is_known(
    desk: Registering, monkeypatch: pytest.MonkeyPatch, page: Any
) -> None:
    evened: list[float] = []

    async def in_even_time(work: Awaitable[None], seconds: float) -> None:
        evened.append(seconds)
        await work

    monkeypatch.setattr(page, "in_even_time", in_even_time)
    for number, fields in enumerate(({}, {"name": "Somebody Else", "birth_date": "1950-01-01"})):
        await desk.register("veteran", None, username=f"name{number}", **fields)
        await desk.confirm()
        assert evened == [page.EVEN_SECONDS] * (number + 1)


class TestStaff:
    async def test_nobody_else_sees_the_page(self, desk: Registering) -> None:
        browser = desk.pages.browser
        assert (await browser.go("/auth/registrations")).title == "Sign in"
        await browser.sign_in(await browser.go("/auth/login"))
        assert (await browser.go("/auth/registrations")).status == 403

    async def test_a_decision_counts_once(self, desk: Registering) -> None:
        await desk.register("veteran")
        await desk.confirm()
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        await staff.send(seen, decision="accept-proof")
        again = await staff.send(seen, decision="reject")
        assert again.status == 409
        assert await desk.signs_in()

    async def test_a_document_of_no_registration_is_not_shown(self, desk: Registering) -> None:
        staff = await desk.staff()
        assert (await staff.http.get("/auth/registrations?proof=DocumentReference/any")).status_code == 404

    async def test_what_was_decided_by_rest_is_followed_up(self, desk: Registering) -> None:
        await desk.register("veteran")
        await desk.confirm()
        (waiting,) = await desk.registrar.open_tasks("Practitioner/d1")
        await desk.registrar.decide(waiting.task, "accept-proof", "Practitioner/d1")
        assert not await desk.signs_in()
        await desk.registrations.sweep()
        assert await desk.signs_in()


class TestSponsors:
    async def test_a_sponsor_enrolls_a_child(self, desk: Registering) -> None:
        seen = await enrolled(desk, name="Kim Example", birth_date="2020-05-05", relationship="child")
        assert "The registration has begun." in seen.text
        assert "Kim Example: accepted" in seen.text
        await accepted(desk)
        (related,) = await desk.record.rows("RelatedPerson")
        assert b'"active":true' in related["body"]
        assert len(await desk.record.rows("Consent")) == 1
        assert desk.letters.sent == []

    async def test_a_spouse_gets_a_letter_and_takes_up_a_logon_of_their_own(self, desk: Registering) -> None:
        fields = {"birth_date": "1981-01-01", "relationship": "spouse", "email": "pat@example.org"}
        await enrolled(desk, name="Pat Example", proof="marriage-certificate", **fields)
        await accepted(desk)
        browser = desk.pages.another_browser()
        seen = await browser.go(desk.letters.link())
        logon = {"username": "pat", "password": PASSWORD, "again": PASSWORD, "dod_id": "9900000058"}
        seen = await browser.send(seen, birth_date="1981-01-02", **logon)
        assert seen.status == 401
        assert not await desk.signs_in("pat")
        seen = await browser.send(seen, birth_date="1981-01-01", **logon)
        assert seen.title == "Thank you"
        assert await desk.signs_in("pat")
        assert await desk.record.rows("Consent") == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "Lee Example"},
            {"birth_date": "2020-05-06"},
            {"relationship": "spouse"},
            {"name": "Pat Example"},
        ],
    )
    async def test_who_is_not_in_the_registry_as_theirs_is_not_enrolled(
        self, desk: Registering, wrong: dict[str, str]
    ) -> None:
        said = {"name": "Kim Example", "birth_date": "2020-05-05", "relationship": "child"}
        seen = await enrolled(desk, **{**said, **wrong})
        assert seen.status == 401
        assert "This was not recognized." in seen.text
        assert await desk.record.rows("Task") == []

    async def test_a_sign_in_of_level_1_enrolls_nobody(self, desk: Registering) -> None:
        await desk.pages.person("low", patients=("p1",), fhir_user="Patient/p1", level="level1")
        browser = desk.pages.browser
        await browser.sign_in(await browser.go("/auth/login"), "low")
        seen = await browser.go("/auth/family/enroll")
        assert seen.status == 403


class TestTogether:
    async def test_sent_many_times_at_once_it_is_one_account(self, desk: Registering) -> None:
        seen = await asyncio.gather(*(desk.register("retiree", username=f"robin{number}") for number in range(4)))
        assert {each.title for each in seen} == {CHECK_MAIL}
        assert await desk.record.rows("Task") == []
        assert len(await desk.parts.documents.find(REGISTRATIONS, {})) == 1
        links = [each.subject for each in desk.letters.sent].count("Confirm your registration")
        assert links == 1
        await desk.confirm()
        assert len(await desk.record.rows("Task")) == 1
        assert len(await desk.parts.documents.find(ACCOUNTS, {"added_by": "registration"})) == 1

    async def test_a_link_opened_twice_at_once_makes_one_account(self, desk: Registering) -> None:
        await desk.register("retiree")
        link = desk.letters.link()
        seen = await asyncio.gather(*(desk.confirm(link) for _ in range(3)))
        assert sorted(each.status for each in seen) == [200, 400, 400]
        assert await desk.signs_in()

    async def test_who_has_an_account_already_gets_no_second_one(self, desk: Registering) -> None:
        await desk.register("retiree")
        await desk.confirm()
        seen = await desk.register("retiree", username="other", email="other@example.org")
        assert seen.title == CHECK_MAIL
        assert "You are registered already" in desk.letters.sent[-1].text
        assert len(await desk.record.rows("Task")) == 1

    async def test_two_people_of_one_name_and_birthday_are_two(self, desk: Registering) -> None:
        twin = {"dod_id": "9900000066", "ssn": "934567890", "family": "Example", "given": ["Robin"]}
        statuses = [{"beneficiary_class": "retiree", "start": "2015-01-01"}]
        await desk.registry.seed([{**twin, "birth_date": "1955-02-03", "statuses": statuses}])
        await desk.register("retiree")
        await desk.confirm()
        await desk.register("retiree", dod_id="9900000066", ssn="934-56-7890", username="twin", email="t@example.org")
        await desk.confirm()
        first = await desk.parts.accounts.by_login("robin")
        second = await desk.parts.accounts.by_login("twin")
        assert first is not None and second is not None
        assert set(first.patients).isdisjoint(second.patients)

    async def test_a_social_security_number_stands_nowhere(self, desk: Registering) -> None:
        await desk.register("retiree")
        await desk.register("veteran", username="jose", email="jose@example.org")
        await desk.register("retiree", birth_date="1955-02-04", username="third")
        before = await everything(desk)
        await desk.confirm()
        await accepted(desk)
        after = await everything(desk)
        for text in (before, after):
            for number in ("912-34-5678", "912345678", "923-45-6789", "923456789"):
                assert number not in text
            assert PASSWORD not in text
        assert "robin@example.org" not in " ".join(
            [row["body"].decode() for type in ("Task", "Patient") for row in await desk.record.rows(type)]
        )
        # What was sealed is gone once it is decided.
        for kept in await desk.parts.documents.find(REGISTRATIONS, {}):
            assert (kept["sealed"] is None) == (kept["decided_at"] is not None)

    async def test_what_was_sealed_does_not_outlast_a_link_that_nobody_used(self, desk: Registering) -> None:
        await desk.register("retiree")
        desk.pages.clock.seconds += 23 * 3600
        await desk.registrations.sweep()
        (kept,) = await desk.parts.documents.find(REGISTRATIONS, {})
        assert kept["sealed"] is not None
        desk.pages.clock.seconds += 2 * 3600
        await desk.registrations.sweep()
        (kept,) = await desk.parts.documents.find(REGISTRATIONS, {})
        assert (kept["sealed"], kept["password_hash"], kept["status"]) == (None, "", "cancelled")
        await desk.register("retiree")
        await desk.confirm()
        assert await desk.signs_in()

    async def test_nothing_of_the_record_stands_in_a_letter(self, desk: Registering) -> None:
        await desk.register("veteran")
        await desk.confirm()
        await accepted(desk)
        (patient,) = [row["_id"] for row in await desk.record.rows("Patient") if row["_id"] != "p1"]
        for letter in desk.letters.sent:
            for word in (patient, "Núñez", "DD", "veteran", "Department", "Patient"):
                assert word not in letter.text


async def test_without_a_registrar_there_are_no_pages(desk: Registering) -> None:
    from smart_auth.portal import Portal
    from tests.auth.browsing import page_server

    async with page_server(portal=Portal()) as server:
        assert (await server.browser.http.get("/auth/registration")).status_code == 404


async def test_every_page_says_what_it_is(desk: Registering) -> None:
    for path in ("/auth/registration", "/auth/registration/retiree", "/auth/registration/veteran"):
        seen = await desk.pages.browser.go(path)
        assert seen.status == 200
        assert seen.title
    assert msgspec.json.encode(RETIREE)


async def accepted(desk: Registering) -> None:
    """Staff accept the proof of the one registration that waits for it."""
    staff = await desk.staff()
    seen = await staff.go("/auth/registrations")
    forms = [form for form in seen.html.forms if form.get("action") == "/auth/registrations"]
    for form in forms:
        await staff.send(seen, form=form, decision="accept-proof")


async def enrolled(desk: Registering, **fields: str) -> Seen:
    """Ann, whose record is p1, enrolls somebody."""
    browser: Browser = desk.pages.browser
    await browser.sign_in(await browser.go("/auth/login"))
    form = await browser.go("/auth/family/enroll")
    return await sent_with_file(browser, form, PDF, **{"proof": "birth-certificate", **fields})
