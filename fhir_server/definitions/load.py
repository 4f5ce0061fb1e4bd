"""Reads the compiled tables of `profiles/r4/`: gzipped files with one JSON object a line.

https://hl7.org/fhir/R4/downloads.html; origin and changes are in profiles/README.md
"""

import gzip
from importlib.resources import files


def table(name: str) -> list[bytes]:
    """The undecoded lines of a table (`elements`, `search_parameters`, ...), one JSON object each.

    Raises FileNotFoundError where there is no such table.
    """
    return gzip.decompress(files("profiles").joinpath("r4", f"{name}.jsonl.gz").read_bytes()).splitlines()
