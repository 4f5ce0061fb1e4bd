"""JSON for people to read: indented, coloured by CSS classes, references and URLs as links, every character escaped.

https://hl7.org/fhir/R4/references.html#literal
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from markupsafe import Markup

from fhir_server.core.codec import indented
from fhir_server.definitions.registry import is_resource_type

MAX_DATA_CHARS = 400
MAX_TEXT_CHARS = 20_000
"""A longer line shows only its beginning. Data (an attachment) is told from text by its lack of spaces."""

MAX_TOKENS = 300_000
"""Brackets, commas and strings of what is drawn, some 2.5 MB of usual records. Indented, 17 MB of the deepest nesting
became 277 MB and took 5 s to draw.
"""

SMALL_BYTES = 1_000_000
"""What is not longer is not counted: it cannot grow to more than 20 MB."""

MAX_COLOURED_CHARS = 2_000_000
"""Beyond this no colours and links: one million characters take 0.15 s to draw, and a browser seconds to lay out."""

MAX_SHOWN_CHARS = 3_000_000
"""Beyond this only the beginning is shown: browsers become slow, and nobody reads on."""

# What msgspec writes on a line of its own: indent, perhaps a key, a value or the bracket that opens or closes one.
_LINE = re.compile(r'( *)(?:("(?:[^"\\]|\\.)*+"): )?(.*?)(,?)', re.DOTALL).fullmatch
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?").match
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([\[\]{},])').finditer
# Only what a browser takes for http, and nothing that could end the attribute it is written into.
_URL = re.compile(r"https?://[^\s\"'<>`\\]+", re.IGNORECASE).fullmatch


@dataclass(frozen=True, slots=True)
class Linked:
    """Where links lead. `bases` are the URLs by which this server is known, `path` is how its pages write the FHIR
    base: `/fhir`.
    """

    bases: tuple[str, ...]
    path: str

    def target(self, value: str) -> str | None:
        """The URL of a link for a value that is a URL, None for any other; a path where this server is meant."""
        return self.own(value) or (value if _URL(value) else None)

    def own(self, value: str) -> str | None:
        """The path of a link for a URL of this server, None for any other value."""
        for base in self.bases if _URL(value) else ():
            if value == base or value.startswith((f"{base}/", f"{base}?")):
                # One slash at its start: two would name another host.
                return f"/{(self.path + value[len(base) :]).lstrip('/')}"
        return None

    def here(self, value: str) -> str | None:
        """The path of a link for a relative reference or a URL of this server, None for any other value."""
        found = _REFERENCE(value)
        if found is not None and is_resource_type(found[1]):
            return f"{self.path}/{found[0]}"
        return self.own(value)

    def reference(self, value: str) -> str | None:
        """The URL of a link for what `Reference.reference` holds; None where it leads to nothing that can be shown."""
        return self.here(value) or self.target(value)


@dataclass(frozen=True, slots=True)
class Readable:
    """JSON as HTML. `is_whole` says that all lines are there, though long strings may be cut."""

    html: Markup
    is_whole: bool


def beginning(body: bytes, most: int = MAX_TOKENS) -> bytes:
    """The first members of a large JSON object as an object of their own, of about `most` tokens; else all of it."""
    if len(body) <= SMALL_BYTES:
        return body
    open_ones, kept, closing = bytearray(), 0, b""
    for token in islice(_TOKEN(body), most):
        match token[1]:
            case b"{":
                open_ones += b"}"
            case b"[":
                open_ones += b"]"
            case b"}" | b"]":
                open_ones.pop()
            case b",":
                kept, closing = token.start(), bytes(open_ones[::-1])
    return body if not open_ones else body[:kept] + closing or b"{}"


def readable(body: bytes, linked: Linked) -> Readable:
    """The JSON of an answer as HTML for a `<pre>`."""
    # Escaped once as a whole, as escaping each string took half of the time. Quotes do no harm between tags.
    lines = [_cut(line) for line in html.escape(indented(body).decode(), quote=False).split("\n")]
    size = sum(map(len, lines))
    if size <= MAX_COLOURED_CHARS:
        return Readable(Markup("\n".join(_coloured(lines, linked))), is_whole=True)
    text = "\n".join(lines)
    if size <= MAX_SHOWN_CHARS:
        return Readable(Markup(text), is_whole=True)
    return Readable(Markup(text[: text.rfind("\n", 0, MAX_SHOWN_CHARS)]), is_whole=False)


def _cut(line: str) -> str:
    if len(line) <= MAX_DATA_CHARS:
        return line
    limit = MAX_TEXT_CHARS if len(line[:MAX_DATA_CHARS].split()) > MAX_DATA_CHARS // 40 else MAX_DATA_CHARS
    if len(line) <= limit:
        return line
    # The quote and comma at the end are lost, as the rest is. An escape such as `&lt;` must not be cut in two.
    shown = re.sub(r"&\w*\Z", "", line[:limit])
    return f"{shown}… ({len(line) - len(shown):,} characters more)"


def _coloured(lines: list[str], linked: Linked) -> Iterator[str]:
    for line in lines:
        found = _LINE(line)
        if found is None:
            yield line
            continue
        indent, key, value, comma = found.groups()
        named = f'<span class="k">{key}</span>: ' if key else ""
        yield f"{indent}{named}{_value(key, value, linked)}{comma}"


def _value(key: str | None, text: str, linked: Linked) -> str:
    match text[:1]:
        case '"':
            return _string(text, linked.reference if key == '"reference"' else linked.target)
        case "t" | "f" | "n":
            return f'<span class="l">{text}</span>'
        case "{" | "}" | "[" | "]" | "":
            return text
    return f'<span class="n">{text}</span>'


def _string(text: str, target_of: Callable[[str], str | None]) -> str:
    target = target_of(_decoded(text)) if "/" in text else None
    if target is None:
        return f'<span class="s">{text}</span>'
    if target.startswith("/"):
        return f'<a href="{html.escape(target)}">{text}</a>'
    return f'<a href="{html.escape(target)}" rel="noopener noreferrer external">{text}</a>'


def _decoded(text: str) -> str:
    """The value of a string as it stands escaped in HTML."""
    literal = html.unescape(text) if "&" in text else text
    if "\\" not in literal:
        return literal[1:-1]
    try:
        return msgspec.json.decode(literal, type=str)
    except msgspec.DecodeError:
        # A string that was cut.
        return ""
