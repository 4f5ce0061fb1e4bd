"""Notes, reports, pictures, vaccines and teeth."""

from base64 import b64decode
from datetime import date
from hashlib import sha1
from io import BytesIO

import pytest
from pypdf import PdfReader

from seeds import dental, immunizations, notes, pdf, radiology
from seeds.codes import display
from seeds.png import striped_png
from tests.unit.seeds.people import TODAY, chart, found, of_type, visit

TEXT = "Subjective:\nKnee hurts since Tuesday.\nPlan:\nRest, ice."


def test_a_document_is_the_same_each_time_and_its_text_can_be_read_back() -> None:
    first = pdf.document("Progress note", [("Plan", "Rest, ice.\nCome back.")])
    assert first == pdf.document("Progress note", [("Plan", "Rest, ice.\nCome back.")])
    reader = PdfReader(BytesIO(first))
    assert reader.metadata is not None and reader.metadata.title == "Progress note"
    text = reader.pages[0].extract_text()
    assert "Plan" in text and "Rest, ice." in text and "Come back." in text
    assert "Synthetic test data" in text


def test_a_long_document_has_several_pages_and_loses_no_line() -> None:
    text = "\n".join(f"Line {number} of the note." for number in range(200))
    reader = PdfReader(BytesIO(pdf.document("Long", [("", text)])))
    read = " ".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 3 and all(f"Line {number} of" in read for number in range(200))


def test_letters_that_the_font_lacks_do_not_stop_a_document() -> None:
    text = PdfReader(BytesIO(pdf.document("Señora Núñez", [("", "Nguyễn said so")]))).pages[0].extract_text()
    assert "Señora Núñez" in text and "Nguy?n" in text


@pytest.mark.parametrize("kind", notes.KINDS)
def test_a_note_offers_the_pdf_and_the_plain_text(kind: str) -> None:
    record = chart()
    with visit(record) as opened:
        note = found(record, notes.note(record, "note", kind, opened, TEXT))
    pdf_part, text_part = (each["attachment"] for each in note["content"])
    binary = found(record, pdf_part["url"])
    content = b64decode(binary["data"])
    assert content.startswith(b"%PDF-") and len(content) == pdf_part["size"]
    assert b64decode(pdf_part["hash"]) == sha1(content).digest()
    assert binary["securityContext"] == {"reference": "Patient/test-person"}
    assert b64decode(text_part["data"]).decode() == TEXT
    assert note["context"]["encounter"] == [{"reference": opened.reference}]


def test_a_note_says_at_its_head_whose_it_is() -> None:
    record = chart()
    with visit(record) as opened:
        notes.note(record, "note", "progress", opened, TEXT)
    (binary,) = of_type(record, "Binary")
    text = PdfReader(BytesIO(b64decode(binary["data"]))).pages[0].extract_text()
    assert "Test Person, born 1986-05-05" in text and "Test Clinic" in text and "Jane Doe, MD" in text


def test_the_labels_of_a_note_are_on_its_binary_too() -> None:
    record = chart()
    with visit(record) as opened:
        notes.note(record, "note", "progress", opened, TEXT, labels=("R", "SUD"))
    for each in (*of_type(record, "Binary"), *of_type(record, "DocumentReference")):
        assert [label["code"] for label in each["meta"]["security"]] == ["HTEST", "R", "SUD"]


def test_a_leaflet_points_to_what_it_is_about_and_is_no_clinical_note() -> None:
    record = chart()
    leaflet = found(record, notes.leaflet(record, "leaflet", "Asthma", "Breathe.", ("Condition/test-person-asthma",)))
    assert leaflet["context"]["related"] == [{"reference": "Condition/test-person-asthma"}]
    assert leaflet["docStatus"] == "final"
    assert leaflet["category"][0]["coding"][0]["code"] == "34895-3"


@pytest.mark.parametrize("name", radiology.STUDIES)
def test_a_study_has_order_images_picture_and_a_report_that_is_a_note_too(name: str) -> None:
    record = chart()
    with visit(record) as opened:
        report = found(record, radiology.study(record, "study", name, opened, findings="Clear.", impression="Normal."))
    images, media = (
        found(record, report["imagingStudy"][0]["reference"]),
        found(record, report["media"][0]["link"]["reference"]),
    )
    (note,) = of_type(record, "DocumentReference")
    assert report["presentedForm"][0]["url"] == note["content"][0]["attachment"]["url"]
    assert report["category"][0]["coding"][0]["code"] == "LP29684-5" and report["conclusion"] == "Normal."
    assert images["numberOfInstances"] == len(images["series"][0]["instance"])
    assert images["identifier"][0]["value"].startswith("urn:oid:2.25.")
    assert b64decode(found(record, media["content"]["url"])["data"]).startswith(b"\x89PNG")


def test_identifiers_of_images_differ_and_fit_into_dicom() -> None:
    record = chart()
    with visit(record) as opened:
        for key in ("one", "two"):
            radiology.study(record, key, "chest-xray", opened, findings="", impression="Normal.")
    uids = [each["identifier"][0]["value"].removeprefix("urn:oid:") for each in of_type(record, "ImagingStudy")]
    uids += [each["series"][0]["uid"] for each in of_type(record, "ImagingStudy")]
    assert len(set(uids)) == 4 and all(len(uid) <= 64 for uid in uids)


def test_reports_of_the_heart_and_of_tissue_have_their_own_category() -> None:
    record = chart()
    with visit(record) as opened:
        heart = radiology.echocardiogram(record, "echo", opened, 58, findings="Fine.", impression="Normal.")
        tissue = radiology.pathology(record, "skin", opened, specimen="Mole", findings="Benign.", impression="Benign.")
    codes = [found(record, each)["category"][0]["coding"][0]["code"] for each in (heart, tissue)]
    assert codes == ["LP29708-2", "LP7839-6"]
    result = found(record, found(record, heart)["result"][0]["reference"])
    assert result["valueQuantity"]["value"] == 58


def test_a_picture_is_a_png_of_the_size_that_is_said() -> None:
    picture = striped_png(48)
    assert picture == striped_png(48)
    assert int.from_bytes(picture[16:20]) == int.from_bytes(picture[20:24]) == 48


def vaccines(age: int, today: date = TODAY, birthday: tuple[int, int] = (5, 5)) -> list[str]:
    """CVX codes of what a child has got."""
    record = chart(age, today=today, birthday=birthday)
    immunizations.childhood_series(record)
    return [each["vaccineCode"]["coding"][0]["code"] for each in of_type(record, "Immunization")]


def test_a_newborn_has_the_first_vaccine_and_a_child_of_six_has_its_series() -> None:
    assert vaccines(0, birthday=(1, 1)) == ["08", "08"], "at birth and with one month"
    at_six = vaccines(6)
    assert (at_six.count("20"), at_six.count("03"), at_six.count("140")) == (5, 2, 3)
    assert "165" not in at_six and "165" in vaccines(12)


@pytest.mark.parametrize("age", [0, 1, 2, 3, 4, 10, 11, 12, 16, 17])
def test_a_child_has_the_same_vaccines_on_whatever_day_it_is_seen(age: int) -> None:
    days = [date(2026, 11, 22), date(2027, 1, 1), date(2027, 5, 4), date(2027, 5, 5), date(2027, 10, 12)]
    assert len({tuple(vaccines(age, day)) for day in days}) == 1


def test_a_series_can_leave_out_a_vaccine() -> None:
    record = chart(15)
    immunizations.childhood_series(record, without=("165",))
    assert "165" not in {each["vaccineCode"]["coding"][0]["code"] for each in of_type(record, "Immunization")}


@pytest.mark.parametrize("age", [0, 1, 2, 3, 7, 15])
@pytest.mark.parametrize("today", [date(2026, 11, 22), date(2027, 5, 5), date(2028, 2, 29)])
def test_no_vaccine_is_given_before_birth_or_after_today(age: int, today: date) -> None:
    record = chart(age, today=today)
    immunizations.childhood_series(record)
    days = [each["occurrenceDateTime"] for each in of_type(record, "Immunization")]
    born = record.clock.born(age, 5, 5).isoformat()
    assert min(days) >= born and max(days) <= today.isoformat()


def test_ids_of_vaccines_do_not_depend_on_the_day_the_population_is_seen_from() -> None:
    def ids(today: date) -> set[str]:
        record = chart(40, today=today)
        immunizations.influenza(record)
        return {each["id"] for each in of_type(record, "Immunization")}

    assert ids(date(2026, 11, 22)) == ids(date(2027, 2, 1)) == ids(date(2026, 10, 1))


def test_a_refused_vaccine_says_why() -> None:
    record = chart()
    refused = found(record, immunizations.not_done(record, "flu", "140", date(2026, 10, 1)))
    assert refused["status"] == "not-done" and refused["statusReason"]["text"] == "patient objection"
    assert "lotNumber" not in refused


def test_a_dental_examination_has_a_class_treatments_with_cdt_and_teeth_and_what_they_treat() -> None:
    record = chart()
    with visit(record, kind="dental") as opened:
        reference = dental.exam(record, "exam", opened, 2, (("3", "D2392"), ("17", "D7240")))
    assert found(record, reference)["valueCodeableConcept"]["coding"][0]["code"] == "2"
    treatments = of_type(record, "Procedure")
    assert [each["code"]["coding"][0]["code"] for each in treatments] == ["D0120", "D1110", "D2392", "D7240"]
    assert treatments[2]["bodySite"][0]["coding"][0]["display"] == "Permanent maxillary right first molar tooth"
    caries = found(record, treatments[2]["reasonReference"][0]["reference"])
    assert caries["code"]["text"] == "Dental caries" and caries["bodySite"][0]["coding"][0]["code"] == "3"


@pytest.mark.parametrize(
    ("tooth", "name"),
    [
        ("1", "Permanent maxillary right third molar tooth"),
        ("8", "Permanent maxillary right central incisor tooth"),
        ("9", "Permanent maxillary left central incisor tooth"),
        ("17", "Permanent mandibular left third molar tooth"),
        ("32", "Permanent mandibular right third molar tooth"),
    ],
)
def test_teeth_are_counted_from_upper_right_to_lower_right(tooth: str, name: str) -> None:
    assert display("ada-tooth", tooth) == name


def test_a_dental_class_that_there_is_not_is_refused() -> None:
    record = chart()
    with visit(record, kind="dental") as opened, pytest.raises(KeyError, match="5"):
        dental.exam(record, "exam", opened, 5)
