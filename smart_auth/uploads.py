"""Forms with files (multipart/form-data): bounded while they are read, and a file's name is never more than a name.

RFC 7578, https://cheatsheetseries.owasp.org/cheatsheets/File_Upload_Cheat_Sheet.html
"""

import re
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from smart_auth.errors import OAuthError, invalid_request

MULTIPART_TYPE = "multipart/form-data"

# What is not a file: as much as a form without files may have (smart_auth.form.MAX_BYTES).
_FIELD_BYTES = 65_536
_LONGEST_NAME = 200
_LONGEST_FILE_NAME = 150
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_IN_FILE_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent: `name` without folders and control characters, `media_type` as the sender says."""

    field: str
    name: str
    media_type: str
    content: bytes


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Reading:
    """What a parser has read by now."""

    most_fields: int
    parts: list[_Part] = field(default_factory=list)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    def begin(self) -> None:
        self.parts.append(_Part())
        if len(self.parts) > self.most_fields:
            raise invalid_request("The form has too many fields.")

    def header_name(self, text: bytes, start: int, end: int) -> None:
        self.name += text[start:end]

    def header_value(self, text: bytes, start: int, end: int) -> None:
        self.value += text[start:end]

    def header_end(self) -> None:
        name = self.name.decode("latin-1").strip().lower()
        if name in self.parts[-1].headers:
            raise _malformed()
        # RFC 7578 section 5.1: names are in UTF-8; kept as bytes until they are taken apart.
        self.parts[-1].headers[name] = self.value.decode("latin-1")
        self.name.clear()
        self.value.clear()

    def body(self, text: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.body += text[start:end]
        if len(part.body) > _FIELD_BYTES and "filename=" not in part.headers.get("content-disposition", "").lower():
            raise OAuthError(413, "invalid_request", f"A field is longer than {_FIELD_BYTES} bytes.")

    def end(self) -> None:
        self.is_whole = True


async def read_multipart(
    request: Request, max_bytes: int, max_fields: int
) -> tuple[tuple[tuple[str, str], ...], tuple[Upload, ...]]:
    """The fields of a form and its files; a file field left empty is none.

    Raises OAuthError 413 once more than `max_bytes` of files came (and a little for the rest), after which nothing more
    is read; 400 for what is no such form, or was cut off.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _malformed()
    reading, received = _Reading(max_fields), 0
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reading.begin,
                "on_header_field": reading.header_name,
                "on_header_value": reading.header_value,
                "on_header_end": reading.header_end,
                "on_part_data": reading.body,
                "on_end": reading.end,
            },
        )
        async for chunk in request.stream():
            received += len(chunk)
            if received > max_bytes + _FIELD_BYTES:
                raise OAuthError(413, "invalid_request", f"A file may have {max_bytes} bytes at most.")
            parser.write(chunk)
        parser.finalize()
    except ClientDisconnect:
        raise invalid_request("The connection ended before the form did.") from None
    except FormParserError:
        raise _malformed() from None
    if not reading.is_whole:
        raise _malformed()
    return _sorted(reading.parts, max_bytes)


def _sorted(parts: list[_Part], max_bytes: int) -> tuple[tuple[tuple[str, str], ...], tuple[Upload, ...]]:
    fields: list[tuple[str, str]] = []
    uploads: list[Upload] = []
    for part in parts:
        kind, options = parse_options_header(part.headers.get("content-disposition"))
        name = _text(options.get(b"name", b""))
        if kind != b"form-data" or not 0 < len(name) <= _LONGEST_NAME or _CONTROL.search(name):
            raise _malformed()
        if b"filename" not in options:
            value = _text(bytes(part.body))
            if _CONTROL.search(value):
                raise invalid_request("A field holds a control character.")
            fields.append((name, value))
        elif part.body or options[b"filename"]:
            uploads.append(_upload(name, options[b"filename"], part))
    if sum(len(each.content) for each in uploads) > max_bytes:
        raise OAuthError(413, "invalid_request", f"A file may have {max_bytes} bytes at most.")
    return tuple(fields), tuple(uploads)


def _upload(field: str, file_name: bytes, part: _Part) -> Upload:
    sent = file_name.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    name = _NOT_IN_FILE_NAMES.sub("", sent).strip(". ")[:_LONGEST_FILE_NAME] or "file"
    said = part.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = said if _MEDIA_TYPE.fullmatch(said) else "application/octet-stream"
    return Upload(field, name, media_type, bytes(part.body))


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed() from None


def _malformed() -> OAuthError:
    return invalid_request(f"The form is no {MULTIPART_TYPE} in UTF-8, or it was cut off.")
