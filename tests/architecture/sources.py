"""The project's files as the architecture tests see them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.require import ROOT

PACKAGES = ("fhir_server", "smart_auth", "profiles", "seeds")
CODE = (*PACKAGES, "bench", "tools", "tests")
_NOT_OURS = {".git", ".venv", ".data", ".packages", ".hypothesis", "build", "dist", "node_modules", "__pycache__"}
_BINARY = {".gz", ".tgz", ".zst", ".png", ".ico", ".woff2"}


def python_files(*folders: str) -> Iterator[Path]:
    """The Python files below the given folders of the checkout."""
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if not _NOT_OURS & set(path.parts))


def text_files() -> Iterator[Path]:
    """Every file of the project that a person can read."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.endswith("_cache") or part in _NOT_OURS for part in parts)
        if path.is_file() and not hidden and path.suffix not in _BINARY:
            yield path


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def relative(path: Path) -> str:
    """The path as the checkout's own people write it."""
    return path.relative_to(ROOT).as_posix()
