"""The fourteen stories in the README of the demo population give what they show, on a fresh demo server."""

from urllib.parse import urlsplit

import pytest

from tests.conftest import start_server
from tests.docs.commands import Ran, blocks, refuse_untrue, run_blocks
from tests.require import ROOT

PAGE = blocks(ROOT / "seeds" / "README.md")
STORIES = 13
"""Blocks: those of all stories, of which a card's is told once, after the one that the others stand on."""


@pytest.fixture(scope="module")
def done(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    folder = tmp_path_factory.mktemp("stories")
    settings = {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": "test_stories_page",
        "FHIR_DEMO": "true",
    }
    server = start_server(folder / "server.log", 1, settings, 180.0, auth="smart")
    try:
        address = urlsplit(server.base).netloc
        return run_blocks(PAGE, address, folder, settings | {"FHIR_PORT": address.rpartition(":")[2]})
    finally:
        server.stop()


def test_each_story_has_its_commands() -> None:
    assert len(PAGE) == 1 + STORIES


@pytest.mark.parametrize("position", range(1 + STORIES), ids=[str(each) for each in PAGE])
def test_a_story_is_as_it_is_told(done: list[Ran], position: int) -> None:
    refuse_untrue(done[position])
