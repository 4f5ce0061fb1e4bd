"""Files are taken for what they are: what could run is found, and what looks so by chance is not taken for it."""

import random

import pytest

from fhir_server.care.attachments import MAX_FILE_BYTES, Attached, refuse
from fhir_server.core.outcome import FhirError


def pdf(content: bytes) -> Attached:
    return Attached("payload[0]", "application/pdf", b"%PDF-1.6\n1 0 obj " + content + b" endobj %%EOF")


ACTIVE = [
    b"<< /OpenAction << /S /JavaScript /JS (app.alert) >> >>",
    b"<< /OpenAction 5 0 R >>",
    b"<< /AA << /O 5 0 R >> >>",
    b"<< /AA\n\n5 0 R >>",
    b"<< /S /Rendition /JS (x) >>",
    b"<< /S /Rendition /JS 7 0 R >>",
    b"<< /Names << /EmbeddedFiles 3 0 R >> >>",
    b"<< /Type /Filespec /EF << /F 4 0 R >> >>",
    b"<< /Type /Embedded#46ile >>",
    b"<< /S /Launch >>",
    b"<< /XFA 9 0 R >>",
]


@pytest.mark.parametrize("content", ACTIVE)
def test_a_pdf_with_what_could_run_or_a_file_inside_is_refused(content: bytes) -> None:
    with pytest.raises(FhirError):
        refuse([pdf(content)])


def test_a_pdf_that_says_where_it_opens_is_taken() -> None:
    refuse([pdf(b"<< /OpenAction[1 0 R /XYZ null null 0] >>"), pdf(b"<< /OpenAction [3 0 R /Fit] >>")])


def test_pictures_in_a_pdf_are_taken_whatever_their_bytes() -> None:
    """Of 40 such files 15 were refused, because two letters behind a slash stand somewhere in 6 MB by chance."""
    generator = random.Random(7)
    for _ in range(12):
        picture = generator.randbytes(MAX_FILE_BYTES - 200)
        refuse([pdf(b"<< /Length 1 >> stream\n" + picture + b"\nendstream")])


def test_a_pdf_made_to_be_looked_at_for_long_is_not() -> None:
    for content in (b"/AA" + b" " * 40, b"/JS  ", b"/OpenAction[", b"/AA 123456789/"):
        refuse([pdf(content * ((MAX_FILE_BYTES - 100) // len(content)))])
