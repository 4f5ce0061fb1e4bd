"""Documents made of a record stand by themselves and are well-formed, whatever people wrote in it."""

import time
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from fhir_server.core.resource import Resource
from fhir_server.formats.ccd import ccd
from fhir_server.formats.cda import timestamp
from fhir_server.formats.chart import Chart
from fhir_server.formats.patient_summary import Made, patient_summary
from fhir_server.formats.record_pdf import record_pdf
from fhir_server.formats.typesetting import REGULAR, drawable, wrapped
from fhir_server.formats.wording import LONGEST, plain
from fhir_server.interactions.bundle_references import references

BASE = "https://record.example.org/fhir"
AT = "2026-01-01T12:00:00.000Z"
MADE = Made(BASE, "0b5b2c8e-7a9d-4b5e-9c1e-000000000001", AT)

XHTML = {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}

TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["<script>alert(1)</script>", "]]>", "&amp;&lt;", "\x00\x01\x1b\ufffe", "\u202eeltit", "x" * 5_000, "🙂 日本 ł"]
    ),
)
IDS = st.sampled_from(["a", "b", "c"])
TARGETS = st.one_of(
    st.builds("{}/{}".format, st.sampled_from(["Practitioner", "Observation", "Encounter", "Patient"]), IDS),
    st.builds((BASE + "/Practitioner/{}").format, IDS),
    st.sampled_from(["#inside", "urn:uuid:0b5b2c8e-7a9d-4b5e-9c1e-1234567890ab", "https://other.org/Patient/a"]),
    TEXTS,
)
REFERENCES = st.fixed_dictionaries({}, optional={"reference": TARGETS, "display": TEXTS})
CODINGS = st.fixed_dictionaries(
    {}, optional={"system": st.sampled_from(["http://loinc.org", "urn:oid:1.2.3", "urn:x"]), "code": TEXTS}
)
CONCEPTS = st.fixed_dictionaries({}, optional={"text": TEXTS, "coding": st.lists(CODINGS, max_size=2)})


def codes(*names: str) -> st.SearchStrategy[Resource]:
    return st.sampled_from(names).map(lambda code: {"coding": [{"code": code}]})


RESOURCES: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries(
        {"resourceType": st.just("Condition"), "id": IDS, "code": CONCEPTS},
        optional={"clinicalStatus": codes("active", "resolved"), "encounter": REFERENCES, "onsetDateTime": TEXTS},
    ),
    st.fixed_dictionaries(
        {
            "resourceType": st.just("Observation"),
            "id": IDS,
            "status": st.just("final"),
            "code": CONCEPTS,
            "category": codes("laboratory", "vital-signs", "social-history").map(lambda each: [each]),
        },
        optional={"valueString": TEXTS, "hasMember": st.lists(REFERENCES, max_size=3), "subject": REFERENCES},
    ),
    st.fixed_dictionaries(
        {
            "resourceType": st.just("MedicationRequest"),
            "id": IDS,
            "status": st.just("active"),
            "medicationReference": REFERENCES,
        },
        optional={"dosageInstruction": st.lists(st.fixed_dictionaries({"text": TEXTS}), max_size=2)},
    ),
    st.fixed_dictionaries(
        {"resourceType": st.just("AllergyIntolerance"), "id": IDS, "code": CONCEPTS}, optional={"recorder": REFERENCES}
    ),
)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    patient = {"resourceType": "Patient", "id": "a", "name": [{"family": draw(TEXTS), "given": [draw(TEXTS)]}]}
    found: dict[str, dict[str, Resource]] = {}
    drawn: list[Resource] = draw(st.lists(RESOURCES, max_size=8))
    for each in drawn:
        found.setdefault(each["resourceType"], {})[each["id"]] = each
    doctor = {"resourceType": "Practitioner", "id": "a", "name": [{"text": draw(TEXTS)}], "x": [draw(REFERENCES)]}
    referred = {"Practitioner/a": doctor}
    referred |= {f"Observation/{id}": each for id, each in found.get("Observation", {}).items()}
    resources = {type: tuple(some.values()) for type, some in found.items()}
    return Chart(patient, resources, referred, frozenset(draw(st.sets(st.sampled_from(["Condition"])))), (BASE,))


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


def test_the_same_record_makes_the_same_pdf() -> None:
    chart = Chart({"resourceType": "Patient", "id": "a"}, {})
    assert record_pdf(chart, AT) == record_pdf(chart, AT)


def test_three_thousand_resources_are_a_pdf_in_seconds_and_twice_as_many_in_twice_the_time() -> None:
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

    def seconds(count: int) -> float:
        chart = Chart(patient, {"Observation": [one] * count})
        began = time.process_time()
        assert record_pdf(chart, AT)
        return time.process_time() - began

    seconds(10)
    first, second = seconds(3_000), seconds(6_000)
    assert first < 10 and second < 4 * first


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
