"""The runner of the pages' commands notices what a reader would."""

from pathlib import Path

import pytest

from tests.docs.commands import Block, Ran, blocks, missing, refuse_untrue, run_blocks
from tests.require import ROOT


def ran(folder: Path, *blocks: tuple[str, tuple[str, ...]]) -> list[Ran]:
    page = tuple(Block("page.md", number, commands, shown) for number, (commands, shown) in enumerate(blocks, start=1))
    return run_blocks(page, "127.0.0.1:5555", folder)


def test_a_block_that_gives_what_is_shown_is_true(tmp_path: Path) -> None:
    (done,) = ran(tmp_path, ("echo one; echo two and three", ("one", "two…three")))
    refuse_untrue(done)


def test_what_is_shown_but_not_given_is_named(tmp_path: Path) -> None:
    (done,) = ran(tmp_path, ("echo one", ("one", "two")))
    assert missing(done) == ["two"]
    with pytest.raises(AssertionError, match=r"page\.md:1 does not give 'two'"):
        refuse_untrue(done)


def test_lines_must_come_in_the_order_shown(tmp_path: Path) -> None:
    (done,) = ran(tmp_path, ("echo two; echo one", ("one", "two")))
    assert missing(done) == ["two"]


def test_a_command_that_fails_stops_the_page(tmp_path: Path) -> None:
    failed, unreached = ran(tmp_path, ("echo before; false; echo after", ()), ("echo later", ()))
    assert (failed.exit_code, failed.output.strip()) == (1, "before")
    assert unreached.exit_code is None
    for each in (failed, unreached):
        with pytest.raises(AssertionError):
            refuse_untrue(each)


def test_blocks_share_one_shell_and_ask_the_server_of_the_test(tmp_path: Path) -> None:
    _, second = ran(tmp_path, ("BASE=http://127.0.0.1:8080/fhir", ()), ('echo "$BASE" > asked', ()))
    assert second.exit_code == 0
    assert (tmp_path / "asked").read_text() == "http://127.0.0.1:5555/fhir\n"


def test_the_command_line_is_where_make_installs_it(tmp_path: Path) -> None:
    (done,) = ran(tmp_path, (".venv/bin/fhir-server --help", ("…Usage: …",)))
    refuse_untrue(done)


def test_blocks_of_a_page_are_found_with_what_is_shown_after_them() -> None:
    page = ROOT / "tests" / "docs" / "page_of_commands.md"
    first, second = blocks(page)
    assert (first.line, first.commands, first.shown) == (4, "echo one\necho two\n", ("one", "…"))
    assert (second.commands, second.shown) == ("echo three\n", ())
