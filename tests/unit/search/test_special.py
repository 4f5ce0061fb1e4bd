"""The parameter `near`: a place, a distance and its unit."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.special import predicate, read_value, writer
from fhir_server.search.paths import Leaf
from fhir_server.search.request import Near


def positions(value: dict[str, Any]) -> list[tuple[float, float]]:
    entries = Entries((), {})
    visit = writer("near", Leaf("Location.position"))
    assert visit is not None
    visit(value, entries)
    return list(entries.positions)


def test_a_position_is_written_longitude_first() -> None:
    place = {"longitude": Decimal("-71.80"), "latitude": Decimal("42.26"), "altitude": 150}
    assert positions(place) == [(-71.8, 42.26)]


@pytest.mark.parametrize(
    ("longitude", "latitude"), [(181, 0), (-180.1, 0), (0, 91), (0, "-90.0001"), ("1e400", 0), ("NaN", 0)]
)
def test_a_position_on_no_map_is_left_out(longitude: Any, latitude: Any) -> None:
    assert positions({"longitude": Decimal(longitude), "latitude": Decimal(latitude)}) == []


def test_a_position_without_one_of_its_degrees_is_left_out() -> None:
    assert positions({"longitude": 1}) == positions({"latitude": 1}) == positions({}) == []


def test_only_positions_are_written() -> None:
    assert writer("near", Leaf("Address")) is None


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("42.26|-71.80", 50_000),
        ("42.26|-71.80||", 50_000),
        ("42.26|-71.80||km", 50_000),
        ("42.26|-71.80|11.2", 11_200),
        ("42.26|-71.80|11.2|", 11_200),
        ("42.26|-71.80|11.2|km", 11_200),
        ("42.26|-71.80|800|m", 800),
        ("42.26|-71.80|1|[mi_i]", 1609.344),
        ("42.26|-71.80|1|mi", 1609.344),
        ("42.26|-71.80|0|km", 0),
    ],
)
def test_a_distance_is_in_kilometres_or_in_the_unit_named(text: str, metres: float) -> None:
    found = read_value(text)
    assert (found.latitude, found.longitude) == (42.26, -71.8)
    assert found.metres == pytest.approx(metres)


@pytest.mark.parametrize(
    "text",
    ["", "42.26", "42.26|", "|-71.8", "91|0", "0|181", "-90.1|0", "north|0", "42.26|-71.8|10|km|x", "1|2|-3", "1|2|ten",
     "1|2|3|kg", "1|2|3|parsecs", "1|2|3|KM", "1|2|20001", "1e1|2", "NaN|0", "1|2|1e3"],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(BadValue, match=r"write|leave"):
        read_value(text)


@pytest.mark.parametrize(
    "text", ["12.3456789|north", "91.2345|0", "1|2|ninety", "1|2|-3.5", "1|2|3|parsecs", "1|2|20001"]
)
def test_a_refusal_repeats_nothing_of_the_place(text: str) -> None:
    with pytest.raises(BadValue) as refusal:
        read_value(text)
    assert [part for part in text.split("|") if len(part) > 2 and part in str(refusal.value)] == []


def test_the_filter_is_a_circle_on_the_sphere_in_radians() -> None:
    circle = predicate(Near(42.26, -71.8, 6_378.1))
    assert circle == {"g": {"$elemMatch": {"at": {"$geoWithin": {"$centerSphere": [[-71.8, 42.26], 0.001]}}}}}
