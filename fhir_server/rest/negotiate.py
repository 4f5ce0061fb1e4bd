"""Which media type is read and which is written.

https://hl7.org/fhir/R4/http.html#mime-type, RFC 9110 section 12.5.1
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.types import Scope

from fhir_server.core import outcome
from fhir_server.definitions.capability import PATCH_FORMATS

FHIR_JSON = "application/fhir+json"
PLAIN_JSON = "application/json"
HTML = "text/html"
"""A page with the JSON in it, for a person at a browser."""

READABLE = frozenset({FHIR_JSON, PLAIN_JSON, "application/json+fhir", "text/json"})
_READABLE_PATCHES = READABLE.union(PATCH_FORMATS)
ACCEPT_PATCH = {"Accept-Patch": ", ".join(PATCH_FORMATS)}
"""RFC 5789 section 3.1: the forms of a patch that are read, as a header."""
_FORMATS = {
    "json": FHIR_JSON,
    FHIR_JSON: FHIR_JSON,
    PLAIN_JSON: PLAIN_JSON,
    "text/json": FHIR_JSON,
    "application/json+fhir": FHIR_JSON,
    "html": HTML,
    HTML: HTML,
    "application/xhtml+xml": HTML,
}
_RANGES = {"*/*": FHIR_JSON, "application/*": FHIR_JSON, "text/*": HTML}
_VERSIONS = frozenset({"4.0", "4.0.1", "r4"})
# Java's own client writes `.2`.
_QUALITY = re.compile(r"[01](\.\d{0,9})?|\.\d{1,9}", re.ASCII).fullmatch

MAX_RANGES = 64
"""Media ranges of an Accept header that are read: 128 KB of commas took 0.4 s, several times in a request."""


def written_type(accept: str | None, format_parameter: str | None) -> str:
    """The media type of the answer; `_format` wins over Accept.

    Raises FhirError 406 where neither names one that can be written.
    """
    if format_parameter:
        # An unescaped "+" in a query arrives as a space.
        wanted = format_parameter.split(";")[0].strip().lower().replace(" ", "+")
        if wanted not in _FORMATS:
            raise outcome.NOT_ACCEPTABLE(
                f"_format names what cannot be written. Use json, {FHIR_JSON} or html.", "_format"
            )
        return _FORMATS[wanted]
    if not accept or accept == "*/*" or accept == FHIR_JSON:
        return FHIR_JSON
    return _accepted(accept)


def written_document(accept: str | None, format_parameter: str | None, writes: Sequence[str]) -> str:
    """The media type of an answer that is a document of one of the types `writes`: that, or FHIR_JSON for who accepts
    FHIR before it, and so is to have a Binary resource (https://hl7.org/fhir/R4/binary.html#rest).

    Raises FhirError 406 where neither is accepted.
    """
    if format_parameter:
        wanted = format_parameter.split(";")[0].strip().lower().replace(" ", "+")
        # "xml" is the document as it stands, where it is one.
        shortened = {each.rpartition("/")[2]: each for each in writes}
        return (
            shortened.get(wanted, wanted) if wanted in (*writes, *shortened) else written_type(None, format_parameter)
        )
    best: tuple[float, str] | None = None
    for part in (accept or "*/*").lower().split(",", MAX_RANGES)[:MAX_RANGES]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = [value.partition("=") for value in parameters]
        quality = next((_quality(value.strip()) for key, _, value in given if key.strip() == "q"), 1.0)
        found = _document_of(name, writes)
        if found is not None and quality > (best[0] if best else 0.0):
            best = (quality, found)
    if best is None:
        raise outcome.NOT_ACCEPTABLE(
            f"None of the media types in Accept can be written. Accept {', '.join(writes)} or {FHIR_JSON}.", "Accept"
        )
    return best[1]


def _document_of(name: str, writes: Sequence[str]) -> str | None:
    if name in writes:
        return name
    if _FORMATS.get(name, HTML) != HTML:
        return FHIR_JSON
    # A browser is given the document too: it saves it.
    wide = ("*/*", HTML, "application/xhtml+xml", *(f"{each.partition('/')[0]}/*" for each in writes))
    return writes[0] if name in wide else None


def asks_for_page(scope: Scope) -> bool:
    """Whether the answer to this request is to be a page, as far as can be told; never an error."""
    query = _query_or_form(scope)
    accept = ", ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")
    for format_parameter in (query.get("_format"), None):
        try:
            return written_type(accept, format_parameter) == HTML
        except outcome.FhirError:
            continue
    return False


def asks_for_indentation(scope: Scope) -> bool:
    """Whether the answer to this request is to be indented, as far as can be told; never an error."""
    return _query_or_form(scope).get("_pretty") == "true"


def _query_or_form(scope: Scope) -> dict[str, str]:
    form: dict[str, str] = scope.get("state", {}).get("form", {})
    return dict(parse_qsl(scope["query_string"].decode("latin-1"))) | form


def _accepted(accept: str) -> str:
    best: tuple[float, str] | None = None
    for part in accept.lower().split(",", MAX_RANGES)[:MAX_RANGES]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality, version = 1.0, "4.0"
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            value = value.strip().strip('"')
            if key.strip() == "q":
                quality = _quality(value)
            elif key.strip() == "fhirversion":
                version = value
        written = _FORMATS.get(name) or _RANGES.get(name)
        if written is None or quality <= 0 or version not in _VERSIONS:
            continue
        # The first of equals, but a program that can read both gets what it can work with.
        is_sooner = best is not None and quality == best[0] and best[1] == HTML != written and name in _FORMATS
        if best is None or quality > best[0] or is_sooner:
            best = (quality, written)
    if best is None:
        raise outcome.NOT_ACCEPTABLE(
            f"None of the media types in Accept can be written. Accept {FHIR_JSON} (fhirVersion 4.0).", "Accept"
        )
    return best[1]


def _quality(text: str) -> float:
    """RFC 9110 section 12.4.2. What is no number counts as 0, `nan` and `inf` too; nothing counts more than 1."""
    return min(float(text), 1.0) if _QUALITY(text) else 0.0


def refuse_unreadable(content_type: str | None, content_encoding: str | None, is_patch: bool = False) -> None:
    """Raise FhirError 415 unless the body is JSON for FHIR R4, or a patch of a form that is read, not encoded."""
    text, header = _unreadable(content_type, content_encoding, is_patch)
    if text:
        error = outcome.UNSUPPORTED_MEDIA_TYPE(text, header)
        error.headers = ACCEPT_PATCH if is_patch else {}
        raise error


def _unreadable(content_type: str | None, content_encoding: str | None, is_patch: bool) -> tuple[str, str]:
    """Why a body is not read, and the header that says so; two empty texts where it is."""
    name, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    if name not in (_READABLE_PATCHES if is_patch else READABLE):
        wanted = f"one of {', '.join(PATCH_FORMATS)}" if is_patch else FHIR_JSON
        return f"The body's Content-Type must be {wanted}, not '{name[:64] or 'missing'}'.", "Content-Type"
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if key.strip() == "charset" and value not in ("utf-8", "utf8"):
            return "The body's charset must be utf-8.", "Content-Type"
        if key.strip() == "fhirversion" and value not in _VERSIONS:
            return "This server reads FHIR 4.0 only.", "Content-Type"
    if content_encoding and content_encoding.strip().lower() != "identity":
        return "Send the body without Content-Encoding.", "Content-Encoding"
    return "", ""
