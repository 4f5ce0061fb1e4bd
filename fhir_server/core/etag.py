"""Weak entity tags made of version ids, and the conditions that carry them.

https://hl7.org/fhir/R4/http.html#concurrency, RFC 9110 sections 8.8.3 and 13.1
"""

import re

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def format_etag(version: int) -> str:
    """`W/"3"`: weak, because the same version may be written as JSON or XML."""
    return f'W/"{version}"'


def parse_etags(header: str) -> tuple[str, ...] | None:
    """The opaque tags a header lists, `("*",)` for any, or None where it is not a list of entity tags.

    A bare version (`3`) is read as `W/"3"`, because widely used clients send it so.
    """
    text = header.strip()
    if text == "*":
        return ("*",)
    tags = []
    for part in text.split(","):
        part = part.strip()
        match = _TAG.fullmatch(part)
        if match:
            tags.append(match.group(1))
        elif part and '"' not in part and "/" not in part:
            tags.append(part)
        else:
            return None
    return tuple(tags)
