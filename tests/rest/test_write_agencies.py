"""What is written through an agency's client bears its source and a Provenance; every write is noted for the audit log.

https://hl7.org/fhir/R4/provenance.html
"""

from typing import Any

from fhir_server.policy import OPERATOR
from fhir_server.validation.validate import validate
from tests.rest.writers import (
    ANNA,
    BEN,
    CONFIDENTIALITY,
    DOD,
    RESTRICTED,
    VA,
    Writers,
    entry,
    goal,
    observation,
    patches,
    practitioner,
    system,
)


async def test_an_agencys_client_stamps_its_source_and_tells_who_wrote_and_who_sent(writers: Writers) -> None:
    sent = observation("anna", meta={"source": DOD}, performer=[{"reference": "Practitioner/p7", "display": "Dr P"}])
    made = await writers.ask(system(agency=VA), "POST", "Observation", sent)
    assert (made.status, made.body["meta"]["source"]) == (201, VA)
    (row,) = await writers.rows("Provenance")
    assert (row["owners"], row["source"]) == (["anna"], VA)
    assert "anna|" in row["pt"]
    provenance = await writers.now(f"Provenance/{row['_id']}")
    assert list(validate(provenance, "Provenance")) == []
    assert provenance["target"] == [{"reference": f"Observation/{made.id}/_history/1"}]
    author, transmitter, device = provenance["agent"]
    assert author["who"] == {"reference": "Practitioner/p7", "display": "Dr P"}
    assert author["onBehalfOf"]["identifier"]["value"] == transmitter["who"]["identifier"]["value"] == VA
    assert device["who"]["identifier"]["value"] == "feed"
    (seen,) = (await writers.ask(ANNA, "GET", f"Provenance?target=Observation/{made.id}")).body["entry"]
    assert seen["resource"]["id"] == row["_id"]
    assert "entry" not in (await writers.ask(BEN, "GET", "Provenance?_sort=-_lastUpdated")).body


async def test_where_the_content_names_no_author_it_is_who_signed_in_or_the_agency(writers: Writers) -> None:
    for sight in (practitioner("anna", agency=VA), system(agency=VA)):
        await writers.ask(sight, "POST", "Observation", observation("anna"))
    rows = sorted(await writers.rows("Provenance"), key=lambda row: row["updated"])
    authors = [(await writers.now(f"Provenance/{row['_id']}"))["agent"][0]["who"] for row in rows]
    assert authors[0] == {"reference": "Practitioner/p7"}
    assert authors[1]["identifier"]["value"] == VA


async def test_every_write_of_an_agency_has_its_provenance_in_the_same_transaction(writers: Writers) -> None:
    feed = system(agency=VA)
    await writers.ask(feed, "PUT", "Goal/g", goal("anna", "g"))
    await writers.ask(feed, "PUT", "Goal/g", goal("ben", "g"))
    await writers.ask(feed, "PATCH", "Goal/g", patches("description/text", "x")[1])
    await writers.ask(feed, "DELETE", "Goal/g")
    entries = [entry("POST", "Goal", goal(id)) for id in ("anna", "ben", "anna")]
    await writers.bundle(feed, "transaction", entries)
    told = []
    for row in sorted(await writers.rows("Provenance"), key=lambda row: row["updated"]):
        body = await writers.now(f"Provenance/{row['_id']}")
        activity = body["activity"]["coding"][0]["code"]
        told.append((activity, len(body["target"]), row["owners"]))
    assert told[:4] == [
        ("CREATE", 1, ["anna"]),
        ("UPDATE", 1, ["ben"]),
        ("UPDATE", 1, ["ben"]),
        ("DELETE", 1, ["ben"]),
    ]
    assert sorted(told[4:]) == [("CREATE", 1, ["ben"]), ("CREATE", 2, ["anna"])]
    # A delete of nothing, and what is written of provenance itself, has none.
    await writers.ask(feed, "DELETE", "Goal/g")
    about = {
        "resourceType": "Provenance",
        "target": [{"reference": "Patient/anna"}],
        "recorded": "2026-01-01T00:00:00Z",
    }
    await writers.ask(feed, "POST", "Provenance", {**about, "agent": [{"who": {"display": "x"}}]})
    assert len(await writers.rows("Provenance")) == 7


async def test_the_provenance_of_what_is_restricted_is_restricted(writers: Writers) -> None:
    feed = system(agency=VA, purposes=("ETREAT",))
    await writers.ask(feed, "POST", "Goal", goal("anna", meta=RESTRICTED))
    (row,) = await writers.rows("Provenance")
    assert "entry" not in (await writers.ask(practitioner("anna"), "GET", "Provenance?_count=5")).body
    assert row["labels"] == [f"r|{CONFIDENTIALITY}"]


async def test_a_refused_write_of_an_agency_leaves_no_provenance(writers: Writers) -> None:
    feed = system(agency=VA)
    await writers.stored(goal("anna", "of-dod", meta={"source": DOD}), goal("anna", "of-nobody"))
    for method in ("PUT", "DELETE", "PATCH"):
        content: Any = patches("description/text", "x")[0] if method == "PATCH" else goal("anna", "of-dod")
        told = await writers.ask(feed, method, "Goal/of-dod", content)
        assert (told.status, told.numbers, told.element) == (403, (6023,), "Goal.meta.source"), method
    bundle = [entry("DELETE", "Goal/of-nobody"), entry("PUT", "Goal/of-dod", goal("anna", "of-dod"))]
    assert (await writers.bundle(feed, "transaction", bundle)).status == 403
    assert await writers.rows("Provenance") == []
    assert (await writers.ask(feed, "PUT", "Goal/of-nobody", goal("anna", "of-nobody"))).status == 200
    assert (await writers.now("Goal/of-nobody"))["meta"]["source"] == VA


async def test_writes_are_noted_with_version_and_owners_and_refused_entries_with_their_status(writers: Writers) -> None:
    made = await writers.ask(ANNA, "POST", "Goal", goal("anna"))
    (noted,) = made.noted
    assert (noted.action, noted.interaction, noted.status) == ("C", "create", 201)
    assert (noted.places, noted.patients) == ((f"Goal/{made.id}/_history/1",), ("anna",))
    moved = await writers.ask(system(), "PUT", f"Goal/{made.id}", goal("ben", made.id))
    assert (moved.noted[0].action, moved.noted[0].patients) == ("U", ("ben", "anna"))
    gone = await writers.ask(system(), "DELETE", f"Goal/{made.id}")
    assert [(each.action, each.patients, each.status) for each in gone.noted] == [("D", ("ben",), 204)]
    told = await writers.bundle(ANNA, "batch", [entry("PUT", "Goal/x", goal("anna", "x")), entry("DELETE", "Goal/x")])
    assert [(each.action, each.places, each.status) for each in told.noted] == [
        ("U", ("Goal/x",), 404),
        ("D", ("Goal/x",), 403),
    ]
    assert (await writers.ask(OPERATOR, "POST", "Goal", goal("anna"))).noted == ()
