"""Instants and HTTP dates: https://hl7.org/fhir/R4/datatypes.html#instant, RFC 9110 section 5.6.7"""

from datetime import UTC, datetime
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.instant import format_http_date, format_instant, now, parse_http_date, parse_instant

moments = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_an_http_date_is_the_imf_fixdate_of_the_second(moment: datetime) -> None:
    assert format_http_date(moment) == format_datetime(moment.replace(microsecond=0), usegmt=True)


@given(moments.filter(lambda moment: moment.year > 1900))
def test_an_http_date_names_the_second_it_was_made_of(moment: datetime) -> None:
    assert parse_http_date(format_http_date(moment)) == moment.replace(microsecond=0)


@given(moments)
def test_an_instant_names_the_millisecond_it_was_made_of(moment: datetime) -> None:
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_instant(format_instant(moment)) == cut


def test_what_is_no_date_is_none() -> None:
    for text in ("", "yesterday", "0", "Mon, 99 Jan 2001 00:00:00 GMT"):
        assert parse_http_date(text) is None
    for text in ("", "2020", "2020-01-01T00:00:00", "2020-13-01T00:00:00Z"):
        assert parse_instant(text) is None


def test_now_has_no_more_than_milliseconds() -> None:
    assert now().microsecond % 1000 == 0
