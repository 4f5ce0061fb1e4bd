"""The examples that US Core's package brings along.

https://hl7.org/fhir/us/core/STU7/examples.html
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_server.core import codec


def read_examples(package: Path) -> Iterator[dict[str, Any]]:
    """The examples of a package (`.tgz`), each of which is a resource."""
    with tarfile.open(package) as archive:
        for member in archive:
            if member.name.startswith("package/example/") and (file := archive.extractfile(member)):
                yield codec.decode(file.read())
