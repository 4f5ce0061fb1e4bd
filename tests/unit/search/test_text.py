"""`_text` and `_content`: words of the narrative and of everything people read."""

from typing import Any

import pytest

from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.text import read_condition, words
from tests.unit.search.matching import finds, row

CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "id": "identifier",
    "meta": {"tag": [{"display": "Tagged"}]},
    "text": {
        "status": "generated",
        "div": '<div xmlns="x"><!-- hidden --><p>Sév&egrave;re <b>Asth</b>ma</p>'
        '<p class="red">H<sub>2</sub>O &amp; salt</p></div>',
    },
    "code": {"coding": [{"system": "http://s", "code": "c1", "display": "Childhood asthma"}], "text": "Wheezing"},
    "subject": {"reference": "Patient/secret", "display": "Ann Other"},
    "identifier": [{"value": "mrn-1", "assigner": {"display": "Clinic"}}],
    "note": [{"text": "Seen at *night*"}],
    "extension": [{"url": "http://extended", "valueString": "Remarkable"}],
    "contained": [{"resourceType": "Patient", "name": [{"family": "Inside"}]}],
}


def test_words_are_those_of_the_narrative_and_then_of_the_other_texts() -> None:
    assert set(words(CONDITION)) == {
        *("t|severe", "t|asthma", "t|h2o", "t|salt"),
        *("c|childhood", "c|wheezing", "c|ann", "c|other", "c|clinic", "c|seen", "c|at", "c|night", "c|remarkable"),
    }


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("_text", "asthma", True),
        ("_text", "ASTHMA severe", True),
        ("_text", "asthm", False),
        ("_text", "asthm*", True),
        ("_text", "wheezing", False),
        ("_content", "wheezing asthma", True),
        ("_content", "whe*", True),
        ("_content", "asthma AND wheezing", True),
        ("_content", "gout OR wheezing", True),
        ("_content", "gout or wheez* or none", True),
        ("_content", "asthma NOT wheezing", False),
        ("_content", "asthma not gout", True),
        ("_content", "(gout OR asthma) and (night or day)", True),
        ("_content", "gout OR asthma day", False),
        ("_content", "gout,asthma", True),
        ("_content", "red", False),
        ("_content", "hidden", False),
        ("_content", "mrn", False),
        ("_content", "secret", False),
        ("_content", "inside", False),
        ("_content", "tagged", False),
    ],
)
def test_words_are_found(parameter: str, value: str, found: bool) -> None:
    assert finds("Condition", [(parameter, value)], row(CONDITION)) is found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"two words"', "quot"),
        ("(a", '"("'),
        ("a)", '")"'),
        ("a OR", "lacks"),
        ("AND a", "lacks"),
        ("NOT", "lacks"),
        ("()", "lacks"),
        ("", "lacks"),
        ("a ---", "letters"),
        (" ".join("abcdefgh" * 20), "50"),
        ("(" * 30 + "a" + ")" * 30, "nested"),
        ("not " * 30 + "a", "nested"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, names: str) -> None:
    with pytest.raises(BadValue, match="(?i)" + names.replace("(", "\\(").replace(")", "\\)")):
        read_condition("_text", text)


def test_words_of_any_length_and_script_are_found() -> None:
    long = "x" * 500
    resource = {"resourceType": "Condition", "note": [{"text": f"{long} Straße 日本語"}]}
    for asked in (long, "STRASSE", "日本語"):
        assert finds("Condition", [("_content", asked)], row(resource))
