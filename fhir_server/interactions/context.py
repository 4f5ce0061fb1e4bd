"""What every interaction is given besides its own arguments, and what every interaction answers."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from fhir_server.core import outcome
from fhir_server.core.proxied import AgeBands
from fhir_server.core.trail import Trail
from fhir_server.definitions.parameter_set import InForce, ParameterSet
from fhir_server.interactions.sponsoring import Sponsoring
from fhir_server.policy import OPERATOR, Sight
from fhir_server.store.mongo import Database

ReturnPreference = Literal["minimal", "representation", "OperationOutcome"]


@dataclass(frozen=True, slots=True)
class Server:
    """The parts composed at start that requests share.

    `own_bases` are the bases under which a reference means a resource of this server. A request cannot add to them: a
    made-up Host header would turn another server's references into ours. `parameters` change while the server runs.
    `care_relation_days`: how long an encounter, appointment or order ties its patient to who treats them.
    `oauth_endpoints` are paths at the origin of the base by their names in SMART's extension `oauth-uris`; none where
    nobody signs in. `card_for` are the actions that ask for a card (`emergency`, `orders`, `administration`).
    `age_bands` say from which age on a child's record is whose; `help_desk` is told with each refusal.
    `sponsoring` knows whose dependents are whose; without it no patient begins a dependent's registration. `operations`
    are what runs a call, by the type and the code of an operation (`interactions.operation.Operations`). `scan` says
    whether a file that somebody attaches may be taken, and raises FhirError 503 where that cannot be known now.
    """

    database: Database
    cursor_key: bytes
    cursor_seconds: int
    base_url: str | None
    own_bases: tuple[str, ...]
    custodian: str | None
    second_check: bool
    parameters: InForce = field(default_factory=InForce)
    care_relation_days: int = 365
    oauth_endpoints: tuple[tuple[str, str], ...] = ()
    card_for: frozenset[str] = frozenset()
    age_bands: AgeBands = field(default_factory=AgeBands)
    help_desk: str = ""
    sponsoring: Sponsoring | None = None
    operations: Mapping[tuple[str, str], Callable[..., Awaitable["Answer"]]] = field(default_factory=dict)
    scan: Callable[[bytes], Awaitable[bool]] | None = None


class RequestContext(msgspec.Struct, frozen=True):
    """One request, without HTTP. `base` is the FHIR base as this client writes it, without a slash at its end.

    With `only_changes` an update whose content is what is stored already writes no new version. `body_bytes` is the
    size of the body. `sight` says who asks; `trail` gathers what is audited. `is_own`: a page of the
    portal writes, which goes on with notices of its own as a registration does.
    """

    server: Server
    request_id: str
    base: str
    lenient: bool = False
    prefer_return: ReturnPreference | None = None
    only_changes: bool = False
    body_bytes: int = 0
    sight: Sight = OPERATOR
    trail: Trail = msgspec.field(default_factory=Trail)
    is_own: bool = False

    @property
    def own_bases(self) -> tuple[str, ...]:
        """Every base under which a reference means a resource of this server."""
        return self.server.own_bases

    @property
    def parameter_set(self) -> ParameterSet:
        """What may be searched by. Raises FhirError 503 while the search values of all rows are made anew, or where
        this process was cut off for so long that a custom parameter may have been dropped meanwhile.
        """
        parameters = self.server.parameters
        if parameters.unready is not None:
            raise outcome.INDEXING(parameters.unready)
        if parameters.searched.added and time.monotonic() > parameters.until:
            raise outcome.UNAVAILABLE("The server has just lost touch with its database. Try again shortly.")
        return parameters.searched


@dataclass(frozen=True, slots=True)
class Conditions:
    """The preconditions of one request, as sent: If-Match, If-None-Match, If-Modified-Since, If-None-Exist."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_none_exist: str | None = None


NO_CONDITIONS = Conditions()


class Answer(msgspec.Struct, frozen=True):
    """What an interaction answers, before the edge puts it on the wire.

    `body` is JSON as UTF-8; `reports` says that it is an OperationOutcome about the request, not a resource asked for.
    `location` is relative to the base (`Patient/p1/_history/1`). With a `media_type` the body is no FHIR JSON but that,
    as it stands; with a `stream` it is what that gives, of `length` bytes.
    """

    status: int
    body: bytes | None
    version: int | None = None
    updated: datetime | None = None
    location: str | None = None
    reports: bool = False
    media_type: str | None = None
    stream: AsyncIterator[bytes] | None = None
    length: int = 0
