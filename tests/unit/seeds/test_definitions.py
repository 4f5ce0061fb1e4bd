"""Our own definitions in profiles/federal and the tables that the population is written with say the same."""

from typing import Any

import pytest

from seeds import codes, definitions
from seeds.facilities import GO_LIVE_URL
from seeds.ids import DMIS_SYSTEM, SPONSOR_SYSTEM
from seeds.people import BENEFICIARY_CLASS, BRANCH

RESOURCES = definitions.resources()
CODE_SYSTEMS = [each for each in RESOURCES if each["resourceType"] == "CodeSystem"]


@pytest.mark.parametrize("defined", [pytest.param(each, id=each["id"]) for each in CODE_SYSTEMS])
def test_a_code_system_of_ours_has_the_codes_of_its_table(defined: dict[str, Any]) -> None:
    name = next(short for short, url in codes.SYSTEMS.items() if url == defined["url"])
    listed = {each["code"]: each["display"] for each in defined["concept"]}
    tabled = {code: display for table in codes.TABLES for code, display in table.get(name, {}).items()}
    assert listed == tabled and defined["count"] == len(listed)


def test_every_system_of_ours_that_codes_are_taken_from_is_defined() -> None:
    ours = {url for url in codes.SYSTEMS.values() if url.startswith("urn:fhir-server:federal:")}
    assert ours == {each["url"] for each in CODE_SYSTEMS}


def test_the_extensions_and_naming_systems_that_are_used_are_defined() -> None:
    urls = {each["url"] for each in RESOURCES if each["resourceType"] == "StructureDefinition"}
    assert urls == {GO_LIVE_URL, BENEFICIARY_CLASS, BRANCH}
    named = {each["uniqueId"][0]["value"] for each in RESOURCES if each["resourceType"] == "NamingSystem"}
    assert named >= {DMIS_SYSTEM, SPONSOR_SYSTEM}


def test_the_page_of_the_profiles_names_every_file() -> None:
    from tests.require import ROOT

    page = (ROOT / "profiles" / "README.md").read_text("utf-8")
    files = sorted(each.name for each in (ROOT / "profiles" / "federal").glob("*.json"))
    assert [name for name in files if f"`{name}`" not in page] == []
