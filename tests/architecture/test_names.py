"""Names say what a thing is, in the words of the specification."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import python_files, relative, tree

_WORDS = "manager helper util utility common base impl implementation handler processor service data info misc"
SAYS_NOTHING = frozenset(re.split(" ", _WORDS))
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def last_word(name: str) -> str:
    """`FooHelpers` and `foo_helpers` end in `helper`."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name.strip("_"))
    last = words[-1].lower() if words else ""
    return last[:-1] if last.endswith("s") and last[:-1] in SAYS_NOTHING else last


def named_things(path: Path) -> Iterator[tuple[int, str]]:
    """Module, class and function names of a file with their lines."""
    yield 1, path.parent.name if path.stem == "__init__" else path.stem
    for node in ast.walk(tree(path)):
        # `own_base` and the like are the specification's service base URL.
        if isinstance(node, DEFINITIONS) and not node.name.endswith(("_base", "_bases")):
            yield node.lineno, node.name


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("TokenManager", "manager"),
        ("string_utils", "util"),
        ("_helper", "helper"),
        ("MongoDB", "db"),
        ("base64", "base64"),
    ],
)
def test_the_last_word_of_a_name_is_found(name: str, word: str) -> None:
    assert last_word(name) == word


def test_no_module_class_or_function_is_named_by_a_word_that_says_nothing() -> None:
    found = [
        f"{relative(path)}:{line} {name}"
        for path in python_files("fhir_server", "smart_auth", "bench", "tools")
        for line, name in named_things(path)
        if last_word(name) in SAYS_NOTHING
    ]
    assert found == []


def test_every_module_begins_with_a_docstring() -> None:
    without = [
        relative(path)
        for path in python_files("fhir_server", "smart_auth", "bench", "tools")
        if ast.get_docstring(tree(path)) is None
    ]
    assert without == []
