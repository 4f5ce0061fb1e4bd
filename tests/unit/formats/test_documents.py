"""Documents made of a record stand by themselves and are well-formed, whatever people wrote in it."""

from cProfile import Profile
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree
from pypdf import PdfReader

from fhir_server.formats.ccd import ccd
from fhir_server.formats.cda import timestamp
from fhir_server.formats.chart import Chart, line_of
from fhir_server.formats.patient_summary import patient_summary
from fhir_server.formats.record_pdf import record_pdf
from fhir_server.formats.typesetting import REGULAR, drawable, wrapped
from fhir_server.formats.wording import LONGEST, plain
from fhir_server.interactions.bundle_references import references
from tests.unit.formats.hostile_charts import AT, MADE, charts

XHTML = {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}


@settings(max_examples=150, deadline=None)
@given(charts())
def test_every_reference_of_a_summary_leads_into_it_and_every_narrative_is_xhtml(chart: Chart) -> None:
    document = patient_summary(chart, MADE)
    urls = [entry["fullUrl"] for entry in document["entry"]]
    assert len(urls) == len(set(urls))
    for entry in document["entry"]:
        for text in references(entry["resource"]):
            assert text in urls or text.startswith("#")
    composition = document["entry"][0]["resource"]
    for each in (composition, *composition["section"]):
        root = etree.fromstring(each["text"]["div"])
        assert {etree.QName(one).localname for one in root.iter()} <= XHTML


@settings(max_examples=150, deadline=None)
@given(charts())
def test_a_ccd_is_well_formed_and_its_entries_say_where_their_words_stand(chart: Chart) -> None:
    root = etree.fromstring(ccd(chart, MADE))
    assert not root.xpath("//*[local-name()='script']")
    ids = root.xpath("//@ID")
    assert len(ids) == len(set(ids))
    assert {each.removeprefix("#") for each in root.xpath("//*[local-name()='reference']/@value")} <= set(ids)
    assert len(root.xpath("//*[local-name()='section']")) == 9


@settings(max_examples=25, deadline=None)
@given(charts())
def test_a_pdf_is_made_of_whatever_there_is(chart: Chart) -> None:
    assert PdfReader(BytesIO(record_pdf(chart, AT))).pages


def test_what_must_not_be_taken_is_no_medicine_to_take_and_says_so_among_all() -> None:
    def request(id: str, **more: Any) -> dict[str, Any]:
        made = {"resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order"}
        return made | {"medicationCodeableConcept": {"text": f"medicine {id}"}} | more

    never = request("never", doNotPerform=True)
    requests = [request("taken"), request("told", intent="plan"), never, request("wish", intent="proposal")]
    chart = Chart({"resourceType": "Patient", "id": "a"}, {"MedicationRequest": requests})
    summary = patient_summary(chart, MADE)
    assert {entry["resource"]["id"] for entry in summary["entry"]} & {each["id"] for each in requests} == {
        "taken",
        "told",
    }
    narratives = ccd(chart, MADE).decode()
    assert "medicine taken" in narratives and "medicine told" in narratives
    assert "medicine never" not in narratives and "medicine wish" not in narratives
    said = {each["id"]: line_of(chart, each).detail for each in requests}
    assert said == {"taken": "", "told": "", "never": "not to be given", "wish": "asked for, not ordered"}


def test_the_same_record_makes_the_same_pdf() -> None:
    chart = Chart({"resourceType": "Patient", "id": "a"}, {})
    assert record_pdf(chart, AT) == record_pdf(chart, AT)


def test_twice_as_many_resources_are_a_pdf_by_twice_the_work() -> None:
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "a", "name": [{"family": "Long"}]}
    one = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"text": "Hemoglobin A1c/Hemoglobin.total in Blood"},
        "valueString": "a few words of what was found " * 3,
        "effectiveDateTime": "2024-01-01",
    }

    def calls(count: int) -> int:
        chart = Chart(patient, {"Observation": [one] * count})
        profile = Profile()
        assert profile.runcall(record_pdf, chart, AT)
        return sum(each.callcount for each in profile.getstats())

    calls(10)
    first, second = calls(400), calls(800)
    assert second < 2.5 * first


@pytest.mark.parametrize("text", ["w" * 10_000, "ł " * 5_000, "日" * 3_000, "\u0301" * 1_000])
def test_lines_lose_no_letter_and_fit(text: str) -> None:
    lines = wrapped(text, REGULAR, 10, 200)
    assert "".join(lines).replace(" ", "") == drawable(text).replace(" ", "")
    assert len(lines) > 1 or len(text) == 1_000


def test_letters_without_a_glyph_are_seen_to_be_missing() -> None:
    assert drawable("Łódź é ж α") == "Łódź é ж α"
    assert drawable("a日🙂") == "a[U+65E5][U+1F642]"


def test_words_hold_no_control_characters_and_are_cut_where_they_are_long() -> None:
    assert plain("a\x00b\u202ec\nd\ud800") == "a b c d"
    assert plain("x" * (LONGEST + 5)) == "x" * LONGEST + " …"
    assert plain(None) == "" and plain(5) == ""


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2019", "2019"),
        ("2019-05", "201905"),
        ("2019-05-01", "20190501"),
        ("2024-06-01T09:00:00Z", "20240601090000+0000"),
        ("2024-06-01T09:00:00.123-05:00", "20240601090000-0500"),
        ("soon", ""),
        (None, ""),
    ],
)
def test_moments_keep_their_precision(text: str | None, expected: str) -> None:
    assert timestamp(text) == expected
