"""Reads the compiled tables of `profiles/r4/` and `profiles/us_core/`: gzipped files with one JSON object a line.

https://hl7.org/fhir/R4/downloads.html; origin and changes are in profiles/README.md
"""

import gzip
from importlib.resources import files


def table(name: str, origin: str = "r4") -> list[bytes]:
    """The undecoded lines of a table (`elements`, `search_parameters`, ...) of R4 or a guide, one JSON object each.

    Raises FileNotFoundError where there is no such table.
    """
    return gzip.decompress(files("profiles").joinpath(origin, f"{name}.jsonl.gz").read_bytes()).splitlines()
