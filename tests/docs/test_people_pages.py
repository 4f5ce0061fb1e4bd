"""The pages about people name nothing that there is not: settings, commands with their options, pages of sign-in,
refusals.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from fhir_server.cli import app
from fhir_server.core.outcome import NUMBERS
from fhir_server.settings import Settings
from tests.auth.test_every_door import DOORS
from tests.require import ROOT

PAGES = sorted((ROOT / "docs" / "people").glob("*.md"))

SETTING = re.compile(r"\bFHIR_[A-Z_]*[A-Z]\b")
COMMAND = re.compile(r"`?fhir-server ([a-z]+) ([a-z]+)([^`\n#]*)")
DOOR = re.compile(r"(?<![\w/])(/auth/[a-z/-]*[a-z]|/help)\b")
REFUSAL = re.compile(r"\((\d{4})\)|`(\d{4})`")

pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_every_setting_is_one(page: Path) -> None:
    named = {each.removeprefix("FHIR_").lower() for each in SETTING.findall(page.read_text("utf-8"))}
    assert named - set(Settings.model_fields) == set()


def test_every_command_is_one_and_takes_what_it_is_given(page: Path) -> None:
    whole: Any = typer.main.get_command(app)
    for group, name, rest in COMMAND.findall(page.read_text("utf-8")):
        assert name in whole.commands[group].commands, f"{group} {name}"
        known = {option for each in whole.commands[group].commands[name].params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"{group} {name}{rest}"


def test_every_page_of_sign_in_is_one(page: Path) -> None:
    assert set(DOOR.findall(page.read_text("utf-8"))) - {"/auth/provider"} <= set(DOORS)


def test_every_refusal_has_its_number(page: Path) -> None:
    named = {int(one or other) for one, other in REFUSAL.findall(page.read_text("utf-8"))}
    assert named <= set(NUMBERS)
