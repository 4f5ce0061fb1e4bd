"""The demo population has the shape of US Core 7.0.0, and the check that says so can fail.

https://hl7.org/fhir/us/core/STU7/
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from fnmatch import fnmatch
from typing import Any

import pytest

from fhir_server.core import codec
from seeds.generated import population as generated_population
from seeds.population import demo
from tests.conformance.us_core_examples import read_examples
from tests.conformance.us_core_guide import PACKAGE, Guide, read_guide
from tests.conformance.us_core_rules import broken
from tests.conformance.us_core_shape import Miss, Shape, by_reference
from tests.require import require_data

TODAY = date(2026, 11, 22)

NOT_MEANT = {
    "*|Observation.component*": "a vital sign of one value has no components; blood pressure and oximetry have theirs",
    "us-core-blood-pressure|Observation.value?x?": "a panel: its values are those of its components",
    "*|Observation.dataAbsentReason": "declined signs are shown for some, not once under each of the profiles",
}
"""Must-support elements that the population need not have: profile and element as patterns, and why."""

NEEDED_ANYWAY = {"us-core-blood-pressure", "us-core-pulse-oximetry", "us-core-observation-occupation"}
"""Profiles whose components are meant, so that the first row above is not about them."""


@pytest.fixture(scope="module")
def guide() -> Guide:
    """The profiles of the package."""
    package = require_data("packages") / PACKAGE
    if not package.is_file():
        pytest.skip(f"no {package.name} among the packages")
    return read_guide(package)


@pytest.fixture(scope="module")
def population() -> dict[str, dict[str, Any]]:
    """The demo population as JSON has it, by reference."""
    return by_reference(codec.decode(codec.encode(resource)) for resource in demo(TODAY))


@pytest.fixture(scope="module")
def examples() -> dict[str, dict[str, Any]]:
    """The guide's own examples, by reference."""
    return by_reference(read_examples(require_data("packages") / PACKAGE))


def shape(guide: Guide, resources: dict[str, dict[str, Any]]) -> Shape:
    """The resources, checked."""
    checked = Shape(guide, resources)
    checked.check()
    return checked


def is_meant(profile: str, element: str) -> bool:
    """Whether a must-support element must be somewhere in the population."""
    if profile in NEEDED_ANYWAY and ".component" in element:
        return True
    return not any(fnmatch(f"{profile}|{element}", row) for row in NOT_MEANT)


def test_the_demo_population_misses_nothing_of_the_profiles_it_claims(
    guide: Guide, population: dict[str, dict[str, Any]]
) -> None:
    assert shape(guide, population).misses == []


@pytest.mark.parametrize("today", [date(2028, 2, 29), date(2027, 1, 1)])
def test_the_demo_population_misses_nothing_on_another_day(guide: Guide, today: date) -> None:
    seen = by_reference(demo(today))
    assert shape(guide, seen).misses == []
    assert not any(map(broken, seen.values()))


def test_a_generated_population_misses_nothing(guide: Guide) -> None:
    generated = by_reference(generated_population(5, 1, TODAY))
    checked = shape(guide, generated)
    assert checked.misses == [] and len(checked.used) > 30
    assert not any(map(broken, generated.values()))


def test_the_demo_population_breaks_no_invariant_of_us_core(population: dict[str, dict[str, Any]]) -> None:
    assert {reference: keys for reference, each in population.items() if (keys := broken(each))} == {}


def test_each_must_support_element_is_somewhere_in_the_demo_population(
    guide: Guide, population: dict[str, dict[str, Any]]
) -> None:
    unused = shape(guide, population).unused()
    missing = {profile: [each for each in elements if is_meant(profile, each)] for profile, elements in unused.items()}
    assert {profile: elements for profile, elements in missing.items() if elements} == {}


def test_every_profile_of_a_resource_is_claimed_in_the_demo_population(
    guide: Guide, population: dict[str, dict[str, Any]]
) -> None:
    profiles = {url for url, type_name in guide.types.items() if type_name != "Extension"}
    abstract = {"us-core-vital-signs"}
    unclaimed = profiles - shape(guide, population).used.keys()
    assert {url.rpartition("/")[2] for url in unclaimed} == abstract


def test_every_report_document_is_found_among_the_notes_too(population: dict[str, dict[str, Any]]) -> None:
    def urls(type_name: str) -> set[str]:
        found = [each for each in population.values() if each["resourceType"] == type_name]
        forms = [form for each in found for form in each.get("presentedForm", ())]
        contents = [content["attachment"] for each in found for content in each.get("content", ())]
        return {each["url"] for each in (*forms, *contents) if "url" in each}

    reports = urls("DiagnosticReport")
    assert reports and reports <= urls("DocumentReference")
    assert all(url in population for url in urls("DocumentReference"))


def test_the_notes_and_reports_that_us_core_names_are_all_there(population: dict[str, dict[str, Any]]) -> None:
    types = {
        coding["code"]
        for each in population.values()
        if each["resourceType"] == "DocumentReference"
        for coding in each["type"].get("coding", ())
    }
    categories = {
        coding["code"]
        for each in population.values()
        if each["resourceType"] == "DiagnosticReport"
        for category in each["category"]
        for coding in category["coding"]
    }
    assert {"11488-4", "18842-5", "34117-2", "28570-0", "11506-3", "18748-4", "11502-2", "11526-1"} <= types
    assert {"LP29684-5", "LP29708-2", "LP7839-6", "LAB"} <= categories


def test_the_screening_categories_that_us_core_names_are_all_there(population: dict[str, dict[str, Any]]) -> None:
    categories = {
        (each["resourceType"], coding["code"])
        for each in population.values()
        for category in each.get("category", ())
        if isinstance(category, dict)
        for coding in category.get("coding", ())
    }
    wanted = ("sdoh", "functional-status", "disability-status", "cognitive-status", "survey", "social-history")
    assert {("Condition", "sdoh"), *(("Observation", code) for code in wanted)} <= categories


def test_both_ways_to_say_why_something_is_absent_are_there(population: dict[str, dict[str, Any]]) -> None:
    text = codec.encode(list(population.values())).decode()
    assert '"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason"' in text
    assert '"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason"' in text


def test_the_examples_of_the_guide_miss_nothing(guide: Guide, examples: dict[str, dict[str, Any]]) -> None:
    checked = shape(guide, examples)
    assert checked.misses == []
    assert len(checked.used) >= 55


Change = Callable[[dict[str, Any]], Any]

CHANGES: tuple[tuple[str, Change, str], ...] = (
    ("Patient/example", lambda each: each.pop("gender"), "Patient.gender"),
    ("Patient/example", lambda each: each["name"].clear(), "Patient.name"),
    ("Patient/example", lambda each: each["extension"][0]["extension"].pop(), "Extension.extension:text"),
    ("Condition/encounter-diagnosis-example1", lambda each: each["category"].clear(), "Condition.category"),
    (
        "Condition/encounter-diagnosis-example1",
        lambda each: each["category"][0]["coding"][0].update(code="problem-list-item"),
        "Condition.category:us-core",
    ),
    ("Observation/blood-pressure", lambda each: each["component"].pop(), "Observation.component"),
    (
        "Observation/blood-pressure",
        lambda each: each["component"][0]["valueQuantity"].update(code="kPa"),
        "Observation.component:systolic.value[x].code",
    ),
    (
        "Observation/blood-pressure",
        lambda each: each["code"]["coding"][0].update(code="8480-6"),
        "Observation.code",
    ),
    (
        "Observation/blood-pressure",
        lambda each: each.update(subject={"reference": "Practitioner/practitioner-1"}),
        "Observation.subject",
    ),
    (
        "Observation/serum-co2",
        lambda each: each.update(specimen={"reference": "Specimen/none"}),
        "Observation.specimen",
    ),
    ("Observation/head-circumference", lambda each: each.pop("effectiveDateTime"), "Observation.effective[x]"),
    (
        "Observation/pregnancy-status",
        lambda each: each.update(effectivePeriod={"start": "2022"}),
        "Observation.effective[x]",
    ),
    ("Goal/goal-1", lambda each: each.pop("description"), "Goal.description"),
    (
        "CarePlan/colonoscopy",
        lambda each: each["text"].update(status="empty"),
        "CarePlan.text.status",
    ),
)


@pytest.mark.parametrize(("reference", "change", "element"), CHANGES)
def test_an_example_that_was_spoilt_is_told_by_element(
    guide: Guide, examples: dict[str, dict[str, Any]], reference: str, change: Change, element: str
) -> None:
    spoilt = deepcopy(examples)
    change(spoilt[reference])
    found = [miss for miss in shape(guide, spoilt).misses if miss.resource == reference]
    assert element in {miss.element for miss in found}, found


def test_a_must_support_element_that_nobody_has_is_told(guide: Guide, examples: dict[str, dict[str, Any]]) -> None:
    goals = {reference: deepcopy(each) for reference, each in examples.items() if each["resourceType"] == "Goal"}
    for each in goals.values():
        each.pop("target", None)
    unused = shape(guide, goals).unused()
    assert unused["us-core-goal"] == ["Goal.start[x]", "Goal.target", "Goal.target.due[x]"]


@pytest.mark.parametrize(
    ("reference", "change", "key"),
    [
        ("Observation/blood-pressure", lambda each: each["component"][0].pop("valueQuantity"), "us-core-26"),
        ("Observation/serum-co2", lambda each: each.pop("valueQuantity"), "us-core-2"),
        ("DiagnosticReport/cbc", lambda each: each.pop("issued"), "us-core-9"),
        ("DocumentReference/episode-summary", lambda each: each["content"][0]["attachment"].pop("url"), "us-core-6"),
        ("Practitioner/practitioner-1", lambda each: each["identifier"][0].update(value="9941339109"), "us-core-17"),
    ],
)
def test_a_broken_invariant_is_told_by_its_key(
    examples: dict[str, dict[str, Any]], reference: str, change: Change, key: str
) -> None:
    assert broken(examples[reference]) == []
    spoilt = deepcopy(examples[reference])
    change(spoilt)
    assert key in broken(spoilt)


def test_no_example_of_the_guide_breaks_an_invariant(examples: dict[str, dict[str, Any]]) -> None:
    assert {reference: keys for reference, each in examples.items() if (keys := broken(each))} == {}


def test_a_miss_names_resource_profile_element_and_what_is_wrong(
    guide: Guide, examples: dict[str, dict[str, Any]]
) -> None:
    spoilt = deepcopy(examples["Goal/goal-1"])
    del spoilt["description"]
    misses = shape(guide, {**examples, "Goal/goal-1": spoilt}).misses
    assert misses == [Miss("Goal/goal-1", "us-core-goal", "Goal.description", "is there 0 times, at least 1 asked")]
