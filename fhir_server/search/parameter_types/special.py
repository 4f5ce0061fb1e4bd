"""The one special parameter that is read here: `near`, the Locations within a distance of a place.

https://hl7.org/fhir/R4/location.html#search, https://hl7.org/fhir/R4/search.html#special

Index, in `g`: `{at: GeoJSON point}` of Location.position, in degrees of WGS84. What is on no map is left out.
"""

import re
from typing import Any

from fhir_server.search.entries import Entries
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.number import quotient, ratio
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Near
from fhir_server.search.ucum import canonical

DEFAULT_METRES = 50_000.0
"""Distance where none is asked for: R4 leaves what is near to the server's discretion. A county's width."""
FARTHEST_METRES = 20_000_000.0
"""Within this of any place lies all of the earth but its other side; MongoDB takes no circle larger than a half."""
EARTH_RADIUS_METRES = 6_378_100.0
"""MongoDB's own. https://www.mongodb.com/docs/manual/tutorial/calculate-distances-using-spherical-geometry-with-2d-geospatial-indexes/"""

_MILES = {"mi": "[mi_i]"}
"""What people write for a unit that has another code in UCUM."""
_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,40})?").fullmatch


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for what is no position."""
    return _write_position if leaf.type == "Location.position" else None


def _write_position(value: Any, entries: Entries) -> None:
    longitude, latitude = ratio(value.get("longitude")), ratio(value.get("latitude"))
    if longitude is None or latitude is None:
        return
    degrees = quotient(*longitude), quotient(*latitude)
    if abs(degrees[0]) <= 180 and abs(degrees[1]) <= 90:
        entries.positions[degrees] = None


def read_value(text: str) -> Near:
    """`latitude|longitude`, then `|distance` and `|units` or not. Raises BadValue.

    Distance is DEFAULT_METRES where it is left out; units are any length of UCUM or `mi`, and kilometres where they
    are left out.
    """
    parts = [unescape(part).strip() for part in split_unescaped(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise BadValue('is not a place: write "latitude|longitude|distance|units", as in 42.26|-71.80|10|km')
    latitude, longitude = _degrees(parts[0], "latitude", 90), _degrees(parts[1], "longitude", 180)
    distance, unit = (*parts[2:], "", "")[:2]
    return Near(latitude, longitude, _metres(distance, unit or "km") if distance else DEFAULT_METRES)


def _degrees(text: str, name: str, most: int) -> float:
    if not _DECIMAL(text) or not -most <= float(text) <= most:
        raise BadValue(f"has no {name} that can be; write degrees from -{most} to {most}, the latitude first")
    return float(text)


def _metres(distance: str, unit: str) -> float:
    length = canonical(_MILES.get(unit, unit))
    if length is None or length.unit != "m":
        raise BadValue("has a distance in what is no unit of length; write km, m or mi")
    if not _DECIMAL(distance) or distance.startswith("-"):
        raise BadValue("has no distance that can be; write a number that is not negative, as in 10 or 0.5")
    metres = float(distance) * float(length.factor)
    if metres > FARTHEST_METRES:
        raise BadValue(f"has a distance beyond {FARTHEST_METRES / 1000:g} km, the whole earth; leave the parameter out")
    return metres


def predicate(value: Near) -> dict[str, Any]:
    """The filter over `g`: points within a circle on the sphere."""
    circle = [[value.longitude, value.latitude], value.metres / EARTH_RADIUS_METRES]
    return {"g": {"$elemMatch": {"at": {"$geoWithin": {"$centerSphere": circle}}}}}
