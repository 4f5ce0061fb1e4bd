"""Searches find what the specification says, no more and no less: against a matcher that reads resources by hand."""

import gzip
import json
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fhir_server.core.codec import decode
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from tests.property import generated_records as generated
from tests.property.generated_searches import pair, query
from tests.property.generated_values import BASE, DATES, NOW, PREFIXES, drawing
from tests.property.naive_parameters import COMPOSITES, PARAMETERS
from tests.property.naive_search import Pairs, Stored, World, matches
from tests.require import require_data
from tests.unit.search.matching import row, takes

CEILING = datetime(9000, 1, 1, tzinfo=UTC)
WORLD = World(BASE, NOW)


def indexed(stored: Stored) -> dict[str, Any]:
    """The row the server would keep, of the resource as it would be sent."""
    return row(decode(json.dumps(stored.resource).encode()), stored.id, stored.updated)


def found(stored: Stored, kept: dict[str, Any], pairs: Pairs) -> bool:
    request = parse(stored.resource["resourceType"], pairs, lenient=False, own_bases=(BASE,))
    return takes(plan(request, CEILING, None, NOW).filter, kept)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(sorted(generated.MAKE)))
def test_a_generated_resource_is_found_when_it_matches_and_only_then(data: st.DataObject, type: str) -> None:
    pick = drawing(data)
    stored = generated.stored(pick, generated.MAKE[type](pick), "p1")
    kept = indexed(stored)
    for _ in range(3):
        pairs = query(pick, type, [stored], BASE)
        # The reader of filters knows no places; the searches of a served server ask for them.
        assume("near" not in dict(pairs))
        assert found(stored, kept, pairs) is matches(stored, pairs, WORLD), (pairs, stored)


def test_every_prefix_and_precision_agrees_with_the_ranges_of_the_specification() -> None:
    ends = ["2020-02-29", "2020-12-31", "2021-01-01"]
    effective: list[dict[str, Any]] = [{"effectiveDateTime": each} for each in DATES]
    for start in DATES[:4]:
        effective += [{"effectivePeriod": {"start": start}}, {"effectiveTiming": {"event": [start, "2020-02-29"]}}]
        effective += [{"effectivePeriod": {"start": start, "end": end}} for end in ends]
    effective += [{"effectivePeriod": {"end": end}} for end in ends]
    for each in effective:
        stored = Stored("o1", NOW, {"resourceType": "Observation", **each})
        kept = indexed(stored)
        for prefix in dict.fromkeys(PREFIXES):
            for asked in DATES:
                pairs = [("date", prefix + asked)]
                assert found(stored, kept, pairs) is matches(stored, pairs, WORLD), (pairs, each)


NUMBERS = [
    "0",
    "-5",
    "1",
    "1.0",
    "1.00",
    "1.5",
    "0.95",
    "1.05",
    "1.1",
    "0.9",
    "100",
    "1e2",
    "99.5",
    "100.5",
    "150",
    "50",
]
ENDS = [("1", "1.5"), ("0.9", "1.0"), (None, "1"), ("1", None), ("-5", "100"), ("100", "150"), ("0.95", "1.04")]


def test_every_prefix_and_precision_of_a_number_agrees_with_the_ranges_of_the_specification() -> None:
    held: list[dict[str, Any]] = [{"probabilityDecimal": float(each)} for each in NUMBERS]
    for low, high in ENDS:
        ends = {name: {"value": float(end)} for name, end in (("low", low), ("high", high)) if end is not None}
        held.append({"probabilityRange": ends})
    for each in held:
        stored = Stored("r1", NOW, {"resourceType": "RiskAssessment", "prediction": [each]})
        kept = indexed(stored)
        for prefix in dict.fromkeys(PREFIXES):
            for asked in NUMBERS:
                pairs = [("probability", prefix + asked)]
                assert found(stored, kept, pairs) is matches(stored, pairs, WORLD), (pairs, each)


@cache
def real_records() -> tuple[Stored, ...]:
    folder = require_data("synthea")
    records: list[Stored] = []
    for path in sorted(folder.glob("*.json.gz"))[:5]:
        for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in PARAMETERS:
                records.append(Stored(resource["id"], NOW, resource))
    return tuple(records)


@cache
def real_row(position: int) -> dict[str, Any]:
    return indexed(real_records()[position])


@pytest.mark.parametrize("seed", range(80))
def test_real_records_are_found_when_they_match_and_only_then(seed: int) -> None:
    choice = Random(seed)
    records = real_records()
    type = choice.choice(sorted({each.resource["resourceType"] for each in records}))
    same_type = [place for place, each in enumerate(records) if each.resource["resourceType"] == type]
    sample = choice.sample(same_type, min(len(same_type), 40))
    # An SSN is one number with dashes and without, which the matcher by hand does not know.
    names = [name for name in (*PARAMETERS[type], *COMPOSITES.get(type, {})) if name != "identifier"]
    for _ in range(3):
        pairs = [
            pair(choice.choice, type, name, [records[place] for place in sample], BASE)
            for name in choice.sample(names, choice.choice([1, 1, 2]))
        ]
        for place in sample:
            stored = records[place]
            assert found(stored, real_row(place), pairs) is matches(stored, pairs, WORLD), (pairs, stored.id)
