"""Turns the pinned package of US Core into the table of its search parameters that R4 lacks, under `profiles/us_core/`.

https://hl7.org/fhir/us/core/STU7/artifacts.html#search-parameters

Usage, at the top of the repository: python -m tools.build_us_core hl7.fhir.us.core-7.0.0.tgz
"""

import argparse
import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from fhir_server.definitions.search_parameters import SearchParameter, published, search_parameters
from tools.build_definitions import packed, verify

Json = dict[str, Any]

US_CORE_SHA256 = "9729f05d9518fc66a114dadb0d47e6b868d5c04093edc9645d2025447e79d0fc"

TABLE = Path(__file__).resolve().parent.parent / "profiles" / "us_core" / "search_parameters.jsonl.gz"


def main() -> None:
    """Reads the command line, writes the table and prints how much it holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("us_core", type=Path, help="the FHIR package hl7.fhir.us.core 7.0.0, as .tgz")
    parser.add_argument("--out", type=Path, default=TABLE, help="file to write (default: in profiles/us_core)")
    arguments = parser.parse_args()
    rows = build(arguments.us_core)
    body = packed(rows)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(body)
    sys.stdout.write(f"{len(rows)} rows {len(body)} bytes  sha256 {hashlib.sha256(body).hexdigest()}\n")


def build(us_core: Path) -> list[Json]:
    """A row for each parameter under a code that R4 does not have on its type, by URL. Raises SystemExit where the
    package is not the pinned one.
    """
    verify(us_core, US_CORE_SHA256)
    return [_row(parameter) for parameter in _parameters(us_core) if _is_new(parameter)]


def _parameters(package: Path) -> list[Json]:
    with tarfile.open(package) as archive:
        members = [archive.extractfile(name) for name in archive.getnames() if "/SearchParameter-" in name]
        found = [json.load(member) for member in members if member is not None]
    return sorted(found, key=lambda parameter: str(parameter["url"]))


def _is_new(parameter: Json) -> bool:
    return not any(_of_r4(type, parameter["code"]) for type in parameter["base"])


def _of_r4(type: str, code: str) -> SearchParameter | None:
    found = search_parameters(type).get(code)
    # Once the table is there, what it has is among them.
    return found if found is not None and found.url in published() else None


def _row(parameter: Json) -> Json:
    names = ("url", "code", "type", "base", "expression", "target")
    return {name: parameter[name] for name in names if name in parameter}


if __name__ == "__main__":
    main()
