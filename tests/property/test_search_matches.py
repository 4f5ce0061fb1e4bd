"""Searches find what the specification says, no more and no less: against a matcher that reads resources by hand."""

import gzip
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.codec import decode
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from tests.property import generated_records as generated
from tests.property.naive_search import READS, SHARED, Pairs, Stored, matches
from tests.require import require_data
from tests.unit.search.matching import row, takes

CEILING = datetime(9000, 1, 1, tzinfo=UTC)
MAKE = {"Patient": generated.patient, "Observation": generated.observation}


def kinds(type: str) -> dict[str, str]:
    return {name: kind for name, (kind, _) in (READS[type] | SHARED).items()}


def found(stored: Stored, pairs: Pairs) -> bool:
    request = parse(stored.resource["resourceType"], pairs, lenient=False, own_bases=(generated.BASE,))
    query = plan(request, CEILING, None, generated.NOW)
    return takes(query.filter, row(stored.resource, stored.id, stored.updated))


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(sorted(MAKE)))
def test_a_generated_resource_is_found_when_it_matches_and_only_then(data: st.DataObject, type: str) -> None:
    pick = generated.drawing(data)
    stored = generated.stored(pick, MAKE[type](pick), "p1")
    for _ in range(3):
        pairs = generated.query(pick, kinds(type))
        assert found(stored, pairs) is matches(stored, pairs, generated.BASE, generated.NOW), (pairs, stored)


def test_every_prefix_and_precision_agrees_with_the_ranges_of_the_specification() -> None:
    ends = ["2020-02-29", "2020-12-31", "2021-01-01"]
    effective: list[dict[str, Any]] = [{"effectiveDateTime": each} for each in generated.DATES]
    for start in generated.DATES[:4]:
        effective += [{"effectivePeriod": {"start": start}}, {"effectiveTiming": {"event": [start, "2020-02-29"]}}]
        effective += [{"effectivePeriod": {"start": start, "end": end}} for end in ends]
    effective += [{"effectivePeriod": {"end": end}} for end in ends]
    for each in effective:
        stored = Stored("o1", generated.NOW, {"resourceType": "Observation", **each})
        indexed = row(stored.resource)
        for prefix in dict.fromkeys(generated.PREFIXES):
            for asked in generated.DATES:
                pairs = [("date", prefix + asked)]
                query = plan(parse("Observation", pairs, lenient=False), CEILING, None, generated.NOW)
                assert takes(query.filter, indexed) is matches(stored, pairs, generated.BASE, generated.NOW), (
                    pairs,
                    each,
                )


@cache
def real_records() -> tuple[Stored, ...]:
    folder = require_data("synthea")
    records: list[Stored] = []
    for path in sorted(folder.glob("*.json.gz"))[:5]:
        for entry in decode(gzip.decompress(path.read_bytes()))["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in MAKE:
                records.append(Stored(resource["id"], generated.NOW, resource))
    return tuple(records)


def _asked(choice: Random, name: str, stored: Stored) -> str | None:
    """A value the resource holds, in one of the ways to ask for it."""
    kind, read = (READS[stored.resource["resourceType"]] | SHARED)[name]
    values = [each for each in read(stored.resource) if each]
    if not values:
        return None
    value = choice.choice(values)
    match kind:
        case "token" | "identifier":
            system, code = value
            return choice.choice([code, f"{system}|{code}", f"{system}|", f"|{code}", f"{system}x|{code}"])
        case "code":
            return str(value[1])
        case "string":
            return str(value[: choice.randint(1, len(value))]).replace(",", "")
        case "date":
            text = value if isinstance(value, str) else value["start"]
            text = choice.choice([text, text[:10], text[:7], text[:4]])
            return str(choice.choice(generated.PREFIXES) + text)
    return str(value)


@pytest.mark.parametrize("seed", range(60))
def test_real_records_are_found_when_they_match_and_only_then(seed: int) -> None:
    choice = Random(seed)
    records = real_records()
    example = choice.choice([each for each in records if each.resource["resourceType"] == "Patient"] + [*records[:400]])
    type = example.resource["resourceType"]
    # An SSN is one number with dashes and without, which the matcher by hand does not know.
    names = [name for name in kinds(type) if name != "identifier"]
    asked = [(name, _asked(choice, name, example)) for name in choice.sample(sorted(names), 8)]
    pairs = [(name, value) for name, value in asked if value and value.strip()][: choice.randint(1, 2)]
    same_type = [each for each in records if each.resource["resourceType"] == type]
    for each in same_type[:: max(1, len(same_type) // 300)]:
        assert found(each, pairs) is matches(each, pairs, generated.BASE, generated.NOW), (pairs, each.id)
