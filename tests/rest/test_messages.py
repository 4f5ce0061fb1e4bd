"""A message is seen by those who take part and by the patient it is about; not by everybody who cares for the patient.

https://hl7.org/fhir/R4/communication.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.core.instant import now
from fhir_server.core.proxied import Proxied
from fhir_server.core.trail import Trail
from fhir_server.interactions import batch, delete
from fhir_server.interactions.care_relation import care_relations
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.reading import Reading
from fhir_server.policy import OPERATOR, Sight
from fhir_server.search.parse import parse
from fhir_server.store.explain import explain
from smart_auth.access import AccessContext
from tests.rest.access import scopes
from tests.rest.bundles import places
from tests.rest.conftest import patient
from tests.rest.in_process import opened, put
from tests.rest.writers import Told, Writers

Resource = dict[str, Any]
DR, OTHER = "Practitioner/dr", "Practitioner/other"


def message(id: str, about: str | None, sender: str, *recipients: str, **more: Any) -> Resource:
    subject = {} if about is None else {"subject": {"reference": f"Patient/{about}"}}
    return {
        "resourceType": "Communication",
        "id": id,
        "status": "completed",
        **subject,
        "sender": {"reference": sender},
        "recipient": [{"reference": each} for each in recipients],
        "topic": {"text": "words"},
        "payload": [{"contentString": f"words of {id}"}],
        **more,
    }


def role(id: str, practitioner: str, **more: Any) -> Resource:
    own = {"resourceType": "PractitionerRole", "id": id, "active": True, "practitioner": {"reference": practitioner}}
    return own | more


def team(id: str, about: str, member: str, **more: Any) -> Resource:
    participant = [{"member": {"reference": member}, **more}]
    subject = {"reference": f"Patient/{about}"}
    return {"resourceType": "CareTeam", "id": id, "status": "active", "subject": subject, "participant": participant}


def group(id: str, member: str, **more: Any) -> Resource:
    held = [{"entity": {"reference": member}, **more}]
    return {"resourceType": "Group", "id": id, "type": "practitioner", "actual": True, "member": held}


RECORDS: list[Resource] = [
    patient(id="a", generalPractitioner=[{"reference": DR}]),
    patient(id="b"),
    {"resourceType": "Practitioner", "id": "dr"},
    {"resourceType": "Practitioner", "id": "other"},
    role(
        "dr-role",
        DR,
        organization={"reference": "Organization/clinic"},
        healthcareService=[{"reference": "HealthcareService/desk"}],
    ),
    role("old-role", DR, organization={"reference": "Organization/left"}, period={"end": "2020-01-01"}),
    team("team", "a", DR),
    team("old-team", "a", DR, period={"end": "2020-01-01"}),
    group("board", DR),
    group("old-board", DR, inactive=True),
    message("sent", "a", DR, "Patient/a"),
    message("received", "a", "Patient/a", DR),
    message("to-role", "a", "Patient/a", "PractitionerRole/dr-role"),
    message("to-team", "a", "Patient/a", "CareTeam/team"),
    message("to-group", "a", OTHER, "Group/board"),
    message("to-clinic", "b", "Patient/b", "Organization/clinic"),
    message("to-desk", "b", "Patient/b", "HealthcareService/desk"),
    message("of-nobody", None, OTHER, DR),
    message("between-others", "a", OTHER, "Patient/a"),
    message("to-old-role", "a", OTHER, "Organization/left"),
    message("to-old-team", "a", OTHER, "CareTeam/old-team"),
    message("to-old-group", "a", OTHER, "Group/old-board"),
    message("of-b", "b", OTHER, "Patient/b"),
    message("answer", "a", OTHER, "Patient/a", inResponseTo=[{"reference": "Communication/sent"}]),
]
OWN = {"sent", "received", "to-role", "to-team", "to-group", "to-clinic", "to-desk", "of-nobody"}
OF_A = {"sent", "received", "to-role", "to-team", "to-group", "between-others", "answer"}
OF_A |= {"to-old-role", "to-old-team", "to-old-group"}
HIDDEN = {each["id"] for each in RECORDS if each["resourceType"] == "Communication"} - OWN


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = "test_messages"
    async with opened(mongodb_uri, name) as context:
        for record in RECORDS:
            await put(context, record)
        # It was the doctor's and is between others now; of another there is nothing left but its past.
        await put(context, message("moved", "a", DR, "Patient/a"))
        await put(context, message("moved", "a", OTHER, "Patient/a"))
        for id, sender in (("gone", DR), ("gone-of-others", OTHER)):
            await put(context, message(id, "a", sender, "Patient/a"))
            await delete.delete(context, "Communication", id)
        yield context
        await context.server.database.client.drop_database(name)


async def doctor(context: RequestContext, granted: str = "user/*.cruds", **more: Any) -> RequestContext:
    relations = await care_relations(context.server, DR)
    access = AccessContext("dr", "chart", "practitioner", scopes(granted), fhir_user=DR, **more)
    return structs.replace(context, sight=Sight(access, relations.patients, relations.places), trail=Trail())


def patient_of(context: RequestContext, id: str) -> RequestContext:
    access = AccessContext(id, "app", "patient", scopes("patient/*.rs"), patient=id, patients=(id,))
    return structs.replace(context, sight=Sight(access), trail=Trail())


async def get(context: RequestContext, url: str) -> Resource:
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    answer = await batch.batch(context, bundle)
    assert answer.body is not None
    entry: Resource = msgspec.json.decode(answer.body)["entry"][0]
    found: Resource = entry.get("resource") or entry["response"]
    return found


async def found(context: RequestContext, url: str, mode: str = "match") -> set[str]:
    bundle = await get(context, f"{url}{'&' if '?' in url else '?'}_count=100")
    assert bundle.get("resourceType") == "Bundle", bundle
    return {place.removeprefix("Communication/") for place in places(bundle, mode)}


async def test_the_names_by_which_messages_reach_somebody_are_those_of_today(context: RequestContext) -> None:
    relations = await care_relations(context.server, DR)
    assert set(relations.places) == {
        DR,
        "PractitionerRole/dr-role",
        "Organization/clinic",
        "HealthcareService/desk",
        "CareTeam/team",
        "Group/board",
    }
    assert (await care_relations(context.server, "Patient/a")).places == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("Communication", OWN),
        ("Communication?patient=a", OWN & OF_A),
        ("Communication?patient=b", OWN - OF_A - {"of-nobody"}),
        # The patient of the others is out of sight.
        ("Communication?patient.gender:missing=true", OWN & OF_A),
        ("Communication?sender=Practitioner/other", {"to-group", "of-nobody"}),
        ("Communication?recipient=CareTeam/team", {"to-team"}),
        ("Communication?status=completed", OWN),
        ("Communication?_id=sent,answer", {"sent"}),
        ("Communication?_sort=-_lastUpdated", OWN),
        ("Communication?_sort=sent", OWN),
        ("Patient/a/Communication", OWN & OF_A),
        ("?_type=Communication", OWN),
        ("Communication?_contained=both", OWN),
    ],
)
async def test_every_search_of_a_practitioner_finds_what_they_take_part_in(
    context: RequestContext, url: str, expected: set[str]
) -> None:
    assert await found(await doctor(context), url) == expected


async def test_totals_and_counts_tell_of_no_others(context: RequestContext) -> None:
    caller = await doctor(context)
    for url in ("Communication?_summary=count", "Communication?_total=accurate&_count=2", "Communication?_count=0"):
        assert (await get(caller, url))["total"] == len(OWN), url
    assert (await get(caller, "Communication?patient=a&_summary=count"))["total"] == len(OWN & OF_A)


async def test_a_message_between_others_looks_like_one_that_never_was(context: RequestContext) -> None:
    caller = await doctor(context)
    for id in (*sorted(HIDDEN), "gone-of-others", "never-there"):
        for path in (f"Communication/{id}", f"Communication/{id}/_history", f"Communication/{id}/_history/1"):
            assert (await get(caller, path))["status"] == "404", path
    for id in sorted(OWN):
        assert (await get(caller, f"Communication/{id}"))["id"] == id
    assert (await get(caller, "Communication/gone"))["status"] == "410"


async def test_each_version_is_seen_by_those_who_took_part_in_it(context: RequestContext) -> None:
    caller = await doctor(context)
    assert (await get(caller, "Communication/moved/_history/1"))["sender"] == {"reference": DR}
    assert (await get(caller, "Communication/moved/_history/2"))["status"] == "404"
    assert (await get(caller, "Communication/moved"))["status"] == "404"
    assert (await get(caller, "Communication/moved/_history"))["total"] == 1
    told = msgspec.json.encode(await get(caller, "Communication/_history?_count=100")).decode()
    assert "words of gone" in told and "words of moved" in told
    for id in (*HIDDEN, "gone-of-others"):
        assert f'"words of {id}"' not in told, id
    for id in OWN:
        assert f'"words of {id}"' in told, id


async def test_chains_and_includes_lead_to_no_others(context: RequestContext) -> None:
    caller = await doctor(context)
    assert await found(caller, "Patient?_has:Communication:subject:sender=Practitioner/other") == {"Patient/a"}
    assert await found(caller, "Patient?_has:Communication:subject:_id=of-b") == set()
    assert await found(caller, "Patient?_id=a&_revinclude=Communication:subject", "include") == OWN & OF_A
    assert await found(caller, "Communication?_id=sent&_revinclude=Communication:part-of", "include") == set()
    assert (await found(caller, "Practitioner?_id=other&_revinclude=Communication:sender", "include")) == {
        "to-group",
        "of-nobody",
    }


async def test_the_patient_sees_all_of_their_own_record_and_nobody_elses(context: RequestContext) -> None:
    assert await found(patient_of(context, "a"), "Communication") == OF_A | {"moved"}
    assert await found(patient_of(context, "b"), "Communication") == {"to-clinic", "to-desk", "of-b"}


async def test_a_token_for_one_patient_shows_what_was_taken_part_in_for_that_one(context: RequestContext) -> None:
    assert await found(await doctor(context, "patient/*.rs", patient="a"), "Communication") == OWN & OF_A
    assert await found(await doctor(context, "patient/*.rs", patient="b"), "Communication") == set()


async def test_a_broken_glass_opens_no_messages(context: RequestContext) -> None:
    broken = await doctor(context, "patient/*.rs", patient="b", emergency=True)
    assert await found(broken, "Communication") == {"to-clinic", "to-desk"}


async def test_systems_and_administrators_see_every_message(context: RequestContext) -> None:
    everything = OWN | HIDDEN | {"moved"}
    system = Sight(AccessContext("feed", "feed", "system", scopes("system/*.rs")))
    admin = Sight(AccessContext("root", "console", "admin", scopes("user/*.rs")))
    for sight in (system, admin, OPERATOR):
        assert await found(structs.replace(context, sight=sight), "Communication") == everything


class TestWrites:
    @pytest_asyncio.fixture
    async def writers(self, context: RequestContext) -> Writers:
        return Writers(context)

    async def create(self, writers: Writers, sight: Sight, *parts: str, about: str = "a") -> Told:
        made = message("x", about, *parts)
        del made["id"]
        return await writers.ask(sight, "POST", "Communication", made)

    @pytest.mark.parametrize(
        "sender", [DR, "PractitionerRole/dr-role", "Organization/clinic", "HealthcareService/desk"]
    )
    async def test_a_practitioner_speaks_for_themselves_and_for_where_they_work(
        self, writers: Writers, context: RequestContext, sender: str
    ) -> None:
        caller = await doctor(context)
        told = await self.create(writers, caller.sight, sender, "Patient/a")
        assert told.status == 201, told
        assert (await get(caller, f"Communication/{told.id}"))["sender"] == {"reference": sender}
        assert (await writers.ask(OPERATOR, "DELETE", f"Communication/{told.id}")).status == 204

    @pytest.mark.parametrize("sender", [OTHER, "Patient/a", "Organization/left", "RelatedPerson/x"])
    async def test_nobody_speaks_for_others(self, writers: Writers, context: RequestContext, sender: str) -> None:
        told = await self.create(writers, (await doctor(context)).sight, sender, DR)
        assert (told.status, told.element) == (403, "Communication.sender")

    async def test_a_patient_speaks_for_themselves_alone(self, writers: Writers, context: RequestContext) -> None:
        access = AccessContext(
            "a", "app", "patient", scopes("patient/*.cruds"), fhir_user="RelatedPerson/r", patient="a", patients=("a",)
        )
        statuses = {}
        for sender in ("Patient/a", "RelatedPerson/r", "Patient/b", DR):
            told = await self.create(writers, Sight(access), sender, DR)
            statuses[sender] = told.status
            if told.status == 201:
                away = message(told.id, "a", DR, "Patient/a")
                assert (await writers.ask(Sight(access), "PUT", f"Communication/{told.id}", away)).status == 422
                assert (await writers.ask(OPERATOR, "DELETE", f"Communication/{told.id}")).status == 204
        assert statuses == {"Patient/a": 201, "RelatedPerson/r": 201, "Patient/b": 403, DR: 403}

    async def test_a_parent_speaks_for_a_child_as_long_as_they_act_for_it(
        self, writers: Writers, context: RequestContext
    ) -> None:
        access = AccessContext("a", "app", "patient", scopes("user/*.cruds"), fhir_user="Patient/b", patients=("b",))
        related = Sight(access, proxied=(Proxied("a"),))
        assert (await self.create(writers, related, "Patient/a", DR)).status == 201
        assert (await self.create(writers, Sight(access), "Patient/a", DR)).status == 403

    async def test_a_message_into_a_strangers_record_is_refused(
        self, writers: Writers, context: RequestContext
    ) -> None:
        told = await self.create(writers, (await doctor(context)).sight, DR, "Patient/b", about="b")
        assert (told.status, told.element) == (403, "Communication.subject")

    async def test_who_received_a_message_changes_nothing_of_it(
        self, writers: Writers, context: RequestContext
    ) -> None:
        sight = (await doctor(context)).sight
        held = message("received", "a", "Patient/a", DR)
        for change in ({"received": "2026-11-01T10:00:00Z"}, {"sender": {"reference": DR}}):
            told = await writers.ask(sight, "PUT", "Communication/received", held | change)
            assert told.status == 422, told

    async def test_a_message_between_others_is_not_changed_and_not_told_of(
        self, writers: Writers, context: RequestContext
    ) -> None:
        sight = (await doctor(context)).sight
        for method in ("PUT", "DELETE"):
            told = []
            for id in ("between-others", "never-there"):
                content = message(id, "a", DR, "Patient/a") if method == "PUT" else None
                told.append((await writers.ask(sight, method, f"Communication/{id}", content)).status)
            assert told == [404, 404], method
        assert (
            await writers.ask(
                sight, "PUT", "Communication?sender=Practitioner/other&patient=a&_id=answer", message("answer", "a", DR)
            )
        ).status != 200
        assert (await writers.ask(sight, "DELETE", "Communication?_id=between-others")).status in (204, 404)
        assert (await get(context, "Communication/between-others"))["sender"] == {"reference": OTHER}


@pytest_asyncio.fixture(scope="module")
async def crowded(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    """Ten patients, each with 40 messages of which the doctor has four."""
    name = "test_messages_crowded"
    async with opened(mongodb_uri, name) as context:
        await put(context, {"resourceType": "Practitioner", "id": "dr"})
        for number in range(10):
            await put(context, patient(id=f"p{number}", generalPractitioner=[{"reference": DR}]))
            for each in range(40):
                sender = DR if each % 10 == 0 else OTHER
                sent = {"sent": f"2026-01-{each % 28 + 1:02}T10:00:00Z"}
                await put(context, message(f"m{number}-{each}", f"p{number}", sender, f"Patient/p{number}", **sent))
        yield context
        await context.server.database.client.drop_database(name)


@pytest.mark.parametrize(
    ("url", "rows"),
    [
        ("Communication?_count=50", 40),
        ("Communication?_count=10", 10),
        ("Communication?patient=p1&_count=50", 4),
        ("Communication?patient=p1&_sort=-sent&_count=50", 4),
        ("Communication?sender=Practitioner/dr&_count=50", 40),
    ],
)
async def test_a_practitioners_messages_are_found_by_an_index(crowded: RequestContext, url: str, rows: int) -> None:
    caller = await doctor(crowded)
    type, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    request = parse(type, pairs, False, caller.own_bases, caller.parameter_set)
    told = await explain(crowded.server.database, Reading(caller, now()).plan(narrow(caller, request)))
    assert told.returned in (rows, rows + 1)
    assert told.keys <= 3 * told.returned
    assert told.documents <= told.returned
    assert not told.in_memory_sort
