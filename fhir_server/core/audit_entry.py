"""What is kept of one access, refusal or event of sign-in: a compact entry, from which AuditEvents are drawn.

https://hl7.org/fhir/R4/auditevent.html, https://profiles.ihe.net/ITI/BALP/
"""

from typing import Literal

import msgspec

EntryKind = Literal["rest", "sign-in", "alert", "chain", "export"]
"""An access or refusal of the RESTful API, an event of the authorization server, a burst of refusals, the first row of
a chain, and the export of a record.
"""


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One access by one caller. Every field but `at` may be unknown; none is ever `null`.

    `at` is in ms since 1970 UTC. `subject` is the account or client that asked, `role` its kind, `fhir_user` relative
    (`Practitioner/p7`), `agency` a URI, `purposes` codes of v3-PurposeOfUse, `token` the id of the access token,
    `address` that of the client. `patients` are the ids of those whose records these were. `places` are what was read
    or written (`Observation/o1`). `interaction` is R4's code, the kind of an event of sign-in, or the code of the
    operation that exports. `status` is that of
    HTTP, `number` that of the outcome. `cited` are the heads of other chains, `count` the refusals of a burst.

    Later versions may add fields with defaults, never change or drop one: hashes are made of all that are set.
    """

    at: int
    kind: EntryKind = "rest"
    subject: str = ""
    client: str = ""
    role: str = ""
    fhir_user: str = ""
    agency: str = ""
    purposes: tuple[str, ...] = ()
    emergency: bool = False
    token: str = ""
    address: str = ""
    interaction: str = ""
    action: str = ""
    type: str = ""
    places: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    query: str = ""
    status: int = 0
    number: int = 0
    request_id: str = ""
    text: str = ""
    count: int = 0
    cited: tuple[tuple[str, int, bytes], ...] = ()

    @property
    def outcome(self) -> str:
        """R4's code: 0 for success, 4 for what the caller did wrong, 8 for a failure of the server."""
        if self.status >= 500:
            return "8"
        return "4" if self.status >= 400 else "0"

    @property
    def is_search(self) -> bool:
        """Whether `places` are what a search or an export showed, not what was asked for by id."""
        return self.interaction.startswith("search") or self.kind == "export"


def search_keys(entry: AuditEntry) -> tuple[str, ...]:
    """What an entry is found by besides its moment: whom it concerns, who asked, by which request, what was named, and
    whether it is anything but an ordinary success.

    What a search showed is not among them: a page of 50 would cost 50 index keys, and is found by its patients.
    """
    keys = dict.fromkeys(patient_key(id) for id in entry.patients)
    if entry.fhir_user:
        keys[agent_key(entry.fhir_user)] = None
    if entry.client:
        keys[identifier_key("client", entry.client)] = None
    if entry.subject:
        keys[identifier_key("subject", entry.subject)] = None
    if entry.request_id:
        keys[identifier_key("request", entry.request_id)] = None
    if not entry.is_search:
        keys.update(dict.fromkeys(entity_key(unversioned(place)) for place in entry.places))
    if entry.outcome != "0":
        keys[f"o|{entry.outcome}"] = None
    if entry.kind != "rest":
        keys[f"k|{entry.kind}"] = None
    return tuple(keys)


def patient_key(id: str) -> str:
    """The key of the entries that concern a patient."""
    return f"p|{id}"


def agent_key(place: str) -> str:
    """The key of what a person (`Practitioner/p7`) did."""
    return f"a|{place}"


def entity_key(place: str) -> str:
    """The key of what was done to a resource (`Observation/o1`)."""
    return f"e|{place}"


def identifier_key(what: Literal["client", "subject", "request"], value: str) -> str:
    """The key of what a client or an account did, or of one request."""
    return f"{what}|{value}"


def unversioned(place: str) -> str:
    """`Observation/o1` of `Observation/o1/_history/2`."""
    return place.partition("/_history/")[0]
