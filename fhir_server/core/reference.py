"""Literal references: relative, absolute, versioned, and what they name.

https://hl7.org/fhir/R4/references.html#literal
"""

import re

import msgspec

ID_PATTERN = r"[A-Za-z0-9\-.]{1,64}"
is_id = re.compile(ID_PATTERN).fullmatch

_RESTFUL = re.compile(
    rf"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>{ID_PATTERN})(?:/_history/(?P<version>{ID_PATTERN}))?"
)


class Reference(msgspec.Struct, frozen=True):
    """A RESTful reference taken apart. `base` is None for a relative one and has no slash at its end."""

    type: str
    id: str
    base: str | None = None
    version: str | None = None

    @property
    def local(self) -> str:
        """`Patient/p1`."""
        return f"{self.type}/{self.id}"


def parse_reference(text: str) -> Reference | None:
    """The parts of `[base/]Type/id[/_history/v]`, or None for anything else (`#contained`, `urn:uuid:`, other URLs)."""
    match = _RESTFUL.fullmatch(text)
    if match is None:
        return None
    base, type, id, version = match.groups()
    return Reference(type, id, base, version)
