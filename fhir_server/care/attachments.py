"""Files that people attach to messages: how many, how large, of which kinds, and whether they are what they say.

The limits are those of VA's secure messages. https://hl7.org/fhir/R4/datatypes.html#Attachment,
https://cheatsheetseries.owasp.org/cheatsheets/File_Upload_Cheat_Sheet.html
"""

import io
import re
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError

MAX_FILES = 4
MAX_FILE_BYTES = 6 * 1024 * 1024
MAX_BYTES = 10 * 1024 * 1024

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAX_MEMBERS = 500
_MAX_UNPACKED = 64 * 1024 * 1024
_END_RECORD = b"PK\x05\x06"
_ACTIVE = re.compile(
    rb"/(?:(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|XFA)\b"
    # A destination is where a PDF opens: LibreOffice writes one into each.
    rb"|OpenAction\b(?![\s\0]{0,32}\[)"
    # Two letters stand in compressed pictures by chance: behind these comes what such a name has for its value.
    rb"|(?:AA|EF)[\s\0]{0,32}(?:<<|(?<=[\s\0])[0-9]{1,10}[\s\0])"
    rb"|JS[\s\0]{0,32}(?:[(<]|(?<=[\s\0])[0-9]{1,10}[\s\0]))"
)
_WORD_PARTS = re.compile(r"(?:\[Content_Types\]\.xml|_rels/|docProps/|word/|customXml/)[ -~]*")
_NOT_IN_WORD = re.compile(
    r"vbaProject|\.bin$|embeddings/|activeX/|oleObject|\.(?:exe|dll|js|vbs|ps1|bat|cmd|scr|html?)$", re.I
)


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a message. `element` is where it stands, `media_type` what its Attachment and its Binary say it is."""

    element: str
    media_type: str
    content: bytes


def refuse(files: Sequence[Attached]) -> None:
    """Raise FhirError 422 for more or larger files than a message takes, another kind, or what is not what it says."""
    if len(files) > MAX_FILES:
        raise _limit(f"A message has {MAX_FILES} files at most, not {len(files)}.", files[MAX_FILES].element)
    for each in files:
        if len(each.content) > MAX_FILE_BYTES:
            raise _limit(f"A file has {MAX_FILE_BYTES // 1024 // 1024} MB at most.", each.element)
    if sum(len(each.content) for each in files) > MAX_BYTES:
        raise _limit(f"The files of a message have {MAX_BYTES // 1024 // 1024} MB together at most.", files[-1].element)
    for each in files:
        _refuse_kind(each)


def _limit(text: str, element: str) -> FhirError:
    return outcome.ATTACHMENT_LIMIT(text, element)


def _refuse_kind(file: Attached) -> None:
    is_such = _KINDS.get(file.media_type.partition(";")[0].strip().lower())
    if is_such is None:
        text = f"Files of this type are not taken. These are: {', '.join(sorted(_KINDS))}."
        raise outcome.ATTACHMENT_KIND(text, f"{file.element}.contentType")
    if not file.content:
        raise outcome.ATTACHMENT_KIND("The file is empty.", file.element)
    if not is_such(file.content):
        text = f"The file is no {file.media_type}, or holds what could be run. Say what it is, and send it plain."
        raise outcome.ATTACHMENT_KIND(text, file.element)


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(starts)


def _is_heic(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"hevc", b"msf1")


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _is_pdf(content: bytes) -> bool:
    """A PDF without scripts, launches or files inside, as far as its names tell (they may be written with #xx)."""
    if not content.startswith(b"%PDF-"):
        return False
    plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), content)
    return _ACTIVE.search(plain) is None


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(ord(each) < 32 and each not in "\t\r\n\f" for each in text) and "<script" not in text.lower()


def _is_docx(content: bytes) -> bool:
    """A Word document of parts that Word itself writes, none of which runs; looked at without unpacking it."""
    at = content.rfind(_END_RECORD, max(0, len(content) - 65_557))
    if not content.startswith(b"PK\x03\x04") or at < 0 or at + 22 > len(content):
        return False
    if struct.unpack_from("<H", content, at + 10)[0] > _MAX_MEMBERS:
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = packed.infolist()
            names = [each.filename for each in members]
            unpacked = sum(each.file_size for each in members)
            if len(members) > _MAX_MEMBERS or unpacked > _MAX_UNPACKED or "word/document.xml" not in names:
                return False
            types = packed.open("[Content_Types].xml").read(1024 * 1024).lower()
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return False
    are_words = all(_WORD_PARTS.fullmatch(name) and not _NOT_IN_WORD.search(name) for name in names)
    return are_words and b"macroenabled" not in types and b"vbaproject" not in types and b"oleobject" not in types


_KINDS: Mapping[str, Callable[[bytes], bool]] = {
    "application/pdf": _is_pdf,
    "image/jpeg": _begins(b"\xff\xd8\xff"),
    "image/png": _begins(b"\x89PNG\r\n\x1a\n"),
    "image/gif": _begins(b"GIF87a", b"GIF89a"),
    "image/webp": _is_webp,
    "image/heic": _is_heic,
    "text/plain": _is_text,
    _DOCX: _is_docx,
}
"""Media types that are taken, and what tells them from others."""

MEDIA_TYPES = tuple(sorted(_KINDS))
