"""Generated populations: any size, always the same, families whose references resolve."""

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.validation.validate import validate
from seeds import clinicians, files, generated, generated_people
from tests.unit.seeds.care_chart import TODAY, Json

PATIENTS = 24


@pytest.fixture(scope="module")
def population() -> list[Json]:
    return list(generated.population(PATIENTS, 1, TODAY))


def references(value: Any) -> Iterator[str]:
    """Every relative reference of a resource."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "reference" and isinstance(each, str):
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_has_as_many_patients_as_were_asked_for(population: list[Json]) -> None:
    assert Counter(each["resourceType"] for each in population)["Patient"] == PATIENTS
    for patients in (1, 2, 3):
        found = [each for each in generated.population(patients, 7, TODAY) if each["resourceType"] == "Patient"]
        assert len(found) == patients


def test_a_record_has_about_150_resources(population: list[Json]) -> None:
    own = [each for each in population if each["id"].startswith("g1-")]
    assert 100 < len(own) / PATIENTS < 200


def test_the_same_seed_and_day_give_the_same_bytes(population: list[Json]) -> None:
    again = generated.population(PATIENTS, 1, TODAY)
    assert all(encode(one) == encode(other) for one, other in zip(population, again, strict=True))


def test_a_smaller_population_is_the_beginning_of_a_larger_one(population: list[Json]) -> None:
    fewer = list(generated.population(10, 1, TODAY))
    whole = {(each["resourceType"], each["id"]) for each in population}
    assert {(each["resourceType"], each["id"]) for each in fewer} <= whole


def test_another_seed_gives_other_people(population: list[Json]) -> None:
    others = {each["id"] for each in generated.population(PATIENTS, 2, TODAY) if each["resourceType"] == "Patient"}
    assert others.isdisjoint(each["id"] for each in population)


def test_every_resource_is_valid(population: list[Json]) -> None:
    faults = {(each["resourceType"], issue.text) for each in population for issue in validate(decode(encode(each)))}
    assert faults == set()


def test_ids_are_unique_and_references_resolve(population: list[Json]) -> None:
    ids = [f"{each['resourceType']}/{each['id']}" for each in population]
    assert len(ids) == len(set(ids))
    dangling = {reference for each in population for reference in references(each)} - set(ids)
    assert dangling == set()


def test_dependents_are_covered_through_a_sponsor_of_their_own_family(population: list[Json]) -> None:
    names = {
        f"Patient/{each['id']}": each["name"][0]["family"] for each in population if each["resourceType"] == "Patient"
    }
    covered = [each for each in population if each["resourceType"] == "Coverage"]
    through_others = [each for each in covered if each["subscriber"]["reference"] != each["beneficiary"]["reference"]]
    assert through_others
    for each in through_others:
        assert names[each["subscriber"]["reference"]] == names[each["beneficiary"]["reference"]]


def test_everything_is_labelled_as_test_data_of_the_generated_population(population: list[Json]) -> None:
    for each in population:
        assert "HTEST" in {label["code"] for label in each["meta"]["security"]}
        assert each["meta"]["tag"] == [{"system": "urn:fhir-server:seeds", "code": "generated"}]


def test_identifiers_are_unique_and_no_social_security_number_can_be_issued(population: list[Json]) -> None:
    found = [
        (identifier["system"], identifier["value"])
        for each in population
        if each["resourceType"] == "Patient"
        for identifier in each["identifier"]
    ]
    assert len(found) == len(set(found))
    numbers = [value for system, value in found if system == "http://hl7.org/fhir/sid/us-ssn"]
    assert len(numbers) == PATIENTS
    assert all(number.startswith("9") and len(number) == 9 for number in numbers)


@pytest.mark.parametrize("patients", [0, -1, generated.MAX_PATIENTS + 1])
def test_a_number_of_patients_out_of_bounds_is_refused(patients: int) -> None:
    with pytest.raises(ValueError, match="patients must be between"):
        next(generated.population(patients, 1, TODAY))


def test_days_change_with_the_day_it_is_seen_from_and_ids_of_patients_do_not() -> None:
    def patients(today: date) -> dict[str, str]:
        found = generated.population(5, 1, today)
        return {each["id"]: each["birthDate"] for each in found if each["resourceType"] == "Patient"}

    one, other = patients(TODAY), patients(date(2031, 1, 2))
    assert one.keys() == other.keys()
    assert one != other


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_files_hold_a_type_each_and_are_the_same_each_time(tmp_path: Path, is_gzipped: bool) -> None:
    resources = [{"resourceType": "Patient", "id": "b"}, {"resourceType": "Basic", "id": "a"}]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert list(files.write(resources, tmp_path / name, encode, is_gzipped=is_gzipped)) == resources
    suffix = ".ndjson.gz" if is_gzipped else ".ndjson"
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [f"Basic{suffix}", f"Patient{suffix}"]
    for path in (tmp_path / "one").iterdir():
        content = path.read_bytes()
        assert content == (tmp_path / "two" / path.name).read_bytes()
        assert decode(gzip.decompress(content) if is_gzipped else content)["resourceType"] in path.name


def test_a_family_can_be_drawn_from_any_seed() -> None:
    directory = clinicians.directory()
    sizes = {len(generated_people.family(Random(f"{seed} 1"), directory, 10_001, "any")) for seed in range(3_000)}
    assert {1, 2, 3, 4, 5} <= sizes
