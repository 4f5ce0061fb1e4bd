"""What the documents claim is what the code does."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from fhir_server.core import outcome
from fhir_server.settings import Settings
from tests.architecture.sources import relative, text_files
from tests.require import ROOT


def pages() -> list[Path]:
    return [path for path in text_files() if path.suffix == ".md"]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def canonical(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def links(page: Path) -> Iterator[str]:
    """Relative links of a page, without their anchors."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


def anchored_links(page: Path) -> Iterator[tuple[str, str]]:
    """Links of a page to a place in a page of the project: the path, empty for the same page, and the anchor."""
    for target, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            yield target, anchor


def headings(page: Path) -> set[str]:
    """The anchors that the headings of a page get where Markdown is shown."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_the_generated_pages_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, "tools/write_docs.py", "--check"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_setting_is_described_and_listed_with_its_variable() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, setting in Settings.model_fields.items():
        assert setting.description, f"{name} has no description"
        assert f"| `FHIR_{name.upper()}` |" in page, f"docs/settings.md lacks {name}"


def test_every_error_number_is_listed_with_its_status() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for number, (status, _) in outcome.NUMBERS.items():
        assert f"| {number} | {status} |" in page, f"docs/errors.md lacks {number}"


def test_no_two_error_meanings_are_the_same() -> None:
    meanings = [meaning for _, meaning in outcome.NUMBERS.values()]
    assert sorted(set(meanings)) == sorted(meanings)


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{relative(page)}: {target}"
        for page in pages()
        for target in links(page)
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_place_in_a_page_that_a_link_names_is_there() -> None:
    lost = [
        f"{relative(page)}: {target}#{anchor}"
        for page in pages()
        for target, anchor in anchored_links(page)
        if anchor not in headings((page.parent / target) if target else page)
    ]
    assert lost == []


def test_the_index_lists_every_page_for_a_reader() -> None:
    listed = set(links(ROOT / "docs" / "README.md"))
    there = {path.name for path in (ROOT / "docs").glob("*.md")} | {
        f"connect/{path.name}" for path in (ROOT / "docs" / "connect").glob("*.md")
    }
    # plan.md is for who works here, and is there only while something is lacking.
    assert there - listed - {"plan.md"} == {"README.md"}


def test_every_make_target_a_page_names_exists() -> None:
    named = {
        (relative(page), target)
        for page in pages()
        for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert {(page, target) for page, target in named if target not in make_targets()} == set()


def test_every_dependency_has_its_licence_listed_and_its_version_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {canonical(re.split(r"[<>=;\[ ]", requirement)[0]) for requirement in wanted}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert names - {canonical(name) for name in re.findall(r"^\| (\S+) \| [A-Z]", page, re.MULTILINE)} == set()
    assert names - {canonical(name) for name in re.findall(r"^([\w.-]+)==", pinned, re.MULTILINE)} == set()


def test_make_help_names_every_public_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = {"serve", "test", "check", "lint", "types", "bench", "clean"}
    assert wanted <= set(re.findall(r"^  make ([a-z]+) ", listed, re.MULTILINE)) <= make_targets()


def test_every_decision_is_listed() -> None:
    listed = set(links(ROOT / "docs" / "README.md"))
    assert {f"adr/{path.name}" for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")} - listed == set()


def test_decision_records_are_numbered_without_gaps_and_dated() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE), f"{path.name} has no date"
        assert re.search(r"^Status: (proposed|accepted|superseded by \d{4})$", text, re.MULTILINE), path.name


def test_what_people_read_spells_enroll_in_one_way() -> None:
    read = [*pages(), *(ROOT / "smart_auth" / "pages").glob("*.html"), *(ROOT / "smart_auth").glob("*.py")]
    found = [relative(path) for path in read if re.search(r"(?i)\benrol(?!l)", path.read_text(encoding="utf-8"))]
    assert found == []
