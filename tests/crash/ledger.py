"""What clients sent and what they were told, and whether a database agrees with it after a crash.

https://hl7.org/fhir/R4/http.html#transaction
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from tests.crash.stored import Stored

Kind = Literal["create", "update", "delete", "transaction"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One row the server said it keeps: `Patient/p1`, its version, its content (None for a deletion)."""

    local: str
    version: int
    resource: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that writes. `mark` stands in each of the `rows` resources it sends, and in no other request's.

    `response` is None where the connection broke before an answer came.
    """

    kind: Kind
    url: str
    mark: str
    rows: int
    response: httpx.Response | None
    seconds: float

    @property
    def is_acknowledged(self) -> bool:
        return self.response is not None and self.response.is_success

    @property
    def is_refused(self) -> bool:
        """Whether the server said that nothing of it was done."""
        return self.response is not None and 400 <= self.response.status_code < 500

    def acknowledged(self) -> Iterator[Acknowledged]:
        """What the answer promises."""
        if self.response is None or not self.response.is_success:
            return
        if self.kind == "delete":
            if "etag" in self.response.headers:
                yield Acknowledged(self.url, _number(self.response.headers["etag"]), None)
        elif self.kind == "transaction":
            for entry in self.response.json()["entry"]:
                yield _acknowledged(entry["response"]["location"], entry["resource"])
        else:
            yield _acknowledged(self.response.headers["location"], self.response.json())

    def __str__(self) -> str:
        answer = "no answer" if self.response is None else f"{self.response.status_code}"
        return f"{self.kind} {self.url} ({self.mark}), answered by {answer} after {self.seconds:.1f} s"


def _acknowledged(location: str, resource: dict[str, Any]) -> Acknowledged:
    type, id, _, version = location.split("/")[-4:]
    return Acknowledged(f"{type}/{id}", int(version), resource)


def _number(etag: str) -> int:
    return int(etag.removeprefix('W/"').removesuffix('"'))


def marks_in(resource: dict[str, Any]) -> list[str]:
    """The marks a stored resource bears."""
    return [identifier["value"] for identifier in resource.get("identifier", ()) if identifier["system"] == "urn:mark"]


@dataclass(slots=True)
class Ledger:
    """Every request of a test, over all servers that answered it."""

    sent: list[Sent] = field(default_factory=list)

    def acknowledgements(self) -> int:
        return sum(sent.is_acknowledged for sent in self.sent)

    def kinds(self) -> set[Kind]:
        """The kinds of which at least one was acknowledged."""
        return {sent.kind for sent in self.sent if sent.is_acknowledged}

    def faults(self, stored: Stored) -> list[str]:
        """Promises not kept, half transactions, refused writes that were kept, writes that were kept twice."""
        return [*self._broken_promises(stored), *self._wrong_marks(stored)]

    def _broken_promises(self, stored: Stored) -> Iterator[str]:
        kept = {(local, version.number): version.resource for local, versions in stored.items() for version in versions}
        for sent in self.sent:
            for promise in sent.acknowledged():
                place = promise.local, promise.version
                if place not in kept:
                    yield f"{promise.local} version {promise.version} is lost: {sent}"
                elif kept[place] != promise.resource:
                    yield f"{promise.local} version {promise.version} is not what was answered: {sent}"

    def _wrong_marks(self, stored: Stored) -> Iterator[str]:
        found = Counter(
            mark
            for versions in stored.values()
            for version in versions
            if version.resource is not None
            for mark in marks_in(version.resource)
        )
        for sent in self.sent:
            if sent.kind == "delete":
                continue
            count = found.pop(sent.mark, 0)
            allowed = {sent.rows} if sent.is_acknowledged else {0} if sent.is_refused else {0, sent.rows}
            if count not in allowed:
                yield f"{count} of {sent.rows} rows are there: {sent}"
        yield from (f"nobody sent what {count} rows hold: {mark}" for mark, count in found.items())

    def improper_answers(self) -> list[str]:
        """Answers that are neither an ordinary one nor a broken connection nor a well-formed 503."""
        return [
            f"{sent}: {sent.response.text[:300]}"
            for sent in self.sent
            if sent.response is not None and not _is_proper(sent.response)
        ]

    def slowest(self) -> float:
        """The longest that a client waited, in seconds."""
        return max(sent.seconds for sent in self.sent)


def _is_proper(response: httpx.Response) -> bool:
    if response.status_code == 503:
        return is_proper_unavailable(response)
    is_refusal = response.status_code in (409, 412) and response.json()["resourceType"] == "OperationOutcome"
    return response.is_success or is_refusal


def is_proper_unavailable(response: httpx.Response) -> bool:
    """Whether it is a 503 that says when to come again, with an OperationOutcome that calls it transient."""
    if response.status_code != 503 or not response.headers.get("retry-after", "").isdigit():
        return False
    body = response.json()
    return body["resourceType"] == "OperationOutcome" and body["issue"][0]["code"] in ("transient", "timeout")
