"""Who may import whom. The contracts stand in pyproject.toml under [tool.importlinter]."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import python_files, relative, tree
from tests.require import ROOT

DRIVERS = {"pymongo", "motor"}


def imported_packages(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_imports_keep_the_contracts() -> None:
    lint_imports = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    checked = subprocess.run(
        [sys.executable, "-c", lint_imports, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_motor_is_named_in_one_file_only() -> None:
    naming = [
        relative(path) for path in python_files("fhir_server", "smart_auth") if "motor" in imported_packages(path)
    ]
    assert set(naming) <= {"fhir_server/store/mongo.py"}


def test_no_file_outside_the_store_imports_a_driver_even_inside_a_function() -> None:
    outside = [
        relative(path)
        for path in python_files("fhir_server", "smart_auth")
        if "store" not in path.relative_to(ROOT).parts and imported_packages(path) & (DRIVERS | {"bson", "gridfs"})
    ]
    assert outside == []


def test_relative_imports_are_not_used() -> None:
    relative_imports = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files("fhir_server", "smart_auth", "bench", "tools")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative_imports == []
