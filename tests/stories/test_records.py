"""Stories 6, 7, 12, 13 and 14: results, notes, download, a facility that is not live, and who looked."""

import base64
from typing import Any

from tests.stories.conftest import Person, World

LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


async def test_6_labs_and_radiology_by_category_and_a_granular_scope_hides_the_rest(world: World) -> None:
    ana = await world.person("ana.rivera", "launch/patient patient/*.rs", patient="rivera-ana")
    labs = await ana.found("Observation?patient=rivera-ana&category=laboratory&_count=100")
    vitals = await ana.found("Observation?patient=rivera-ana&category=vital-signs&_count=100")
    assert labs and vitals
    assert not {each["id"] for each in labs} & {each["id"] for each in vitals}
    images = await ana.found("DiagnosticReport?patient=rivera-ana&category=http://loinc.org|LP29684-5")
    reports = await ana.found("DiagnosticReport?patient=rivera-ana&_count=100")
    assert 0 < len(images) < len(reports)
    granular = f"launch/patient patient/Observation.rs?category={LABORATORY}"
    only_labs = await world.person("ana.rivera", granular, patient="rivera-ana")
    seen = await only_labs.found("Observation?patient=rivera-ana&_count=100")
    assert {each["id"] for each in seen} == {each["id"] for each in labs}
    assert (await only_labs.ask("GET", f"Observation/{vitals[0]['id']}")).status_code == 404
    assert (await only_labs.ask("GET", "DiagnosticReport?patient=rivera-ana")).status_code == 403


async def test_7_notes_as_pdf_and_as_fhir_and_only_with_the_scope_of_the_note(world: World) -> None:
    ana = await world.person("ana.rivera", "launch/patient patient/*.rs", patient="rivera-ana")
    listed = await ana.get("DocumentReference/$docref?patient=rivera-ana")
    ccd = listed["entry"][0]["resource"]["content"][0]["attachment"]
    document = await ana.http.get(ccd["url"], headers=ana.headers | {"accept": "application/xml"})
    assert document.status_code == 200, document.text
    assert b"<ClinicalDocument" in document.content
    notes = await ana.found("DocumentReference?patient=rivera-ana&category=clinical-note&_count=100")
    attachments = [content["attachment"] for each in notes for content in each["content"]]
    url = next(each["url"] for each in attachments if each.get("contentType") == "application/pdf")
    pdf = await ana.ask("GET", url, accept="application/pdf")
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.content.startswith(b"%PDF-")
    as_fhir = await ana.get(url)
    assert as_fhir["resourceType"] == "Binary"
    assert base64.b64decode(as_fhir["data"]) == pdf.content
    files_alone = await world.person("ana.rivera", "launch/patient patient/Binary.r", patient="rivera-ana")
    assert (await files_alone.ask("GET", url, accept="application/pdf")).status_code == 403
    miguel = await world.person("miguel.rivera", "launch/patient patient/*.rs")
    assert (await miguel.ask("GET", url)).status_code == 404


async def everything(person: Person, patient: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    address = f"{person.base}/Patient/{patient}/$everything"
    for _ in range(100):
        answer = await person.http.get(address, headers=person.headers)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        entries += bundle.get("entry", ())
        following = [each["url"] for each in bundle["link"] if each["relation"] == "next"]
        if not following:
            return entries
        address = following[0]
    raise AssertionError("no end of pages")


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
    return own.union(*(references(each) for each in value.values()))


async def test_12_everything_downloaded_resolves_in_itself_and_is_audited_as_an_export(world: World) -> None:
    miguel = await world.person("miguel.rivera", "launch/patient patient/*.rs")
    entries = await everything(miguel, "rivera-miguel")
    there = {f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in entries}
    assert "Patient/rivera-miguel" in there
    wanted = set().union(*(references(each["resource"]) for each in entries))
    missing = {each for each in wanted - there if "/" in each and not each.startswith(("#", "http", "urn"))}
    # What there is of others (the sponsor, relatives) is theirs.
    for each in sorted(missing):
        assert (await miguel.ask("GET", each.split("/_history")[0])).status_code in (403, 404), each
    summary = await miguel.get("Patient/rivera-miguel/$summary")
    assert (summary["type"], summary["entry"][0]["resource"]["resourceType"]) == ("document", "Composition")
    pdf = await miguel.ask("GET", "Patient/rivera-miguel/$record-pdf", accept="application/pdf")
    assert pdf.content.startswith(b"%PDF-")
    exports = await miguel.found(
        "AuditEvent?patient=rivera-miguel&type=http://dicom.nema.org/resources/ontology/DCM|110106"
    )
    assert len(exports) >= 3
    assert (await miguel.ask("GET", "Patient/rivera-ana/$everything")).status_code == 404


async def test_13_before_the_facility_is_live_an_empty_answer_says_that_the_login_worked(world: World) -> None:
    amy = await world.person("amy.kowalski", "launch/patient patient/*.rs")
    answer = await amy.get("Condition?patient=kowalski-amy")
    assert answer["total"] == 0
    (entry,) = answer["entry"]
    assert entry["search"]["mode"] == "outcome"
    assert entry["resource"]["issue"][0]["severity"] == "information"
    assert entry["resource"]["issue"][0]["details"]["text"] == "No Records Available"
    miguel = await world.person("miguel.rivera", "launch/patient patient/*.rs")
    assert "entry" not in await miguel.get("Condition?patient=rivera-miguel&code=http://snomed.info/sct|999999999")


async def test_14_a_patient_sees_who_looked_in_what_role_and_for_what(world: World) -> None:
    grace = await world.person("grace.okafor", "user/*.rs")
    assert await grace.found("Condition?patient=rivera-ana")
    ana = await world.person("ana.rivera", "launch/patient patient/*.rs", patient="rivera-ana")
    events = await ana.found("AuditEvent?patient=rivera-ana&agent=Practitioner/okafor-grace&_sort=-date&_count=50")
    assert events
    agents = [agent for each in events for agent in each["agent"]]
    assert any("okafor-grace" in str(each.get("who")) for each in agents)
    assert all(each.get("recorded") for each in events)
    miguel = await world.person("miguel.rivera", "launch/patient patient/*.rs")
    assert await miguel.found("AuditEvent?patient=rivera-ana") == []
