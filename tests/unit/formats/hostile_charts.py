"""Records with whatever people may have written in them, as generated documents read them."""

from typing import Any

from hypothesis import strategies as st

from fhir_server.core.resource import Resource
from fhir_server.formats.chart import Chart
from fhir_server.formats.patient_summary import Made

BASE = "https://record.example.org/fhir"
AT = "2026-01-01T12:00:00.000Z"
MADE = Made(BASE, "0b5b2c8e-7a9d-4b5e-9c1e-000000000001", AT)

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
