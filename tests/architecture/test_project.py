"""The project can be built and moved: nothing in it names the machine it was written on."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, relative, text_files
from tests.require import ROOT

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:" + "work|root|home|tmp|Users" + r")(?:/[\w.-]|(?=[\s\"'`)]|$))")
REGISTRIES = (
    "registry.npm" + "js.org",
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "deb.debian" + ".org",
    "proxy.golang" + ".org",
    "index.docker" + ".io",
    "ghcr" + ".io",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel, built as pip would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{relative(path)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("line", ["cd /" + "work/main", "'/" + "tmp'", "see /" + "root/.cache", "/" + "home/me"])
def test_a_path_of_one_machine_is_recognised(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize("line", ["https://example.org/home/", "PUT /Patient/work", "home/work", "/workers"])
def test_other_paths_are_not_taken_for_one(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(re.compile("|".join(map(re.escape, REGISTRIES)))) == []


def test_the_wheel_carries_every_file_of_the_packages(wheel: set[str]) -> None:
    ours = {
        relative(path)
        for package in PACKAGES
        for path in Path(ROOT, package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.startswith("profiles/r4/") for name in ours)
    assert ours - wheel == set()


def test_the_wheel_carries_nothing_else(wheel: set[str]) -> None:
    assert {name.partition("/")[0] for name in wheel if ".dist-info/" not in name} == set(PACKAGES)


def test_the_wheel_carries_the_licence(wheel: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_the_command_line_is_an_entry_point() -> None:
    assert 'fhir-server = "fhir_server.cli:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
