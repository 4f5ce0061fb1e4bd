"""Writes what is made from the code in docs/: errors.md, settings.md, the .http files and the Postman collection.

`python -m tools.write_docs` writes them; with `--check` it writes nothing and exits with 1 where one is out of date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fhir_server.core import outcome
from fhir_server.settings import Settings
from tools.example_requests import example_requests
from tools.http_files import http_files
from tools.postman import collection

DOCS = Path(__file__).resolve().parent.parent / "docs"
HTTP_FILES = "http"

GROUPS = {
    1: "The request as HTTP",
    2: "Interactions",
    3: "Content of resources",
    4: "Search",
    5: "The server's own state",
    6: "Who asks, and what that one may do",
}


def errors_page() -> str:
    """The stable numbers of issues, by thousand, from `fhir_server.core.outcome.NUMBERS`."""
    lines = [
        "# Errors",
        "",
        "<!-- Made by tools/write_docs.py from fhir_server/core/outcome.py: change it there. -->",
        "",
        "Every answer of 400 and above is an [OperationOutcome](https://hl7.org/fhir/R4/operationoutcome.html). Its",
        "`id` is the id of the request, also in the `X-Request-Id` header. Each `issue` has a number that stays the",
        f"same from version to version, in `details.coding` under the system `{outcome.NUMBER_SYSTEM}`; its text is",
        "for people and may change. One answer may carry several issues: all that was found.",
    ]
    for thousand, title in GROUPS.items():
        lines += ["", f"## {thousand}xxx: {title}", "", "| number | status | meaning |", "| --- | --- | --- |"]
        lines += [
            f"| {number} | {status} | {_cell(meaning)} |"
            for number, (status, meaning) in sorted(outcome.NUMBERS.items())
            if number // 1000 == thousand
        ]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting with its environment variable and default, from the fields of Settings."""
    prefix = Settings.model_config.get("env_prefix", "")
    lines = [
        "# Settings",
        "",
        "<!-- Made by tools/write_docs.py from fhir_server/settings.py: change it there. -->",
        "",
        "Each setting is read once, at start, from its environment variable. An option of the command line, where",
        "`fhir-server serve --help` shows one, wins over the variable.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    for name, setting in fields.items():
        lines.append(f"| `{prefix}{name.upper()}` | {_default(setting)} | {_cell(setting.description or '')} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """All that is made, by its path below docs/."""
    requests = example_requests()
    return {
        "errors.md": errors_page(),
        "settings.md": settings_page(),
        "postman_collection.json": collection(requests),
        **{f"{HTTP_FILES}/{name}": text for name, text in http_files(requests).items()},
    }


def left_over(made: Mapping[str, str]) -> tuple[str, ...]:
    """The .http files that nothing makes any more."""
    there = (path.relative_to(DOCS).as_posix() for path in (DOCS / HTTP_FILES).glob("*.http"))
    return tuple(sorted(set(there) - set(made)))


def _default(setting: FieldInfo) -> str:
    value = setting.default
    if value is PydanticUndefined:
        return "must be given"
    if value is None:
        return "unset"
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, tuple | list | frozenset):
        return f"`{', '.join(map(str, value))}`" if value else "none"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Write or check the pages; the exit code."""
    made = pages()
    if arguments == ["--check"]:
        stale = [name for name, text in made.items() if _text(DOCS / name) != text]
        for name in (*stale, *left_over(made)):
            sys.stderr.write(f"docs/{name} is out of date: make docs\n")
        return 1 if stale or left_over(made) else 0
    (DOCS / HTTP_FILES).mkdir(exist_ok=True)
    for name in left_over(made):
        (DOCS / name).unlink()
    for name, text in made.items():
        (DOCS / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
