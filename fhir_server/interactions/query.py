"""The query of a URL: decoded pairs, and the refusal of what an interaction does not take.

https://hl7.org/fhir/R4/http.html#parameters
"""

import re
from collections.abc import Collection, Sequence
from urllib.parse import parse_qsl

from fhir_server.core import outcome
from fhir_server.interactions.context import RequestContext

MAX_PAIRS = 1000
PRESENTATION = frozenset({"_format", "_pretty"})
"""What every interaction takes: how the answer is to be written."""

_PARTS = frozenset({"_summary", "_elements"})

Pairs = Sequence[tuple[str, str]]

_IS_PLAIN = re.compile(r"[A-Za-z0-9_.:,|/$=&~*-]*").fullmatch


def query_pairs(encoded: str) -> list[tuple[str, str]]:
    """Decoded pairs in their order. Raises FhirError 400 for what is not percent-encoded UTF-8, or too many pairs."""
    if not encoded:
        return []
    if _IS_PLAIN(encoded) and encoded.count("&") < MAX_PAIRS:
        # Nothing to decode in most: the library's way takes 25 µs.
        cut = [part.partition("=") for part in encoded.split("&") if part]
        return [(name, value) for name, _, value in cut]
    try:
        return parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except ValueError:
        raise outcome.BAD_PARAMETER_VALUE(
            f"The query must be percent-encoded UTF-8 with at most {MAX_PAIRS} parameters."
        ) from None


def refuse_parameters(context: RequestContext, pairs: Pairs, taken: Collection[str] = ()) -> None:
    """Raise FhirError 400 for parameters an interaction does not take, unless the caller is lenient."""
    if context.lenient:
        return
    for name, _ in pairs:
        if name in PRESENTATION or name in taken:
            continue
        if name in _PARTS:
            raise outcome.NOT_SUPPORTED(f"{name} is taken by searches and reads, not here. Leave it out.", name)
        raise outcome.UNKNOWN_PARAMETER(f"'{name[:64]}' means nothing here. Leave it out.", name[:64])
