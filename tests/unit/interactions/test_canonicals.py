"""References by canonical URL: https://hl7.org/fhir/R4/references.html#canonical"""

import pytest

from fhir_server.interactions.canonicals import named, naming
from fhir_server.search.index import index_values

URL = "http://example.org/q"
FORM = {"resourceType": "Questionnaire", "status": "active", "url": URL}
ANSWER = {"resourceType": "QuestionnaireResponse", "status": "completed"}


@pytest.mark.parametrize("asked", ["", "|1", "|2"])
@pytest.mark.parametrize("version", [None, "1"])
def test_a_canonical_names_a_resource_of_its_version_or_of_any(asked: str, version: str | None) -> None:
    form = index_values(FORM | ({"version": version} if version else {}), "q", (), None).tokens
    answer = index_values(ANSWER | {"questionnaire": URL + asked}, "r", (), None).tokens
    is_named = asked in ("", f"|{version}")
    assert any(named(token.removeprefix("questionnaire|")) in form for token in answer) is is_named
    own = [token.removeprefix("url:version|") for token in form if token.startswith("url:version|")]
    assert any(f"questionnaire|{text}" in answer for each in own for text in naming(each)) is is_named


def test_a_url_without_the_mark_is_left_to_its_other_token() -> None:
    assert named(URL) is None
