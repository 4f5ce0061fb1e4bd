"""Text on the pages of a PDF: fonts inside the document, lines that fit, headings that can be jumped to.

What is written is linear in its length, in time as in memory but for one line.

https://www.iso.org/standard/51502.html (PDF 1.7)
"""

from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from threading import Lock

from reportlab.lib.pagesizes import LETTER
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

MARGIN = 54
INDENT = 78
REGULAR, BOLD = "OpenSans-Regular", "OpenSans-Bold"

_FONTS = files("ttf_opensans") / "ttf"
_LEADING = 1.35
_LOADING = Lock()
_FOOTER = 8
_SHORTEST = 36
"""Points that a column must have, so that a word of any length makes progress."""


def _widths(font: str) -> dict[int, float]:
    """The width of each character that a font has, for a size of 1 point; the font is known to the library then."""
    # Registered twice, a document on its way in another thread would be written with two fonts of one name.
    with _LOADING:
        return _loaded(font)


@lru_cache(maxsize=2)
def _loaded(font: str) -> dict[int, float]:
    made = TTFont(font, BytesIO((_FONTS / f"{font}.ttf").read_bytes()))
    pdfmetrics.registerFont(made)
    face = made.face
    return {code: face.charWidths.get(code, face.defaultWidth) / 1000 for code in face.charToGlyph}


def drawable(text: str) -> str:
    """The text with what the fonts have no glyph for written as its code point: it is seen that something was there."""
    widths = _widths(REGULAR)
    if all(ord(each) in widths for each in text):
        return text
    return "".join(each if ord(each) in widths else f"[U+{ord(each):04X}]" for each in text)


def wrapped(text: str, font: str, size: float, width: float) -> list[str]:
    """The text in lines of this width; a word longer than a line is broken."""
    widths, room = _widths(font), max(width, _SHORTEST)
    lines: list[str] = []
    line: list[str] = []
    used = 0.0
    space = widths[32] * size
    for word in drawable(text).split():
        for piece, length in _pieces(word, widths, size, room):
            if line and used + space + length > room:
                lines.append(" ".join(line))
                line, used = [], 0.0
            used += length + (space if line else 0.0)
            line.append(piece)
    if line:
        lines.append(" ".join(line))
    return lines


def _pieces(word: str, widths: dict[int, float], size: float, room: float) -> list[tuple[str, float]]:
    length = sum(widths.get(ord(each), 0.6) for each in word) * size
    if length <= room:
        return [(word, length)]
    pieces: list[tuple[str, float]] = []
    start, used = 0, 0.0
    for position, each in enumerate(word):
        wide = widths.get(ord(each), 0.6) * size
        if used + wide > room:
            pieces.append((word[start:position], used))
            start, used = position, 0.0
        used += wide
    return [*pieces, (word[start:], used)]


class Pages:
    """A document in the making, page after page; `footer` stands on each, with its number."""

    def __init__(self, title: str, subject: str, footer: str) -> None:
        self._buffer = BytesIO()
        _widths(REGULAR), _widths(BOLD)
        # invariant: the same content is the same bytes; when it was made stands on the page.
        self._canvas = Canvas(self._buffer, pagesize=LETTER, invariant=1, lang="en-US")
        self._canvas.setTitle(title)
        self._canvas.setSubject(subject)
        self._canvas.setViewerPreference("DisplayDocTitle", "true")
        self._canvas.showOutline()
        self._width, self._height = LETTER
        self._footer = wrapped(footer, REGULAR, _FOOTER, self._width - 2 * MARGIN - 60)[:1]
        self._number = 1
        self._marks = 0
        self._y = self._height - MARGIN

    def heading(self, text: str, size: float, level: int) -> None:
        """A heading, which the outline of the document leads to."""
        lines = wrapped(text, BOLD, size, self._width - 2 * MARGIN)
        # Not alone at the foot of a page.
        self._room(size * _LEADING * (len(lines) + 1) + 40)
        self._y -= size * 0.6
        self._marks += 1
        key = f"h{self._marks}"
        self._canvas.bookmarkHorizontal(key, 0, self._y)
        self._canvas.addOutlineEntry(drawable(text), key, level, closed=False)
        for line in lines:
            self._line(MARGIN, line, BOLD, size)

    def paragraph(self, text: str, size: float = 9.5, indent: float = 0) -> None:
        """Text over the whole width."""
        for line in wrapped(text, REGULAR, size, self._width - 2 * MARGIN - indent):
            self._line(MARGIN + indent, line, REGULAR, size)

    def entry(self, aside: str, head: str, *texts: str) -> None:
        """A date, or whatever stands aside, with a bold line and texts beside it."""
        size = 9.5
        room = self._width - 2 * MARGIN - INDENT
        beside = wrapped(aside, REGULAR, size, INDENT - 8)
        lines = [(line, BOLD) for line in wrapped(head, BOLD, size, room)]
        lines += [(line, REGULAR) for text in texts for line in wrapped(text, REGULAR, size, room)]
        self._room(size * _LEADING * min(max(len(lines), len(beside)), 4))
        for number in range(max(len(lines), len(beside))):
            self._room(size * _LEADING)
            self._y -= size * _LEADING
            if number < len(beside):
                self._draw(MARGIN, beside[number], REGULAR, size)
            if number < len(lines):
                self._draw(MARGIN + INDENT, *lines[number], size)
        self._y -= 3

    def gap(self, points: float) -> None:
        """Room between what came and what follows."""
        self._y -= points

    def done(self) -> bytes:
        """The document."""
        self._end()
        self._canvas.save()
        return self._buffer.getvalue()

    def _line(self, x: float, text: str, font: str, size: float) -> None:
        self._room(size * _LEADING)
        self._y -= size * _LEADING
        self._draw(x, text, font, size)

    def _draw(self, x: float, text: str, font: str, size: float) -> None:
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, self._y, text)

    def _room(self, points: float) -> None:
        if self._y - points < MARGIN:
            self._end()
            self._number += 1
            self._y = self._height - MARGIN

    def _end(self) -> None:
        self._canvas.setFont(REGULAR, _FOOTER)
        for line in self._footer:
            self._canvas.drawString(MARGIN, MARGIN / 2, line)
        self._canvas.drawRightString(self._width - MARGIN, MARGIN / 2, f"Page {self._number}")
        self._canvas.showPage()
