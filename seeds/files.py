"""A population as files: one NDJSON file for each type of resource, as `fhir-server load` reads them.

https://hl7.org/fhir/R4/nd-json.html
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from seeds.model import Resource

_LEVEL = 4
"""Of gzip: level 9 takes four times as long for 4 % less."""


def write(
    resources: Iterable[Resource], folder: Path, encode: Callable[[Resource], bytes], *, is_gzipped: bool = False
) -> Iterator[Resource]:
    """Write each resource to `<folder>/<type>.ndjson` (`.ndjson.gz`) and give it on; the files are whole at the end.

    `encode` makes its JSON, one line without line breaks. The same resources give the same bytes. Raises OSError.
    """
    with ExitStack() as opened:
        files: dict[str, BinaryIO] = {}
        for resource in resources:
            type = resource["resourceType"]
            if type not in files:
                files[type] = _opened(opened, folder, type, is_gzipped)
            files[type].write(encode(resource) + b"\n")
            yield resource


def _opened(opened: ExitStack, folder: Path, type: str, is_gzipped: bool) -> BinaryIO:
    if not is_gzipped:
        return opened.enter_context((folder / f"{type}.ndjson").open("wb"))
    file = opened.enter_context((folder / f"{type}.ndjson.gz").open("wb"))
    # Neither the name nor the time goes into the file.
    packed = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0)
    return cast(BinaryIO, opened.enter_context(packed))
