"""The seeds stand on their own: whoever reads them needs neither the server nor its packages."""

import ast
import sys
from collections.abc import Iterator

from tests.require import ROOT

ALLOWED = {*sys.stdlib_module_names, "seeds", "reportlab"}
FORBIDDEN_NAMES = {"now", "today", "uuid4", "urandom", "token_hex", "getenv", "environ"}
"""What would make two runs differ."""


def trees() -> Iterator[tuple[str, ast.AST]]:
    """Every module of the seeds, parsed."""
    for path in sorted((ROOT / "seeds").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def test_the_seeds_import_only_the_standard_library_themselves_and_reportlab() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            assert {each.partition(".")[0] for each in modules} <= ALLOWED, name


def test_the_seeds_call_nothing_that_gives_something_else_each_time() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called not in FORBIDDEN_NAMES, f"{name}:{node.lineno}"
