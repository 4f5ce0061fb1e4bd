"""The rows of the benchmark: which requests each sends, and how to see that both programs answer them rightly."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from bench import records
from bench.records import Population
from fhir_server.core.codec import decode, encode

REQUESTS = 5_000
PAGE = 50
HEADERS = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}

Line = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """A kind of request. `goal` is the ratio to the floor that the project wants to reach.

    In a row that `signs_in` the body of a line is the number of the patient whose access token goes with it.
    """

    name: str
    what: str
    goal: float | None
    requests: Callable[[Population, random.Random], Iterator[Line]]
    status: int
    signs_in: bool = False


SIGNED_IN = 50
"""Patients who let an app in."""


def _signed_reads(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        patient = chance.randrange(min(SIGNED_IN, population.patients))
        number = chance.randrange(records.OBSERVATIONS_PER_PATIENT)
        yield "GET", f"/fhir/Observation/{records.observation_id(patient, number)}", str(patient).encode()


def _signed_searches(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        patient = chance.randrange(min(SIGNED_IN, population.patients))
        path = f"/fhir/Observation?patient={records.patient_id(patient)}&_sort=-date&_count={PAGE}"
        yield "GET", path, str(patient).encode()


def _reads(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        patient, number = chance.randrange(population.patients), chance.randrange(records.OBSERVATIONS_PER_PATIENT)
        yield "GET", f"/fhir/Observation/{records.observation_id(patient, number)}", b""


def _searches(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        patient = records.patient_id(chance.randrange(population.patients))
        yield "GET", f"/fhir/Observation?patient={patient}&_sort=-date&_count={PAGE}", b""


def _new_searches(population: Population, chance: random.Random) -> Iterator[Line]:
    # A moment before all rows, which excludes none of them and makes each search another one.
    for number, (method, path, body) in enumerate(_searches(population, chance)):
        moment = f"2001-01-01T00:{number // 60 % 60:02}:{number % 60:02}.{number % 997:03}Z"
        yield method, f"{path}&_lastUpdated=gt{moment}", body


def _creates(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        yield (
            "POST",
            "/fhir/Observation",
            encode(records.new_observation(chance.randrange(population.patients), chance)),
        )


def _updates(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        patient, number = chance.randrange(population.patients), chance.randrange(records.OBSERVATIONS_PER_PATIENT)
        id = records.observation_id(patient, number)
        resource: dict[str, Any] = records.new_observation(patient, chance) | {"id": id}
        yield "PUT", f"/fhir/Observation/{id}", encode(resource)


def _transactions(population: Population, chance: random.Random) -> Iterator[Line]:
    while True:
        yield "POST", "/fhir", encode(records.visit(chance.randrange(population.patients), chance))


ROWS = (
    BenchmarkRow("read", "an Observation by id", 0.80, _reads, 200),
    BenchmarkRow("search", f"{PAGE} Observations of a patient, newest first", 0.75, _searches, 200),
    BenchmarkRow("search, never asked before", "the same, each in words of its own", None, _new_searches, 200),
    BenchmarkRow(
        "read, signed in", "the same by a patient's app: token, policy and audit", 0.70, _signed_reads, 200, True
    ),
    BenchmarkRow(
        "search, signed in", "the same by a patient's app: token, policy and audit", 0.70, _signed_searches, 200, True
    ),
    BenchmarkRow("create", "an Observation", 0.40, _creates, 201),
    BenchmarkRow("update", "an Observation, in a transaction with its history", 0.50, _updates, 200),
    BenchmarkRow("transaction", "a Bundle that creates an Encounter and nine Observations", None, _transactions, 200),
)


def request_lines(row: BenchmarkRow, population: Population) -> Iterator[Line]:
    """The requests of a row, the same each time."""
    made = row.requests(population, random.Random(f"{population.seed} {row.name}"))
    for _ in range(REQUESTS):
        yield next(made)


def check_answers(row: BenchmarkRow, population: Population, ours: str, floor: str, tokens: Sequence[str] = ()) -> None:
    """Send one request to both programs. Raises AssertionError where an answer is not what the row measures.

    `tokens` are the access tokens of the patients, in a row that signs in.
    """
    method, path, body = next(request_lines(row, population))
    headers = HEADERS | ({"Authorization": f"Bearer {tokens[int(body)]}"} if row.signs_in else {})
    body = b"" if row.signs_in else body
    answers = []
    for origin in (ours, floor):
        answer = httpx.request(method, origin + path, content=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == row.status, f"{row.name}: {answer.status_code} {answer.text[:500]}"
        answers.append(decode(answer.content))
    mine, other = answers
    if row.name.startswith("read"):
        assert mine == other, "the two programs read different resources"
    if row.name.startswith("search"):
        ids = [[entry["resource"]["id"] for entry in bundle["entry"]] for bundle in answers]
        assert ids[0] == ids[1] and len(ids[0]) == PAGE, "the two programs found different resources"
    if row.name == "transaction":
        assert len(mine["entry"]) == len(other["entry"]) == records.OBSERVATIONS_PER_TRANSACTION + 1


def check_sample(population: Population, lines: Iterator[bytes], base: str, every: int) -> int:
    """Read one in `every` loaded resources back and compare it with what was sent; how many were compared."""
    compared = 0
    with httpx.Client(timeout=60, trust_env=False) as client:
        for number, line in enumerate(lines):
            if number % every:
                continue
            sent = decode(line)
            answer = client.get(f"{base}/{sent['resourceType']}/{sent['id']}")
            assert answer.status_code == 200, f"{sent['resourceType']}/{sent['id']}: {answer.status_code}"
            got = decode(answer.content)
            del got["meta"]
            assert encode(got) == encode({"resourceType": sent["resourceType"], "id": sent["id"]} | sent)
            compared += 1
    return compared
