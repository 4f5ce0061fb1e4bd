"""Documents as PDF: plain, and byte for byte the same each time.

The text can be selected and copied; title and language are set, so that a screen reader can announce them.
"""

from collections.abc import Sequence
from io import BytesIO

from reportlab.lib.pagesizes import LETTER
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

MARGIN_POINTS = 64
TITLE_POINTS = 18
HEADING_POINTS = 13
BODY_POINTS = 11
LINE_FACTOR = 1.4

Line = tuple[str, str, int]
"""Text, font and size in points."""


def document(title: str, blocks: Sequence[tuple[str, str]]) -> bytes:
    """A PDF on US Letter pages with a title and (heading, text) blocks; paragraphs of a text are apart by newlines.

    The standard fonts know the Western European letters; any other is written as a question mark.
    """
    buffer = BytesIO()
    # invariant: no date and no random document id; pageCompression off: bytes do not depend on the zlib at hand.
    canvas = Canvas(buffer, pagesize=LETTER, invariant=1, pageCompression=0, lang="en-US")
    canvas.setTitle(title)
    canvas.setSubject("Synthetic test data. No real person.")
    canvas.setAuthor("Invented, as everybody named here")
    canvas.setCreator("fhir-server seeds")
    width, height = LETTER
    room = height - 2 * MARGIN_POINTS
    for number, page in enumerate(_pages(_lines(title, blocks, width - 2 * MARGIN_POINTS), room), start=1):
        _draw(canvas, page, height - MARGIN_POINTS)
        canvas.setFont("Helvetica", 9)
        canvas.drawString(MARGIN_POINTS, MARGIN_POINTS / 2, f"Synthetic test data. Page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _lines(title: str, blocks: Sequence[tuple[str, str]], width: float) -> list[Line]:
    found: list[Line] = []

    def write(text: str, font: str, size: int) -> None:
        for paragraph in _western(text).split("\n"):
            lines = simpleSplit(paragraph, font, size, width) or [""]
            found.extend((line, font, size) for line in lines)

    write(title, "Helvetica-Bold", TITLE_POINTS)
    for heading, text in blocks:
        write("", "Helvetica", BODY_POINTS)
        if heading:
            write(heading, "Helvetica-Bold", HEADING_POINTS)
        write(text, "Helvetica", BODY_POINTS)
    return found


def _pages(lines: list[Line], room: float) -> list[list[Line]]:
    pages: list[list[Line]] = [[]]
    left = room
    for line in lines:
        needed = line[2] * LINE_FACTOR
        if needed > left:
            pages.append([])
            left = room
        pages[-1].append(line)
        left -= needed
    return pages


def _draw(canvas: Canvas, page: list[Line], top: float) -> None:
    y = top
    for text, font, size in page:
        canvas.setFont(font, size)
        y -= size * LINE_FACTOR
        canvas.drawString(MARGIN_POINTS, y, text)


def _western(text: str) -> str:
    return text.encode("cp1252", "replace").decode("cp1252")
