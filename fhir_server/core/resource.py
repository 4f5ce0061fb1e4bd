"""A resource as decoded JSON, and the one place that stamps id and meta into it.

https://hl7.org/fhir/R4/resource.html#Meta
"""

import secrets
import time
from datetime import datetime
from typing import Any

from fhir_server.core.codec import encode
from fhir_server.core.instant import format_instant

Resource = dict[str, Any]


def new_logical_id() -> str:
    """A fresh logical id: a UUID of version 7 (RFC 9562), so that neighbours in time are neighbours in the index."""
    milliseconds = time.time_ns() // 1_000_000
    tail = secrets.randbits(74)
    number = (
        (milliseconds & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | (tail >> 62) << 64
        | 0x2 << 62
        | (tail & 0x3FFF_FFFF_FFFF_FFFF)
    )
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def stamped(resource: Resource, logical_id: str, version: int, updated: datetime) -> bytes:
    """The bytes to store and to answer: compact JSON with `id`, `meta.versionId` and `meta.lastUpdated` set.

    `resourceType`, `id` and `meta` lead; every other element keeps the order in which it was sent.
    """
    meta = resource.get("meta")
    stamped_meta = {"versionId": str(version), "lastUpdated": format_instant(updated)}
    if isinstance(meta, dict):
        stamped_meta |= {name: value for name, value in meta.items() if name not in _STAMPED_META}
    ordered: Resource = {"resourceType": resource["resourceType"], "id": logical_id, "meta": stamped_meta}
    for name, value in resource.items():
        if name not in ordered:
            ordered[name] = value
    return encode(ordered)


# The primitive-extension twins go too: an extension on a value the server replaces would speak of another value.
_STAMPED_META = frozenset({"versionId", "_versionId", "lastUpdated", "_lastUpdated"})
