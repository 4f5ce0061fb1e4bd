"""The pairs of a query are the same whichever way they are read."""

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.interactions.query import query_pairs

WRITTEN = st.text("ab1_.:,|/$=&~*-+ ", max_size=40)


@given(WRITTEN)
def test_a_query_without_escapes_is_read_as_the_library_reads_it(encoded: str) -> None:
    assert query_pairs(encoded) == parse_qsl(encoded, keep_blank_values=True)
