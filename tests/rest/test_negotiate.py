"""Which media type an Accept header chooses, and that no header takes the server's time."""

import time

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.rest.context import _preferences
from fhir_server.rest.negotiate import FHIR_JSON, HTML, written_type


@pytest.mark.parametrize(
    ("accept", "written"),
    [
        ("text/html;q=nan, application/fhir+json;q=0.1", FHIR_JSON),
        ("text/html;q=inf, application/fhir+json", FHIR_JSON),
        ("text/html;q=7, application/fhir+json", FHIR_JSON),
        ("text/html;q=1e0, application/fhir+json;q=0.1", FHIR_JSON),
        ("text/html;q=0.5, application/fhir+json;q=0.4", HTML),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),
    ],
)
def test_a_quality_is_a_number_up_to_one(accept: str, written: str) -> None:
    assert written_type(accept, None) == written


@pytest.mark.parametrize("accept", ["," * 120_000, "a/b;q=1," * 15_000, ";" * 120_000])
def test_a_long_accept_header_takes_no_time(accept: str) -> None:
    began = time.process_time()
    with pytest.raises(FhirError):
        written_type(accept, None)
    assert time.process_time() - began < 1.0


def test_a_long_prefer_header_takes_no_time() -> None:
    began = time.process_time()
    assert _preferences("return=minimal," + "," * 120_000).prefer_return == "minimal"
    assert time.process_time() - began < 1.0
