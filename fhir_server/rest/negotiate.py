"""Which media type is read and which is written.

https://hl7.org/fhir/R4/http.html#mime-type, RFC 9110 section 12.5.1
"""

from fhir_server.core import outcome

FHIR_JSON = "application/fhir+json"
PLAIN_JSON = "application/json"

_READABLE = frozenset({FHIR_JSON, PLAIN_JSON, "application/json+fhir", "text/json"})
_FORMATS = {
    "json": FHIR_JSON,
    FHIR_JSON: FHIR_JSON,
    PLAIN_JSON: PLAIN_JSON,
    "text/json": FHIR_JSON,
    "application/json+fhir": FHIR_JSON,
}
_ANY = frozenset({"*/*", "application/*", "text/html", "application/xhtml+xml"})
"""A browser asks for HTML first; until there is a page for it, it is shown the JSON."""
_VERSIONS = frozenset({"4.0", "4.0.1", "r4"})


def written_type(accept: str | None, format_parameter: str | None) -> str:
    """The media type of the answer; `_format` wins over Accept.

    Raises FhirError 406 where neither names one that can be written.
    """
    if format_parameter:
        # An unescaped "+" in a query arrives as a space.
        wanted = format_parameter.split(";")[0].strip().lower().replace(" ", "+")
        if wanted not in _FORMATS:
            raise outcome.NOT_ACCEPTABLE(f"_format names what cannot be written. Use json or {FHIR_JSON}.", "_format")
        return _FORMATS[wanted]
    if not accept or accept == "*/*" or accept == FHIR_JSON:
        return FHIR_JSON
    return _accepted(accept)


def _accepted(accept: str) -> str:
    best: tuple[float, str] | None = None
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality, version = 1.0, "4.0"
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            value = value.strip().strip('"')
            if key.strip() == "q":
                quality = _quality(value)
            elif key.strip() == "fhirversion":
                version = value
        written = FHIR_JSON if name in _ANY else _FORMATS.get(name)
        if written is None or quality <= 0 or version not in _VERSIONS:
            continue
        if best is None or quality > best[0]:
            best = (quality, written)
    if best is None:
        raise outcome.NOT_ACCEPTABLE(
            f"None of the media types in Accept can be written. Accept {FHIR_JSON} (fhirVersion 4.0).", "Accept"
        )
    return best[1]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def refuse_unreadable(content_type: str | None, content_encoding: str | None) -> None:
    """Raise FhirError 415 unless the body is JSON for FHIR R4, not encoded."""
    name, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    if name not in _READABLE:
        raise outcome.UNSUPPORTED_MEDIA_TYPE(
            f"The body's Content-Type must be {FHIR_JSON}, not '{name[:64] or 'missing'}'.", "Content-Type"
        )
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if key.strip() == "charset" and value not in ("utf-8", "utf8"):
            raise outcome.UNSUPPORTED_MEDIA_TYPE("The body's charset must be utf-8.", "Content-Type")
        if key.strip() == "fhirversion" and value not in _VERSIONS:
            raise outcome.UNSUPPORTED_MEDIA_TYPE("This server reads FHIR 4.0 only.", "Content-Type")
    if content_encoding and content_encoding.strip().lower() != "identity":
        raise outcome.UNSUPPORTED_MEDIA_TYPE("Send the body without Content-Encoding.", "Content-Encoding")
