"""The demo population as a whole: the same each time, marked as invented, and whole in itself."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from typing import Any

import pytest

from fhir_server.core import codec
from fhir_server.core.reference import is_id
from seeds.facilities import SUPPORT_LINES
from seeds.families import MEMBERS
from seeds.model import Agency, BeneficiaryClass, Branch
from seeds.population import demo
from tests.require import ROOT

TODAY = date(2026, 11, 22)
OTHER_DAYS = (date(2027, 1, 1), date(2027, 4, 3), date(2028, 2, 29))
DIGEST = """
from datetime import date
from hashlib import sha256
from fhir_server.core import codec
from seeds.population import demo
print(sha256(b"".join(codec.encode(each) for each in demo(date(2026, 11, 22)))).hexdigest())
"""

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def population() -> list[Resource]:
    """What a server loads that is started on TODAY."""
    return demo(TODAY)


def references(node: object) -> Iterator[str]:
    """Every reference of a resource, and every attachment kept as a Binary."""
    if isinstance(node, dict):
        for name, value in node.items():
            # The actor of a Consent has an element `reference` that is a Reference.
            if isinstance(value, str) and (name == "reference" or (name == "url" and value.startswith("Binary/"))):
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def strings(node: object) -> Iterator[str]:
    """Every text of a resource."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for each in node:
            yield from strings(each)


def name_of(resource: Resource) -> str:
    """Its relative reference."""
    return f"{resource['resourceType']}/{resource['id']}"


def labels_of(resource: Resource) -> set[str]:
    """Its security labels but the one for test data."""
    return {each["code"] for each in resource["meta"]["security"]} - {"HTEST"}


def test_the_same_day_gives_the_same_bytes_in_any_process(population: list[Resource]) -> None:
    here = sha256(b"".join(codec.encode(each) for each in population)).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo"}
    there = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@pytest.mark.parametrize("day", OTHER_DAYS)
def test_on_another_day_there_are_the_same_resources(population: list[Resource], day: date) -> None:
    assert {name_of(each) for each in population} == {name_of(each) for each in demo(day)}


@pytest.mark.parametrize("day", OTHER_DAYS)
def test_nothing_is_recorded_of_anybody_before_their_birth(day: date) -> None:
    resources = demo(day)
    born = {each["id"]: each["birthDate"] for each in resources if each["resourceType"] == "Patient"}
    for each in resources:
        if each["resourceType"] in ("Encounter", "Immunization", "Condition"):
            subject = each.get("subject") or each["patient"]
            moment = each.get("period", {}).get("start") or each.get("occurrenceDateTime") or each["onsetDateTime"]
            assert moment[:10] >= born[subject["reference"].removeprefix("Patient/")], name_of(each)


def test_each_resource_has_an_id_of_its_own(population: list[Resource]) -> None:
    assert [name for name, count in Counter(map(name_of, population)).items() if count > 1] == []
    assert all(is_id(each["id"]) for each in population)


def test_each_reference_leads_to_a_resource_of_the_population(population: list[Resource]) -> None:
    there = set(map(name_of, population))
    lost = {(name_of(each), found) for each in population for found in references(each) if found not in there}
    assert lost == set()


def test_few_references_point_forwards(population: list[Resource]) -> None:
    seen: set[str] = set()
    forwards = Counter[tuple[str, str]]()
    for each in population:
        seen.add(name_of(each))
        forwards.update(
            (each["resourceType"], found.partition("/")[0]) for found in references(each) if found not in seen
        )
    # A visit names its diagnoses, which name the visit; so with a Patient and its copy, and a Person's relatives.
    assert forwards.keys() <= {("Encounter", "Condition"), ("Patient", "Patient"), ("Person", "RelatedPerson")}


def test_everything_is_marked_as_test_data_of_the_demo_population_and_says_which_agency_it_is_from(
    population: list[Resource],
) -> None:
    sources = {f"urn:fhir-server:agency:{each}" for each in Agency}
    for each in population:
        meta = each["meta"]
        assert "HTEST" in {label["code"] for label in meta["security"]}, name_of(each)
        assert {"system": "urn:fhir-server:seeds", "code": "demo"} in meta["tag"], name_of(each)
        assert meta["source"] in sources, name_of(each)


DESKS = {number for _, _, numbers, _ in SUPPORT_LINES for number in numbers}
"""Public help desks, which have their own numbers."""


def test_no_identifier_number_or_address_can_be_anybodys(population: list[Resource]) -> None:
    for each in population:
        for identifier in each.get("identifier", ()) if isinstance(each.get("identifier"), list) else ():
            if identifier.get("system") == "http://hl7.org/fhir/sid/us-ssn":
                assert re.fullmatch(r"9\d{8}", identifier["value"]), name_of(each)
        for contact in each.get("telecom", ()):
            if contact["system"] == "phone" and contact["value"] in DESKS:
                assert each["resourceType"] == "HealthcareService", name_of(each)
            elif contact["system"] == "phone":
                assert re.fullmatch(r"\d{3}-555-01\d\d", contact["value"]), (name_of(each), contact)
            else:
                assert contact["system"] == "email" and contact["value"].endswith("example.org")
        for text in strings({name: value for name, value in each.items() if name != "data"}):
            assert not re.search(r"\b\d{3}-\d{2}-\d{4}\b", text), name_of(each)


def test_every_facility_has_a_portal_champion_who_can_be_called(population: list[Resource]) -> None:
    desk = {"reference": "HealthcareService/support-champion"}
    champions = [
        each
        for each in population
        if each["resourceType"] == "PractitionerRole"
        and [{"reference": service["reference"]} for service in each.get("healthcareService", ())] == [desk]
    ]
    places = [each["id"] for each in population if each["resourceType"] == "Location"]
    assert [each["location"][0]["reference"] for each in champions] == [f"Location/{place}" for place in places]
    for each in champions:
        assert (each["active"], each["code"][0]["text"]) == (True, "Patient Portal Champion")
        assert each["organization"]["display"] == each["location"][0]["display"]
        assert [telecom["system"] for telecom in each["telecom"]] == ["phone"]
        # A desk, and not a person who treats anybody.
        assert "practitioner" not in each


def test_the_population_has_every_class_agency_and_branch() -> None:
    people = [each.person for each in MEMBERS]
    assert len(people) >= 40
    assert {each.beneficiary_class for each in people} == set(BeneficiaryClass)
    assert {each.agency for each in people} == set(Agency)
    assert {each.branch for each in people} >= set(Branch)
    assert len({each.number for each in people}) == len(people)


def test_sponsors_are_members_of_the_population_and_come_first() -> None:
    seen: set[str] = set()
    for each in MEMBERS:
        assert each.person.sponsor is None or each.person.sponsor in seen
        seen.add(each.person.key)


def test_what_refers_to_a_restricted_resource_is_restricted_alike(population: list[Resource]) -> None:
    labels = {name_of(each): labels_of(each) for each in population}
    for each in population:
        for found in references(each):
            assert labels[found] <= labels[name_of(each)], f"{name_of(each)} tells of {found}"


def test_all_that_was_written_in_a_protected_visit_is_labelled(population: list[Resource]) -> None:
    visits = {name_of(each): labels_of(each) for each in population if each["resourceType"] == "Encounter"}
    assert {frozenset(each) for each in visits.values() if "42CFRPart2" in each} and any(
        "Title38Section7332" in each for each in visits.values()
    )
    for each in population:
        visit = each.get("encounter", {}).get("reference")
        if visit:
            assert visits[visit] <= labels_of(each), name_of(each)


def test_each_resource_about_a_patient_is_signed_once(population: list[Resource]) -> None:
    signed = Counter(
        target["reference"] for each in population if each["resourceType"] == "Provenance" for target in each["target"]
    )
    assert {name for name, count in signed.items() if count > 1} == set()
    for each in population:
        if each["resourceType"] in (
            "Patient",
            "Condition",
            "Observation",
            "MedicationRequest",
            "Coverage",
            "Encounter",
        ):
            assert name_of(each) in signed, name_of(each)


def test_the_veteran_has_one_patient_with_both_numbers_and_a_source_copy_that_points_to_it(
    population: list[Resource],
) -> None:
    found = {each["id"]: each for each in population if each["resourceType"] == "Patient"}
    veteran, copy = found["walker-james"], found["walker-james-dod-copy"]
    systems = {each["system"] for each in veteran["identifier"]}
    assert systems >= {"urn:oid:2.16.840.1.113883.3.42.10001.100001.12", "urn:oid:2.16.840.1.113883.4.349"}
    assert veteran["link"] == [{"other": {"reference": "Patient/walker-james-dod-copy"}, "type": "seealso"}]
    assert copy["link"][0]["other"]["reference"] == "Patient/walker-james" and copy["link"][0]["type"] == "refer"
    sources = {
        each["meta"]["source"]
        for each in population
        if each["resourceType"] == "Condition" and each["subject"]["reference"] == "Patient/walker-james"
    }
    assert sources == {"urn:fhir-server:agency:dod", "urn:fhir-server:agency:va"}


def test_the_facility_that_is_not_live_has_patients_and_no_clinical_records(population: list[Resource]) -> None:
    kowalskis = {f"Patient/{each}" for each in ("kowalski-peter", "kowalski-amy")}
    types = {each["resourceType"] for each in population if kowalskis & set(references(each))}
    assert types.isdisjoint({"Encounter", "Condition", "MedicationRequest", "DiagnosticReport", "DocumentReference"})


def test_the_readme_has_the_numbers(population: list[Resource]) -> None:
    text = (ROOT / "seeds" / "README.md").read_text("utf-8")
    counts = Counter(each["resourceType"] for each in population)
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", text, re.MULTILINE))
    assert {name: int(number.replace(",", "")) for name, number in rows.items()} == dict(counts)
    assert f"{counts.total():,} resources" in text


@pytest.mark.parametrize("day", [TODAY, *OTHER_DAYS])
def test_what_is_over_is_past_and_nobody_is_seen_on_a_weekend_by_appointment(day: date) -> None:
    today = day.isoformat()
    for each in demo(day):
        if each["resourceType"] == "MedicationDispense":
            assert each["whenHandedOver"] < today, each["id"]
        if each["resourceType"] == "Appointment" and "start" in each:
            assert date.fromisoformat(each["start"][:10]).weekday() < 5, each["id"]
            is_over = each["status"] in ("arrived", "checked-in", "fulfilled", "noshow")
            assert each["start"][:10] <= today if is_over else each["start"] > today, each["id"]


def test_medicines_are_ordered_by_who_may_prescribe(population: list[Resource]) -> None:
    titles = {
        name_of(each): each["name"][0]["suffix"][0] for each in population if each["resourceType"] == "Practitioner"
    }
    for each in population:
        if each["resourceType"] == "MedicationRequest" and each["intent"] == "order":
            assert titles[each["requester"]["reference"]] in ("MD", "DO", "PA-C"), each["id"]


def test_a_patient_asks_about_a_refusal_after_it_was_told(population: list[Resource]) -> None:
    sent = {
        each["id"]: each["sent"] for each in population if each["resourceType"] == "Communication" and "sent" in each
    }
    told, asked, answered = (
        sent[f"washington-harold-{key}"] for key in ("tamsulosin-denied-notice", "renewal-1", "renewal-2")
    )
    assert told < asked < answered


def test_a_discharge_summary_is_written_at_the_end_of_the_stay(population: list[Resource]) -> None:
    ends = {name_of(each): each["period"]["end"] for each in population if each["resourceType"] == "Encounter"}
    summaries = [each for each in population if each.get("description") == "Discharge summary"]
    assert summaries
    for each in summaries:
        assert each["date"] == ends[each["context"]["encounter"][0]["reference"]], each["id"]


def test_nothing_is_signed_before_it_was_written(population: list[Resource]) -> None:
    by_name = {name_of(each): each for each in population}
    moments = ("authoredOn", "whenHandedOver", "sent", "issued", "recordedDate", "dateTime", "authored", "date")
    for each in population:
        if each["resourceType"] == "Provenance":
            for target in each["target"]:
                found = by_name[target["reference"]]
                for moment in moments:
                    assert found.get(moment, "")[:10] <= each["recorded"][:10], target["reference"]


@pytest.mark.parametrize("day", [TODAY, *OTHER_DAYS])
def test_no_problem_is_recorded_before_it_began(day: date) -> None:
    for each in demo(day):
        if each["resourceType"] == "Condition":
            assert each["onsetDateTime"][:10] <= each["recordedDate"][:10], each["id"]


def test_a_living_will_is_older_than_what_took_the_judgement(population: list[Resource]) -> None:
    by_name = {name_of(each): each for each in population}
    for person, illness in (("nakamura-kenji", "brain-injury"), ("jensen-karl", "dementia")):
        written = by_name[f"Consent/{person}-advance-directive"]["dateTime"]
        assert written < by_name[f"Condition/{person}-{illness}"]["onsetDateTime"]
