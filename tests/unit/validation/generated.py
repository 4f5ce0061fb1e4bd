"""Resources made at random from the element tables, valid by construction and rich in what is rare.

https://hl7.org/fhir/R4/json.html
"""

from decimal import Decimal
from random import Random
from typing import Any

from fhir_server.core.codec import DecimalLiteral
from fhir_server.definitions.elements import Element, structure
from fhir_server.definitions.value_sets import required_value_set

VALUES: dict[str, tuple[Any, ...]] = {
    "base64Binary": ("QUJD", "QUI=", "QQ==", "QUJD\nQUJD"),
    "boolean": (True, False),
    "canonical": ("http://example.org/ValueSet/a|1.0#x", "#contained"),
    "code": ("en", "text/plain", "two words"),
    "date": ("1974-12-25", "1974-12", "1974", "2024-02-29", "0001-01-01"),
    "dateTime": (
        "2015-02-07T13:28:17-05:00",
        "2017-01-01T00:00:00.000Z",
        "2016-12-31T23:59:60Z",
        "2015-02-07T13:28:17.1234567890+14:00",
        "1973-06",
        "0001",
    ),
    "decimal": (0, -1, Decimal("1.50"), DecimalLiteral("1e3"), DecimalLiteral("1.0E-7"), Decimal("9" * 30)),
    "id": ("a", "A-1.b", "x" * 64),
    "instant": ("2015-02-07T13:28:17.239+02:00", "2016-12-31T23:59:60.5Z"),
    "integer": (0, -2_147_483_648, 2_147_483_647, Decimal("-0")),
    "markdown": ("*a*\n\n* b", " "),
    "oid": ("urn:oid:1.2.3.0",),
    "positiveInt": (1, 2_147_483_647),
    "string": ("Grüße, 世界 🌍", "a\tb\r\nc", "\u00a0", "null"),
    "time": ("00:00:00", "23:59:60.123"),
    "unsignedInt": (0, 2_147_483_647),
    "uri": ("urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "Patient/1", "a:b c".replace(" ", "%20"), "http://[x"),
    "url": ("http://example.org:99999/", "mailto:a@example.org", "/Binary/1", "http://[x"),
    "uuid": ("urn:uuid:c757873d-ec9a-1326-0141-556f43239520",),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml"><p class="x">5 &lt; 6</p></div>',),
}


def generated(name: str, random: Random) -> dict[str, Any]:
    """A valid resource of the type, other for each state of `random`."""
    return {"resourceType": name, **_object(name, random, 0)}


def _object(name: str, random: Random, depth: int) -> dict[str, Any]:
    if name == "Extension":
        return _extension(random, depth)
    described = structure(name)
    chosen: list[Element] = list(described.required)
    odds = 0.4 / (1 + depth * 2) if depth < 4 else 0.0
    for element in described.elements.values():
        if element.choice is None and not element.min and element.max != 0 and random.random() < odds:
            chosen.append(element)
    for low, members in described.choices.values():
        if low or random.random() < odds:
            chosen.append(described.elements[random.choice(members)])
    made: dict[str, Any] = {}
    for element in chosen:
        _fill(made, element, random, depth)
    if set(made) <= {"id"} and described.kind != "resource":
        made["extension"] = [_extension(random, 9)]
    return made


def _fill(made: dict[str, Any], element: Element, random: Random, depth: int) -> None:
    count = random.randint(max(1, element.min), max(2, element.min))
    with_twin = element.primitive and not element.attribute and element.type != "xhtml" and random.random() < 0.2
    if not element.repeats:
        if not with_twin or random.random() < 0.5:
            made[element.name] = _value(element, random, depth)
        if with_twin:
            made[f"_{element.name}"] = {"extension": [_extension(random, 9)]}
        return
    values = [_value(element, random, depth) for _ in range(count)]
    if with_twin:
        made[f"_{element.name}"] = [None] * (count - 1) + [{"id": "t", "extension": [_extension(random, 9)]}]
        values[-1] = None
    made[element.name] = values


def _value(element: Element, random: Random, depth: int) -> Any:
    if element.type == "Resource":
        return {
            "resourceType": random.choice(("Organization", "MedicinalProductAuthorization", "Patient")),
            "id": "inner",
        }
    bound = required_value_set(element.required_values) if element.required_values else None
    if bound is not None:
        system = random.choice(sorted(bound.systems))
        code = random.choice(sorted(bound.systems[system]))
        return code if element.primitive else {"coding": [{"system": "urn:other"}, {"system": system, "code": code}]}
    if element.primitive:
        return random.choice(VALUES[element.type])
    return _object(element.type, random, depth + 1)


def _extension(random: Random, depth: int) -> dict[str, Any]:
    url = {"url": "http://example.org/extension"}
    if depth < 3 and random.random() < 0.2:
        return {**url, "extension": [_extension(random, depth + 1)]}
    described = structure("Extension")
    members = [described.elements[name] for name in described.choices["value"][1]]
    chosen = random.choice(members if depth < 3 else [member for member in members if member.primitive])
    if chosen.primitive and random.random() < 0.2:
        return {**url, f"_{chosen.name}": {"extension": [{**url, "valueCode": "unknown"}]}}
    return {**url, chosen.name: _value(chosen, random, depth + 1)}
