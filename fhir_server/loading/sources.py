"""The files `load` reads: Bundles, single resources and NDJSON, plain or gzipped, one unit at a time.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/nd-json.html
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError, Issue

SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unit:
    """One JSON value of a file: a Bundle or a resource. `where` names the file, and for NDJSON the line."""

    path: Path
    where: str
    content: Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a file that could not be read, and why."""

    path: Path
    where: str
    reason: str


def files(paths: Sequence[Path]) -> list[Path]:
    """The files to load, folders walked in name order. Raises FileNotFoundError for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(child for child in path.rglob("*") if child.is_file() and child.name.endswith(SUFFIXES))
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(str(path))
    return found


def units(path: Path, advance: Callable[[int], None]) -> Iterator[Unit | Unreadable]:
    """Each unit of a file in order; `advance` is told how many bytes of the file were read since it was last called.

    NDJSON is read line by line, so that a file of any size needs the memory of its longest line.
    """
    try:
        with path.open("rb") as file:
            # A gzip stream reads from `file`, whose position then counts compressed bytes: what the bar is made of.
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.name.endswith(".gz") else file
            told = 0
            for unit in _lines(path, stream) if _is_lines(path) else _whole(path, stream):
                yield unit
                position = file.tell()
                advance(position - told)
                told = position
    except (OSError, EOFError, zlib.error) as error:
        yield Unreadable(path, str(path), _reading_failed(error))


def _is_lines(path: Path) -> bool:
    return ".ndjson" in path.name or ".jsonl" in path.name


def _whole(path: Path, stream: BinaryIO) -> Iterator[Unit | Unreadable]:
    body = stream.read()
    try:
        yield Unit(path, str(path), decode(body))
    except FhirError as error:
        yield Unreadable(path, str(path), reason(error))


def _lines(path: Path, stream: BinaryIO) -> Iterator[Unit | Unreadable]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            yield Unit(path, where, decode(line))
        except FhirError as error:
            yield Unreadable(path, where, reason(error))


def reason(error: FhirError) -> str:
    """The findings of an error in one line; at most three are spelled out."""
    return _in_words(error.issues)


def _in_words(issues: Sequence[Issue]) -> str:
    words = [f"{issue.expression}: {issue.text}" if issue.expression else issue.text for issue in issues[:3]]
    more = len(issues) - len(words)
    return "; ".join(words) + (f"; and {more} more" if more else "")


def _reading_failed(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "The compressed file ends early; what came before was read."
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "The file is not gzip, or it is damaged."
    if isinstance(error, OSError) and error.strerror:
        return f"The file cannot be read: {error.strerror}."
    return "The file cannot be read."
