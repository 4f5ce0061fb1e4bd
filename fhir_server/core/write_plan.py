"""One write as one value: what to store, over which versions, under which claims. The store runs it in one transaction.

Every interaction that writes ends in a WritePlan; nothing else reaches the store's write side.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource

Method = Literal["POST", "PUT", "PATCH", "DELETE"]

Filter = dict[str, Any]
"""A MongoDB filter over the fields of a row, as made by fhir_server.search and fhir_server.policy."""


Range = tuple[str, int, int]
"""Parameter and the stretch of time that one value of a date parameter covers, in ms since 1970 UTC; both ends
inclusive. Integers, because FHIR's dates reach past what datetime holds (the end of 9999, an open end).
"""
Measure = tuple[str, float, float]
"""One value of a number or quantity parameter under a key of `q`; both ends inclusive, equal for a plain value."""


class IndexValues(msgspec.Struct, frozen=True):
    """What a resource is found by. The shapes are the row's fields (docs/storage.md). A Struct with plain tuples,
    because every write makes one.

    `categories` are the tokens of the parameter `category`, on types that have it. `participants` are the places
    (`Practitioner/p7`) of those who take part, on types that are seen by these alone. `about` are the places of what it
    is about, on types that are hidden with that. `files`, of what has labels, are those of the Binaries with its
    content, which no row keeps; `held` are the same of a type whose files are read by whoever reads one of their
    holders. `withheld` says that it holds an identifier that is shown to few.
    `owned_tokens` is `pt`, `tokens`
    `t`, `strings` `s`, `dates` `d`, `measures` `q`, `composites` `c`, `words` `w`, `positions` `g` (longitude,
    latitude), `contained` `h`, `sort_keys` `k`. `composites` and `contained` are stored as they stand. `set_version`
    counts the custom search parameters it was made with.
    """

    owners: tuple[str, ...] = ()
    source: str | None = None
    labels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    withheld: bool = False
    owned_tokens: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    dates: tuple[Range, ...] = ()
    measures: tuple[Measure, ...] = ()
    composites: tuple[dict[str, Any], ...] = ()
    words: tuple[str, ...] = ()
    positions: tuple[tuple[float, float], ...] = ()
    contained: tuple[dict[str, Any], ...] = ()
    set_version: int = 0
    sort_keys: dict[str, Any] = {}


class Expect(Enum):
    """What a document's place must hold before it is written."""

    ANYTHING = "anything"
    """A live resource, a tombstone or nothing: an update that may create."""
    NOTHING = "nothing"
    """A fresh id of the server's own: a create. The only kind that needs no transaction."""


ANY_VERSION = -1
"""As `if_version`: whichever version is current, but there must be one (If-Match: *, RFC 9110 13.1.1)."""


@dataclass(frozen=True, slots=True)
class Keeps:
    """What a document must leave of the resource that it replaces; a change of it is a 403 that names it.

    `but_for` are the only top-level elements that may change; None: all of them. With `but_for_contact` these are how
    a patient is reached, and a change of another is a 422 that says who corrects it. `source` is `meta.source`, a
    deleted one's too. `labels` are those of a row's `labels` that must stay where they are; with `all_labels` none may
    come or go. With `owners` it stays in every record that it is in.
    """

    but_for: frozenset[str] | None = None
    source: bool = False
    labels: frozenset[str] = frozenset()
    all_labels: bool = False
    owners: bool = False
    but_for_contact: bool = False

    def refusal(self, type: str, name: str) -> FhirError:
        """Of a change to an element that must stay."""
        if self.but_for_contact and not name.startswith("meta"):
            text = (
                f"'{name}' is read-only for patients. Send it as it is read; where it is wrong, the help desk or your "
                "facility's records office corrects it."
            )
            return outcome.READ_ONLY_ELEMENT(text, f"{type}.{name}")
        text = f"You may not change '{name}'. Send it as it is read."
        return outcome.FORBIDDEN_ELEMENT(text, f"{type}.{name}")


@dataclass(frozen=True, slots=True)
class Put:
    """Store `resource` as the next version at type and id.

    `if_version` is the version that must be current (If-Match), or ANY_VERSION; else 412. With `if_absent`
    (If-None-Match: *) a live resource there is a 412. With `unless_equal` a current version with the same content is
    left and given back.

    The row there, live or a tombstone, must match `within`; else it is a 404, as where there is none. Where there is
    none, it is made if `creates`. A row of another source than `agency` is a 403, and so is one that belongs to anybody
    besides `owners`. All of this is looked at before the versions, so that an If-Match tells nothing of a row out of
    reach.

    `seen` is the version that the rules of care looked at, 0 where there was none; another one is Overtaken. `file` is
    the id and the length of the file that the store put a Binary's content into.
    """

    type: str
    id: str
    resource: Resource
    index: IndexValues
    method: Method
    expect: Expect = Expect.ANYTHING
    if_version: int | None = None
    unless_equal: bool = False
    if_absent: bool = False
    within: Filter | None = None
    creates: bool = True
    agency: str | None = None
    owners: frozenset[str] | None = None
    keeps: Keeps | None = None
    seen: int | None = None
    file: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Leave a tombstone at type and id. Nothing there, or a tombstone already: nothing is written.

    With `within` nothing there is a 404, and so is a row that does not match it; `agency`, `owners` and `seen` as in
    Put.
    """

    type: str
    id: str
    if_version: int | None = None
    within: Filter | None = None
    agency: str | None = None
    owners: frozenset[str] | None = None
    seen: int | None = None


Document = Put | Delete


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that two writers must not act upon at the same time, e.g. a normalised If-None-Exist condition."""

    key: str


@dataclass(frozen=True, slots=True)
class Absence:
    """No live resource of `type` may match `filter` inside the transaction; the store raises Matched otherwise.

    `filter` is a MongoDB filter as made by fhir_server.search.
    """

    type: str
    filter: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Presence:
    """The resource `id` of `type`, and no other live one, must match `filter` inside the transaction; else Matched.

    A version guard instead would make 50 conditional updates of one resource fail and match anew one after the other.
    """

    type: str
    filter: dict[str, Any]
    id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A count that goes up with each write by which certain facts may change (`refills of MedicationRequest/m1`).

    A rule that rests on them reads it first; where it is no longer `seen` as the plan is stored, the plan is Overtaken.
    """

    key: str
    seen: int


@dataclass(frozen=True, slots=True)
class Notice:
    """That somebody is to be told of something by e-mail, once; the letter says nothing of what it is about.

    `id` is the same for the same event and person, however often it is written. `kind` names the letter, `place` who is
    told (`Patient/p1`, `Practitioner/p7`). Until `due` (ms since 1970) it waits. With `about` (`Appointment/a1`) it
    is dropped where that is deleted by then, or its status is not `state`.
    """

    id: str
    kind: str
    place: str
    due: int = 0
    about: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one document of a plan, in the plan's order.

    `body` is None after a delete. `created` says that no live resource was there before; `changed` is False where
    `unless_equal` found the same content, or a delete found nothing (then `version` is 0 or the tombstone's). `owners`
    and `labels` are those of the version that is there now, `former_owners` those it displaced and has no more;
    `new_labels` are security labels that the displaced one had not.
    """

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes | None
    created: bool
    changed: bool
    owners: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    former_owners: tuple[str, ...] = ()
    new_labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """What is written in the same transaction because of what became of the documents.

    `puts` gives creates of `types` for all that was written, in the plan's order; it is asked again where the
    transaction is run again.
    """

    types: tuple[str, ...]
    puts: Callable[[tuple[Written, ...]], Awaitable[tuple[Put, ...]]]


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Documents to write, what must hold while they are written, and what is written because of them.

    The last `added` documents were not asked for: the rules of care added them. `notices` are kept with the documents;
    those of ids in `withdrawn` that still wait are dropped.
    """

    documents: tuple[Document, ...]
    claims: tuple[Claim, ...] = ()
    absences: tuple[Absence, ...] = ()
    presences: tuple[Presence, ...] = ()
    effects: Effects | None = None
    turns: tuple[Turn, ...] = ()
    notices: tuple[Notice, ...] = ()
    withdrawn: tuple[str, ...] = ()
    added: int = 0


class Overtaken(Exception):
    """Nothing was written: what the rules of care rest on has changed since they looked at it."""


class Matched(Exception):
    """A plan's Absence or Presence did not hold: someone else changed what matches. `ids` are some of the matches."""

    def __init__(self, type: str, ids: tuple[str, ...]) -> None:
        super().__init__(f"{type}: {len(ids)} matches")
        self.type = type
        self.ids = ids
