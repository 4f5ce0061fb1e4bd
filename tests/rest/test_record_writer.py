"""How the portal's pages write: as any write, in the name of a person, and never without the audit log."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.record_conditions import RecordConditions
from fhir_server.record_contacts import RecordContacts
from fhir_server.store.mongo import DriverError
from smart_auth.portal import Portal
from smart_auth.request_id import enter
from tests.auth.browsing import PASSWORD, asked
from tests.auth.test_gates import gated
from tests.rest.portal import SSN, ann, portal
from tests.rest.portal import Portal as Door
from tests.rest.writers import RESTRICTED


@pytest.fixture
async def door(mongodb_uri: str, database_name: str) -> AsyncIterator[Door]:
    async with portal(mongodb_uri, database_name) as made:
        await made.stored(ann())
        yield made


async def written(door: Door, resource: dict[str, Any], id: str, **more: Any) -> None:
    context = door.writer.context("id-ann", "Patient/ann")
    await door.writer.commit(context, door.writer.put(context, resource, id, **more))


class TestWriting:
    async def test_what_may_not_be_stored_is_refused(self, door: Door) -> None:
        for resource, status in (({"resourceType": "Patient", "nonsense": 1}, 400), (ann(gender="x"), 422)):
            with pytest.raises(FhirError) as refused:
                await written(door, resource, "ann")
            assert refused.value.status == status

    async def test_what_was_read_is_written_whole(self, door: Door) -> None:
        found = await door.writer.read("Patient", "ann")
        assert found is not None
        assert found[1] == 1
        await written(door, found[0] | {"active": False}, "ann", if_version=1)
        assert (await door.kept("Patient/ann"))["identifier"][1]["value"] == SSN

    async def test_an_older_version_is_not_written_over(self, door: Door) -> None:
        await written(door, ann(active=False), "ann")
        with pytest.raises(FhirError) as refused:
            await written(door, ann(), "ann", if_version=1)
        assert refused.value.status == 412
        assert [each.status for each in door.noted] == [200, 412]

    async def test_what_is_to_be_created_is_not_written_over(self, door: Door) -> None:
        with pytest.raises(FhirError) as refused:
            await written(door, ann(active=False), "ann", creates_only=True)
        assert refused.value.status == 412
        assert (await door.kept("Patient/ann"))["active"]

    async def test_restricted_rows_are_written_too(self, door: Door) -> None:
        await door.stored(ann(meta=RESTRICTED))
        await written(door, ann(meta=RESTRICTED, active=False), "ann")
        assert not (await door.kept("Patient/ann"))["active"]

    async def test_several_are_all_written_or_none(self, door: Door) -> None:
        context = door.writer.context("id-ann")
        one = door.writer.put(context, ann(id="new"), "new")
        other = door.writer.put(context, ann(), "ann", if_version=7)
        with pytest.raises(FhirError):
            await door.writer.commit(context, one, other)
        assert await door.writer.read("Patient", "new") is None


class TestTheAuditLog:
    async def test_each_commit_is_told_once(self, door: Door) -> None:
        context = door.writer.context("id-ann", "Patient/ann")
        for active in (False, True):
            await door.writer.commit(context, door.writer.put(context, ann(active=active), "ann"))
        assert [each.done for each in door.noted] == [[("update", "Patient")], [("update", "Patient")]]

    async def test_what_a_page_writes_bears_the_id_of_its_request(self, door: Door) -> None:
        enter({"type": "http", "state": {"request_id": "request-7"}})
        assert door.writer.context("id-ann").request_id == "request-7"
        enter({"type": "http"})
        assert door.writer.context("id-ann").request_id != door.writer.context("id-ann").request_id

    async def test_where_it_cannot_be_kept_nothing_is_answered(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lost(*_: Any) -> None:
            raise DriverError("away")

        monkeypatch.setattr(type(door.auditor).__mro__[1], "_insert", lost)
        with pytest.raises(FhirError) as refused:
            await written(door, ann(active=False), "ann")
        assert refused.value.status == 503

    async def test_what_was_only_looked_for_is_no_access(self, door: Door) -> None:
        context = door.writer.context("id-ann")
        assert len(await door.writer.found(context, "Patient", [("family", "Example")])) == 1
        assert context.trail.accesses == []

    async def test_without_sign_in_there_is_none(self, door: Door) -> None:
        writer = replace(door.writer, auditor=None)
        context = writer.context("id-ann")
        await writer.commit(context, writer.put(context, ann(active=False), "ann"))
        assert door.noted == []


class TestSearching:
    async def test_all_pages_are_read(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fhir_server.record_writer._PAGE", "2")
        await door.stored(*(ann(id=f"p{number}") for number in range(5)))
        found = await door.all("Patient", family="Example")
        assert sorted(each["id"] for each in found) == ["ann", "p0", "p1", "p2", "p3", "p4"]

    async def test_nothing_is_masked_for_what_is_written_back(self, door: Door) -> None:
        context = door.writer.context("id-ann")
        (found,) = await door.writer.found(context, "Patient", [("family", "Example")])
        assert found["identifier"][1]["value"] == SSN


async def test_story_5_no_code_before_contact_data_and_conditions_are_in_the_record(door: Door) -> None:
    portal = Portal(contacts=RecordContacts(door.writer), conditions=RecordConditions(door.writer))
    async with gated(portal=portal) as way:
        await way.server.person("ann", fhir_user="Patient/ann", patients=("ann",))
        client = await way.server.client()
        seen = await way.browser.go("/auth/authorize", **asked(client))
        seen = await way.browser.sign_in(seen, "ann", PASSWORD)
        assert seen.path == "/auth/contact"
        seen = await way.browser.send(seen, phone="202-555-0142")
        assert seen.path == "/auth/conditions"
        assert await door.all("Consent", patient="ann") == []
        seen = await way.browser.allow(await way.browser.send(seen, decision="accept"))
        assert "code" in seen.answer
        # A Consent that is taken back stands in the way of the next code.
        (consent,) = await door.all("Consent", patient="ann")
        await door.stored(consent | {"status": "inactive"})
        assert (await way.browser.go("/auth/authorize", **asked(client))).path == "/auth/conditions"
    assert [each.done for each in door.noted] == [
        [("update", "Patient"), ("create", "Provenance")],
        [("create", "Consent")],
    ]
