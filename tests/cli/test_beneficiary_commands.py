"""The command `beneficiary`, on a database without a server."""

import asyncio
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_server.care.beneficiary_class import class_extension
from fhir_server.cli_beneficiaries import beneficiaries
from fhir_server.store.indexes import AUDIT
from tests.rest.in_process import opened, put
from tests.rest.portal import ann
from tests.rest.test_beneficiary_status import tricare


@pytest.fixture
def command(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command on a database with one member on active duty."""

    async def stored() -> None:
        async with opened(mongodb_uri, database_name) as context:
            await put(context, ann(extension=[class_extension("reserve")]))
            await put(context, tricare())

    asyncio.run(stored())
    monkeypatch.setenv("FHIR_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("FHIR_MONGODB_DATABASE", database_name)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(beneficiaries, list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_a_class_is_given_from_a_day_on_and_both_are_shown(command: Any, mongodb: Any, database_name: str) -> None:
    assert "ann: veteran from 2031-12-01 on." in command("status", "ann", "--class", "veteran", "--from", "2031-12-01")
    shown = command("show", "ann")
    assert "Today: reserve." in shown
    assert "2031-11-30" in shown
    assert "2031-12-01" in shown
    rows = list(mongodb[database_name][AUDIT].find())
    assert rows, "nothing was audited"


def test_numbers_are_shown_where_they_are_asked_for(command: Any) -> None:
    born = ann().get("birthDate", "")
    assert "Birth date" not in command("show", "ann")
    assert f"Birth date: {born}" in command("show", "ann", "--numbers")
    for each in ann().get("identifier", ()):
        assert each["value"] in command("show", "ann", "--numbers")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "ann", "--class", "civilian", "--from", "2026-12-01"), "--class must be one of"),
        (("status", "ann", "--class", "veteran", "--from", "tomorrow"), "--from must be a day"),
        (("status", "no one", "--class", "veteran", "--from", "2026-12-01"), "cannot be the id"),
        (("status", "nobody", "--class", "veteran", "--from", "2026-12-01"), "no such Patient"),
        (("show", "nobody"), "There is no Patient nobody"),
    ],
)
def test_what_cannot_be_is_one_sentence(command: Any, arguments: tuple[str, ...], said: str) -> None:
    assert said in " ".join(command(*arguments, code=2).split())
