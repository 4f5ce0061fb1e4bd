"""What is remembered: clients, accounts, sessions, requests to authorize, codes, grants and refresh tokens.

Instants are seconds since 1970. Secrets stand here as hashes only.
"""

from typing import Any, TypeVar

import msgspec

from smart_auth.access import Kind

CLIENTS = "clients"
ACCOUNTS = "accounts"
SESSIONS = "sessions"
REQUESTS = "requests"
LAUNCHES = "launches"
CODES = "codes"
GRANTS = "grants"
REFRESH_TOKENS = "refresh_tokens"
REVOCATIONS = "revocations"
SIGNING_KEYS = "signing_keys"
SEEN_ASSERTIONS = "seen_assertions"
COUNTERS = "counters"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Something kept under its id."""

    id: str


class Client(Record, frozen=True, kw_only=True):
    """A registered client (RFC 7591 section 2 names the fields).

    `scope` is the most it may ever be granted. A public one has neither secret nor keys. `agency` and `purposes` are
    those of a system client; `may_see_ssn` is given by an administrator alone. `secret_hash` is the SHA-256 of a secret
    of our own making (256 random bits), in hexadecimal. `registered_by` is `dynamic`, `command` or `seed`.
    """

    name: str
    scope: str
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    auth_method: str = "none"  # none, client_secret_basic, client_secret_post, private_key_jwt
    secret_hash: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    initiate_login_uri: str | None = None
    logo_uri: str | None = None
    client_uri: str | None = None
    contacts: tuple[str, ...] = ()
    agency: str | None = None
    purposes: tuple[str, ...] = ()
    may_see_ssn: bool = False
    may_introspect: bool = False
    is_disabled: bool = False
    registered_by: str = "dynamic"
    registered_at: int = 0
    management_token_hash: str | None = None


class Account(Record, frozen=True, kw_only=True):
    """A person who can sign in. `username` is as typed, `id` its own; names are compared case-folded in `login`.

    `fhir_user` is relative (`Practitioner/p7`). `patients` are the Patients it may act for, its own first.
    """

    username: str
    login: str
    password_hash: str
    kind: Kind
    name: str = ""
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    agency: str | None = None
    is_disabled: bool = False


class Session(Record, frozen=True, kw_only=True):
    """A browser that is signed in; `id` is the SHA-256 of the cookie's value. `csrf` is the secret its forms repeat."""

    account: str
    csrf: str
    signed_in_at: int
    last_seen_at: int


class AuthorizationRequest(Record, frozen=True, kw_only=True):
    """An authorize request that passed its checks and waits for login, picker and consent.

    `scopes` are as asked for and possible for the client. `launch` is the EHR launch's id where there was one.
    """

    client_id: str
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    base: str
    code_challenge: str
    nonce: str | None = None
    launch: str | None = None
    prompt: str | None = None
    max_age: int | None = None
    account: str | None = None
    patient: str | None = None
    created_at: int = 0


class Launch(Record, frozen=True, kw_only=True):
    """What an EHR launch passes on (https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#ehr-launch)."""

    client_id: str
    account: str
    patient: str | None = None
    encounter: str | None = None
    intent: str | None = None
    fhir_context: tuple[dict[str, Any], ...] = ()
    need_patient_banner: bool = False
    emergency_reason: str | None = None
    created_at: int = 0


class Grant(Record, frozen=True, kw_only=True):
    """What a person (or for a system client the operator) let a client do; tokens name it, revoking it ends them all.

    `account` is None for a system client. `scopes` are the granted ones as the token response repeats them.
    `offline` says that refresh tokens outlive the session (`offline_access`); `session` ties the others to it.
    """

    client_id: str
    account: str | None
    scopes: tuple[str, ...]
    base: str
    patient: str | None = None
    encounter: str | None = None
    launch: str | None = None
    intent: str | None = None
    fhir_context: tuple[dict[str, Any], ...] = ()
    need_patient_banner: bool | None = None
    emergency: bool = False
    nonce: str | None = None
    auth_time: int = 0
    offline: bool = False
    session: str | None = None
    created_at: int = 0
    expires_at: int = 0
    revoked_at: int | None = None


class Code(Record, frozen=True, kw_only=True):
    """An authorization code; `id` is its SHA-256. `used_at` is set by the one exchange that wins."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    grant: str
    expires_at: int
    used_at: int | None = None


class RefreshToken(Record, frozen=True, kw_only=True):
    """A refresh token; `id` is its SHA-256. `successor` is the one that took its place when it was used."""

    grant: str
    client_id: str
    issued_at: int
    expires_at: int
    used_at: int | None = None
    successor: str | None = None


Kept = TypeVar("Kept", bound=Record)


def kept(record: Record) -> dict[str, Any]:
    """The document of a record."""
    document: dict[str, Any] = msgspec.to_builtins(record)
    del document["id"]
    return document


def read(kind: type[Kept], document: dict[str, Any]) -> Kept:
    """The record of a document."""
    return msgspec.convert(document, kind)
