"""fhirpy, unmodified, synchronous and asynchronous.

https://github.com/beda-software/fhir-py
"""

# mypy: untyped-calls-exclude=fhirpy

import asyncio
import json
from typing import Any

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.conftest import RunningServer

Json = dict[str, Any]


@pytest.fixture(scope="module")
def base(populated: RunningServer) -> str:
    return populated.base


@pytest.fixture(scope="module")
def client(base: str) -> SyncFHIRClient:
    return SyncFHIRClient(base)


def created(client: SyncFHIRClient, type: str = "Patient", **elements: Any) -> Any:
    if type == "Patient":
        elements.setdefault("name", [{"family": "Testpatient", "given": ["Synthia"]}])
    return client.resource(type, **elements).create()


def weighed(client: SyncFHIRClient, *kilograms: float) -> Any:
    """A new patient with one body weight for each value."""
    person = created(client)
    for value in kilograms:
        created(client, "Observation", **weight(person.to_reference(), value))
    return person


def weight(subject: Any, kilograms: float) -> Json:
    return {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": subject,
        "effectiveDateTime": "2026-03-01T09:30:00Z",
        "valueQuantity": {"value": kilograms, "unit": "kg"},
    }


def identified(value: str) -> list[Json]:
    return [{"system": "urn:test", "value": value}]


def said(error: OperationOutcome) -> str:
    """What the OperationOutcome that fhirpy raised says first."""
    return str(error.resource["issue"][0]["details"]["text"])


def test_the_capability_statement_offers_what_this_client_uses(client: SyncFHIRClient) -> None:
    statement = client.execute("metadata", method="get")
    (patient,) = (each for each in statement.rest[0].resource if each.type == "Patient")
    offered = {each.code for each in patient.interaction}
    assert statement.fhirVersion == "4.0.1"
    assert {"read", "vread", "create", "update", "patch", "delete", "search-type", "history-instance"} <= offered


def test_what_is_created_comes_back_as_it_was_sent(client: SyncFHIRClient) -> None:
    made = created(client, name=[{"family": "O'Neil 李", "given": ["Zoë"]}])
    read = client.reference("Patient", made.id).to_resource()
    assert read.get_by_path("name.0.family") == "O'Neil 李"
    assert read.meta.versionId == "1"


def test_iterating_a_search_follows_all_pages(client: SyncFHIRClient) -> None:
    person = weighed(client, 60, 61, 62, 63, 64)
    weights = client.resources("Observation").search(patient=person.id)
    for size in (1, 2, 5, 50):
        assert sorted(each.valueQuantity.value for each in weights.limit(size)) == [60, 61, 62, 63, 64]


async def test_the_asynchronous_client_does_the_same(base: str, client: SyncFHIRClient) -> None:
    people = [weighed(client, 60, 61, 62) for _ in range(3)]
    asking = AsyncFHIRClient(base)
    searches = [asking.resources("Observation").search(patient=each.id).limit(1).fetch_all() for each in people]
    found = await asyncio.gather(*searches)
    assert [sorted(each.valueQuantity.value for each in weights) for weights in found] == [[60, 61, 62]] * 3


def test_a_person_of_the_demo_is_found_by_name_and_leads_to_the_record(client: SyncFHIRClient) -> None:
    ana = client.resources("Patient").search(family="rivera", given="ana").get()
    newest = client.resources("Observation").search(patient=ana.id, category="vital-signs").sort("-date").first()
    assert newest is not None
    assert newest.subject.to_resource().id == "rivera-ana"
    assert newest.encounter.to_resource().subject.id == "rivera-ana"


def test_a_search_of_nothing_is_an_empty_list(client: SyncFHIRClient, unique: str) -> None:
    nobody = client.resources("Patient").search(identifier=unique)
    assert nobody.fetch() == []
    assert nobody.fetch_all() == []
    assert nobody.first() is None
    with pytest.raises(ResourceNotFound):
        nobody.get()


def test_its_search_sets_speak_prefixes_modifiers_chains_and_has(client: SyncFHIRClient, unique: str) -> None:
    clinic = created(client, "Organization", name=f"Clinic {unique}")
    person = created(client, birthDate="1990-02-03", managingOrganization=clinic.to_reference())
    created(client, "Observation", **weight(person.to_reference(), 60))
    born = client.resources("Patient").search(organization=clinic.id, birthdate__ge="1990", birthdate__lt="1991")
    chained = client.resources("Observation").search(patient__Patient__organization=clinic.id)
    reversed_chain = client.resources("Patient").has("Observation", "patient", code="29463-7")
    assert born.get().id == person.id
    assert chained.get().subject.id == person.id
    assert reversed_chain.search(organization=clinic.id).get().id == person.id
    assert client.resources("Organization").search(name__contains=unique[:8]).get().id == clinic.id


def test_includes_come_with_the_page(client: SyncFHIRClient) -> None:
    person = weighed(client, 60)
    bundle = client.resources("Observation").search(patient=person.id).include("Observation", "patient").fetch_raw()
    assert [entry.search.mode for entry in bundle.entry] == ["match", "include"]
    assert bundle.entry[0].resource.subject.to_resource().id == person.id


def test_elements_and_sort_shape_the_answer(client: SyncFHIRClient) -> None:
    person = weighed(client, 61, 60)
    lightest = (
        client.resources("Observation").search(patient=person.id).sort("value-quantity").elements("value").first()
    )
    assert lightest is not None
    assert lightest.valueQuantity.value == 60
    assert "effectiveDateTime" not in lightest


def test_count_needs_leniency_and_then_counts(base: str, client: SyncFHIRClient) -> None:
    person = weighed(client, 60, 61)
    with pytest.raises(OperationOutcome) as refused:
        client.resources("Observation").search(patient=person.id).count()
    assert "_totalMethod" in said(refused.value)
    lenient = SyncFHIRClient(base, extra_headers={"Prefer": "handling=lenient"})
    assert lenient.resources("Observation").search(patient=person.id).count() == 2


def test_save_updates_what_has_an_id(client: SyncFHIRClient) -> None:
    person = created(client)
    person["gender"] = "female"
    person.save()
    assert person.meta.versionId == "2"
    assert client.reference("Patient", person.id).to_resource().gender == "female"


def test_refresh_takes_over_what_others_wrote_and_nothing_else(client: SyncFHIRClient) -> None:
    mine = created(client)
    assert mine.refresh().meta.versionId == "1"
    client.reference("Patient", mine.id).patch(gender="female")
    assert mine.refresh().gender == "female"


def test_an_update_from_an_outdated_version_is_refused(base: str, client: SyncFHIRClient) -> None:
    person = created(client)
    person["gender"] = "female"
    person.save()
    outdated = SyncFHIRClient(base, extra_headers={"If-Match": 'W/"1"'})
    with pytest.raises(MultipleResourcesFound) as refused:
        outdated.execute(f"Patient/{person.id}", method="put", data=person.serialize())
    assert json.loads(str(refused.value))["resourceType"] == "OperationOutcome"


def test_patch_replaces_the_elements_it_names_and_removes_those_that_are_none(client: SyncFHIRClient) -> None:
    person = created(client, gender="female", birthDate="1990-02-03")
    person.patch(gender=None, name=[{"family": "Other"}])
    read = client.reference("Patient", person.id).to_resource()
    assert "gender" not in read
    assert read.birthDate == "1990-02-03"
    assert read.name == [{"family": "Other"}]
    assert read.meta.versionId == "2"


def test_saving_some_fields_patches_these_alone(client: SyncFHIRClient) -> None:
    mine = created(client, gender="female")
    theirs = client.reference("Patient", mine.id).to_resource()
    theirs.patch(birthDate="1990-02-03")
    mine["gender"] = "other"
    mine.save(fields=["gender"])
    read = client.reference("Patient", mine.id).to_resource()
    assert (read.gender, read.birthDate) == ("other", "1990-02-03")


def test_a_reference_can_be_patched_and_deleted(client: SyncFHIRClient) -> None:
    person = created(client)
    assert client.reference("Patient", person.id).patch(gender="female").gender == "female"
    client.reference("Patient", person.id).delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", person.id).to_resource()


def test_conditional_writes_find_their_one_match(client: SyncFHIRClient, unique: str) -> None:
    matching = client.resources("Patient").search(identifier=f"urn:test|{unique}")
    made, is_new = matching.update(client.resource("Patient", identifier=identified(unique)))
    same, is_new_again = matching.update(client.resource("Patient", identifier=identified(unique), gender="female"))
    assert (is_new, is_new_again, same.id) == (True, False, made.id)
    assert matching.patch(gender="other").gender == "other"
    matching.delete()
    assert matching.fetch() == []


def test_a_conditional_write_with_two_matches_is_refused(client: SyncFHIRClient, unique: str) -> None:
    for _ in range(2):
        created(client, identifier=identified(unique))
    matching = client.resources("Patient").search(identifier=f"urn:test|{unique}")
    with pytest.raises(MultipleResourcesFound):
        matching.update(client.resource("Patient", identifier=identified(unique)))
    with pytest.raises(MultipleResourcesFound):
        matching.patch(gender="other")


def test_get_or_create_is_refused_instead_of_making_a_duplicate(client: SyncFHIRClient, unique: str) -> None:
    created(client, identifier=identified(unique))
    matching = client.resources("Patient").search(identifier=f"urn:test|{unique}")
    with pytest.raises(OperationOutcome) as refused:
        matching.get_or_create(client.resource("Patient", identifier=identified(unique)))
    assert "identifier" in said(refused.value)
    assert len(matching.fetch()) == 1


def test_a_conditional_create_is_a_header(base: str, unique: str) -> None:
    careful = SyncFHIRClient(base, extra_headers={"If-None-Exist": f"identifier=urn:test|{unique}"})
    made = [careful.resource("Patient", identifier=identified(unique)).create() for _ in range(3)]
    assert len({each.id for each in made}) == 1


def test_a_transaction_stores_all_or_nothing(client: SyncFHIRClient, unique: str) -> None:
    subject = {"reference": f"urn:uuid:{unique}"}
    person = {"resourceType": "Patient", "identifier": identified(unique)}
    post = {"method": "POST", "url": "Patient"}
    refused = [
        {"resource": person, "request": post},
        {"resource": {"resourceType": "Patient", "id": 1}, "request": post},
    ]
    with pytest.raises(OperationOutcome):
        client.execute("", data={"resourceType": "Bundle", "type": "transaction", "entry": refused})
    assert client.resources("Patient").search(identifier=unique).fetch() == []
    weighing = {"resourceType": "Observation", **weight(subject, 60)}
    entries = [
        {"fullUrl": subject["reference"], "resource": person, "request": post},
        {"resource": weighing, "request": {"method": "POST", "url": "Observation"}},
    ]
    made = client.resource("Bundle", type="transaction", entry=entries).create()
    assert [each.response.status[:3] for each in made.entry] == ["201", "201"]
    found = client.resources("Observation").search(patient__Patient__identifier=unique).get()
    assert found.valueQuantity.value == 60


def test_a_batch_answers_each_entry_on_its_own(client: SyncFHIRClient, unique: str) -> None:
    person = created(client)
    entries = [{"request": {"method": "GET", "url": f"Patient/{each}"}} for each in (person.id, unique)]
    answered = client.resource("Bundle", type="batch", entry=entries).create()
    assert [each.response.status[:3] for each in answered.entry] == ["200", "404"]


def test_versions_can_be_listed_and_read(client: SyncFHIRClient) -> None:
    person = created(client, gender="female")
    person.patch(gender="other")
    history = client.execute(f"Patient/{person.id}/_history", method="get")
    assert [each.resource.gender for each in history.entry] == ["other", "female"]
    assert client.execute(f"Patient/{person.id}/_history/1", method="get").gender == "female"


def test_errors_name_the_element(client: SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as invalid:
        created(client, birthDate="yesterday")
    assert "birthDate" in said(invalid.value)
    with pytest.raises(OperationOutcome) as misspelt:
        client.resources("Patient").search(famly="Rivera").fetch()
    assert "famly" in said(misspelt.value)
