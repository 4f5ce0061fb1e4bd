"""The pages under docs/connect, each run as a reader would run it: one program against the demo population."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.docs.commands import ADDRESS, Block, Ran, blocks, refuse_untrue, run_blocks
from tests.docs.programs import page_blocks, run_program
from tests.require import ROOT, require

CONNECT = ROOT / "docs" / "connect"
LANGUAGES = {"curl": "sh", "fhir-kit-client": "js", "fhirclient": "js", "fhirpy": "python", "hapi": "java"}
LEAST_BLOCKS = 6


def said(page: str) -> str:
    return (CONNECT / f"{page}.md").read_text(encoding="utf-8")


def code(page: str) -> tuple[Block, ...]:
    """The blocks of a page that its reader runs."""
    path = CONNECT / f"{page}.md"
    return blocks(path) if LANGUAGES[page] == "sh" else page_blocks(path, LANGUAGES[page])


def run(page: str, demo: RunningServer, folder: Path) -> list[Ran]:
    address = demo.base.removeprefix("http://").removesuffix("/fhir")
    if LANGUAGES[page] == "sh":
        return run_blocks(code(page), address, folder)
    return run_program(code(page), LANGUAGES[page], address, folder)


@pytest.mark.parametrize("page", sorted(LANGUAGES))
def test_a_page_shows_what_it_gives(page: str, demo: RunningServer, tmp_path: Path) -> None:
    for ran in run(page, demo, tmp_path):
        refuse_untrue(ran)


@pytest.mark.parametrize("page", sorted(LANGUAGES))
def test_a_page_shows_the_output_of_most_of_its_code(page: str) -> None:
    pieces = code(page)
    assert len(pieces) >= LEAST_BLOCKS
    assert sum(1 for piece in pieces if piece.shown) >= len(pieces) - 2


def test_a_page_that_shows_something_else_is_found_out(tmp_path: Path) -> None:
    require("node")
    untrue = Block("page.md", 1, "console.log(1);", ("2",))
    failing = Block("page.md", 5, 'throw new Error("no");')
    with pytest.raises(AssertionError, match="does not give '2'"):
        refuse_untrue(run_program([untrue], "js", ADDRESS, fresh(tmp_path / "untrue"))[0])
    with pytest.raises(AssertionError, match="exit code 1"):
        refuse_untrue(run_program([failing], "js", ADDRESS, fresh(tmp_path / "failing"))[0])


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_every_page_is_run() -> None:
    assert {path.stem for path in CONNECT.glob("*.md")} == {*LANGUAGES, "smart"}


@pytest.mark.parametrize("page", sorted(LANGUAGES))
def test_every_page_says_what_sign_in_changes(page: str) -> None:
    assert "make serve ARGS='--auth off'" in said(page)
    assert "With sign-in" in said(page) and "(smart.md)" in said(page)


@pytest.mark.parametrize("package", ["fhirclient", "fhir-kit-client"])
def test_the_npm_version_of_a_page_is_the_one_tested(package: str) -> None:
    tested = json.loads((ROOT / "tests" / "clients" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert f"npm install {package}@{tested[package]}\n" in said(package)


def test_the_fhirpy_version_of_the_page_is_the_one_tested() -> None:
    assert f"pip install fhirpy=={version('fhirpy')}\n" in said("fhirpy")


def test_the_hapi_dependencies_of_the_page_are_those_tested() -> None:
    project = (ROOT / "tests" / "clients" / "hapi" / "pom.xml").read_text(encoding="utf-8")
    release = re.search(r"<hapi.version>(.+)</hapi.version>", project)
    assert release is not None
    tested = set(re.findall(r"<artifactId>(hapi-fhir-.+)</artifactId>", project))
    shown = re.findall(r"<artifactId>(.+)</artifactId>\n\s*<version>(.+)</version>", said("hapi"))
    assert set(shown) == {(artifact, release[1]) for artifact in tested}
