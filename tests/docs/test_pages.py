"""The pages a newcomer reads, each run as a whole against a server with the demo data."""

import re
from pathlib import Path

import httpx
import pytest

from tests.architecture.sources import relative, text_files
from tests.conftest import RunningServer
from tests.docs.commands import ADDRESS, Ran, blocks, refuse_untrue, run_blocks
from tests.require import ROOT

PAGES = ("README.md", "docs/quickstart.md", "docs/security.md")
RUN_ELSEWHERE = ("docs/connect/", "docs/operations.md", "seeds/README.md", "tests/docs/page_of_commands.md")
"""Pages whose commands other tests run."""

OWN_URL = re.compile(rf"http://{re.escape(ADDRESS)}[\w/.-]*\w")


@pytest.fixture(scope="module")
def ran(demo: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Ran]]:
    """What became of the commands of each page."""
    address = demo.base.removeprefix("http://").removesuffix("/fhir")
    return {page: run_blocks(blocks(ROOT / page), address, tmp_path_factory.mktemp("page")) for page in PAGES}


@pytest.mark.parametrize(
    ("page", "number"),
    [pytest.param(page, number, id=str(block)) for page in PAGES for number, block in enumerate(blocks(ROOT / page))],
)
def test_a_block_of_commands_gives_what_the_page_shows(ran: dict[str, list[Ran]], page: str, number: int) -> None:
    refuse_untrue(ran[page][number])


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_about_output_is_not_only_its_absence(page: str) -> None:
    assert [block for block in blocks(ROOT / page) if block.shown]


@pytest.mark.parametrize("page", PAGES)
def test_every_address_of_the_server_that_a_page_names_answers(demo: RunningServer, page: str) -> None:
    address = demo.base.removesuffix("/fhir")
    for url in sorted(set(OWN_URL.findall((ROOT / page).read_text(encoding="utf-8")))):
        if not url.endswith("/fhir"):
            answer = httpx.get(url.replace(f"http://{ADDRESS}", address), trust_env=False)
            assert answer.status_code == 200, f"{page} names {url}, which answers {answer.status_code}"


def test_the_commands_of_every_page_are_run() -> None:
    left = {
        relative(page)
        for page in text_files()
        if page.suffix == ".md" and blocks(page) and not relative(page).startswith((*PAGES, *RUN_ELSEWHERE))
    }
    assert left == set()


def test_a_quick_start_is_short_enough_for_ten_minutes() -> None:
    words = re.sub(r"^```.*?^```", "", page_text("docs/quickstart.md"), flags=re.MULTILINE | re.DOTALL).split()
    # 200 words a minute leave half of the ten for the commands.
    assert len(words) <= 1000


def page_text(page: str) -> str:
    return Path(ROOT, page).read_text(encoding="utf-8")
