"""`_summary`, `_elements`, `_total` and scores: https://hl7.org/fhir/R4/search.html#summary"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import bundle_of, next_link, places
from tests.rest.conftest import created, observation, patient, texts

SUBSETTED = "SUBSETTED"


@pytest.fixture
def person(api: httpx.Client, unique: str) -> dict[str, Any]:
    return created(
        api,
        patient(
            meta={"tag": [{"system": "urn:run", "code": unique}], "profile": ["http://example.org/p"]},
            text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Synthia, a gardener</div>'},
            gender="female",
            contact=[{"name": {"family": "Helper"}}],
            communication=[{"language": {"text": "German"}}],
        ),
    )


def only(api: httpx.Client, url: str) -> dict[str, Any]:
    (entry,) = bundle_of(api, url)["entry"]
    resource: dict[str, Any] = entry["resource"]
    return resource


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("_summary=true", {"name", "gender"}),
        ("_summary=text", {"text"}),
        ("_summary=data", {"name", "gender", "contact", "communication"}),
        ("_elements=gender,contact", {"gender", "contact"}),
        ("_elements=gender", {"gender"}),
    ],
)
def test_a_part_of_a_resource_is_marked_as_one(
    api: httpx.Client, person: dict[str, Any], unique: str, asked: str, expected: set[str]
) -> None:
    for resource in (
        only(api, f"Patient?_tag={unique}&{asked}"),
        bundle_of(api, f"Patient/{person['id']}?{asked}"),
        bundle_of(api, f"Patient/{person['id']}/_history/1?{asked}"),
    ):
        assert resource.keys() == {"resourceType", "id", "meta", *expected}
        assert [tag["code"] for tag in resource["meta"]["tag"]] == [unique, SUBSETTED]
        assert resource["meta"]["versionId"] == "1"
        assert resource["meta"]["profile"] == ["http://example.org/p"]


def test_a_whole_resource_is_not_marked(api: httpx.Client, person: dict[str, Any], unique: str) -> None:
    assert only(api, f"Patient?_tag={unique}&_summary=false") == person
    assert bundle_of(api, f"Patient/{person['id']}?_summary=false") == person
    assert "entry" not in bundle_of(api, f"Patient?_tag={unique}&_summary=count")


def test_required_elements_and_every_form_of_a_choice_stay(api: httpx.Client, person: dict[str, Any]) -> None:
    value = created(api, observation(person["id"], valueQuantity={"value": 1.50, "unit": "kg"}))
    cut = only(api, f"Observation?_id={value['id']}&_elements=value")
    assert cut.keys() == {"resourceType", "id", "meta", "status", "code", "valueQuantity"}
    digits = api.get("Observation", params={"_id": value["id"], "_elements": "value"})
    assert '"value":1.5' in digits.text


def test_included_resources_are_summaries_too_and_keep_their_elements(
    api: httpx.Client, person: dict[str, Any]
) -> None:
    value = created(api, observation(person["id"]))
    url = f"Observation?_id={value['id']}&_include=Observation:subject"
    summary = bundle_of(api, f"{url}&_summary=true")["entry"][1]
    assert summary["search"]["mode"] == "include"
    assert "contact" not in summary["resource"]
    elements = bundle_of(api, f"{url}&_elements=status")["entry"]
    assert "subject" not in elements[0]["resource"]
    assert elements[1]["resource"] == person


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("Patient?_summary=some", "_summary"),
        ("Patient?_elements=nosuch", "no top-level element"),
        ("Patient?_elements=name&_summary=true", "_elements"),
        ("Patient?_summary=text&_include=Patient:organization", "_summary"),
        ("Patient?_total=all", "_total"),
        ("Patient?name=x&_score=true", "_score"),
    ],
)
def test_a_shape_that_cannot_be_given_is_refused(api: httpx.Client, path: str, says: str) -> None:
    response = api.get(path)
    assert response.status_code == 400
    assert says in texts(response)


def test_a_read_takes_the_shape_of_one_resource_alone(api: httpx.Client, person: dict[str, Any]) -> None:
    for asked in ("_summary=count", "_elements=nosuch", "_count=1", "name=x", "_summary=true&_summary=text"):
        assert api.get(f"Patient/{person['id']}?{asked}").status_code == 400, asked
    assert api.get(f"Patient/{person['id']}/_history?_summary=true").status_code == 400


def test_totals_are_given_as_asked(api: httpx.Client, unique: str) -> None:
    for _ in range(3):
        created(api, patient(meta={"tag": [{"system": "urn:run", "code": unique}]}))
    url = f"Patient?_tag={unique}"
    assert bundle_of(api, url)["total"] == 3
    assert "total" not in bundle_of(api, f"{url}&_total=none")
    first = bundle_of(api, f"{url}&_count=2")
    assert "total" not in first
    assert bundle_of(api, f"{url}&_count=2&_total=accurate")["total"] == 3
    assert bundle_of(api, f"{url}&_count=2&_total=estimate")["total"] == 3
    second = next_link(first)
    assert second is not None
    assert len(places(bundle_of(api, second))) == 1


def test_words_found_give_a_score(api: httpx.Client, person: dict[str, Any], unique: str) -> None:
    entries = bundle_of(api, f"Patient?_tag={unique}&_text=gardener")["entry"]
    assert entries[0]["search"] == {"mode": "match", "score": 1.0}
    half = bundle_of(api, f"Patient?_tag={unique}&_text=gardener OR plumber")["entry"]
    assert half[0]["search"]["score"] == 0.5
    assert "score" not in bundle_of(api, f"Patient?_tag={unique}")["entry"][0]["search"]


def test_a_search_for_words_over_all_types_leaves_out_those_without_narrative(
    api: httpx.Client, person: dict[str, Any], unique: str
) -> None:
    """Binary, Bundle and Parameters have none."""
    for words in ("_text=gardener", "_content=gardener", "_content=gardener&_text=gardener"):
        bundle = bundle_of(api, f"?_tag=urn:run|{unique}&{words}")
        assert places(bundle) == [f"Patient/{person['id']}"]
        assert "_type" not in bundle["link"][0]["url"]
    assert api.get("?_type=Patient,Binary&_text=gardener").status_code == 400
