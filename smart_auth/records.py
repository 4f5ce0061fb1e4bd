"""What is remembered: clients, accounts, sessions, requests to authorize, codes, grants and refresh tokens.

Instants are seconds since 1970. Secrets stand here as hashes only.
"""

from typing import Any, Literal, TypeVar

import msgspec

from smart_auth.access import Acr, Kind, LogonLevel

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
PENDING_LOGINS = "pending_logins"
MAIL_LINKS = "mail_links"
OUTBOX = "outbox"
MAILBOX = "mailbox"
CARDS = "cards"
EXTERNAL_LOGINS = "external_logins"
PROVIDER_LOGINS = "provider_logins"
PERSONS = "persons"
REGISTRATIONS = "registrations"
REGISTRATION_FILES = "registration_files"
ENROLLED = "enrolled"
ENROLLED_BY_SSN = "enrolled_by_ssn"

AddedBy = Literal["command", "seed", "self", "registration", "card"]
Beneficiary = Literal["active-duty", "retiree", "dependent", "veteran"]


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

    `fhir_user` is relative (`Practitioner/p7`). `patients` are the holder's own Patient first, then those that an
    administrator gave by word; for whom a relative acts besides is found in the records (Authorization.patients_of).

    What belongs to its DS Logon: `password_hash` ("" where there is no password), `level`, `totp` (the sealed secret of
    one-time codes) with `totp_step` (the last step that was used), and `is_logon_active`: without it neither password
    nor PIV nor another provider lets anybody in. `person` is the keyed digest of the DoD ID. `conditions_consent` is
    `Consent/<id>` of the version that was accepted at `conditions_accepted_at`; None while no record can keep it.
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
    # An account from before there were levels was added by an administrator, who had seen who it is.
    level: LogonLevel = "level2"
    email: str | None = None
    email_verified_at: int | None = None
    totp: str | None = None
    totp_step: int = 0
    contact_verified_at: int | None = None
    conditions_version: str | None = None
    conditions_consent: str | None = None
    conditions_accepted_at: int | None = None
    person: str | None = None
    is_logon_active: bool = True
    added_by: AddedBy = "command"


class Session(Record, frozen=True, kw_only=True):
    """A browser that is signed in; `id` is the SHA-256 of the cookie's value. `csrf` is the secret its forms repeat.

    `acr` is how sure it is who signed in, `amr` by what (RFC 8176: `pwd`, `otp`, `mfa`, `sc`, `fed`). What a CAC opened
    (`by_cac`) outlasts the DS Logon.
    """

    account: str
    csrf: str
    signed_in_at: int
    last_seen_at: int
    acr: Acr = "level1"
    amr: tuple[str, ...] = ()
    by_cac: bool = False


class AuthorizationRequest(Record, frozen=True, kw_only=True):
    """An authorize request that passed its checks and waits for login, picker and consent.

    `scopes` are as asked for and possible for the client. `launch` is the EHR launch's id where there was one. `acr` is
    the least that the app asks of the sign-in.
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
    acr: Acr | None = None
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
    `acr` and `amr` are those of the sign-in.
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
    acr: Acr = "level1"
    amr: tuple[str, ...] = ()
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


class PendingLogin(Record, frozen=True, kw_only=True):
    """Somebody whose password was right and who owes a one-time code; `id` is the SHA-256 of the cookie's value.

    `request` is that of the app they came from, `next` where they go without one. `attempts` are wrong codes.
    """

    account: str
    request: str | None
    next: str
    attempts: int = 0
    created_at: int = 0


class MailLink(Record, frozen=True, kw_only=True):
    """A link that was sent by mail; `id` is the SHA-256 of its token.

    `subject` is whom it is about (an account's id, or what the purpose names); `sealed` is what has to be read back.
    """

    purpose: str
    subject: str
    sealed: str | None
    expires_at: int


class Mailed(Record, frozen=True, kw_only=True):
    """A mail that waits to be sent; `sealed` holds its subject and text. One worker at a time has it claimed."""

    to: str
    sealed: str
    created_at: int
    claimed_until: int | None
    attempts: int = 0


class MailboxEntry(Record, frozen=True, kw_only=True):
    """A mail of the demo, which nobody sends."""

    to: str
    subject: str
    text: str
    sent_at: int


class CardBinding(Record, frozen=True, kw_only=True):
    """A card that signs somebody in; `id` is the card's key, which survives its re-issue."""

    account: str
    kind: Literal["cac", "piv"]
    registered_at: int
    last_used_at: int


class ExternalLogin(Record, frozen=True, kw_only=True):
    """The login of another provider that signs somebody in; `id` is the SHA-256 of `issuer|sub`."""

    provider: str
    account: str
    linked_at: int


class ProviderLogin(Record, frozen=True, kw_only=True):
    """A sign-in that is under way at another provider; `id` is the SHA-256 of its state. `browser`: whose cookie."""

    provider: str
    nonce: str
    verifier: str
    request: str | None
    next: str
    browser: str


class PersonClaim(Record, frozen=True, kw_only=True):
    """The one account of a real person; `id` is the keyed digest of the DoD ID."""

    account: str
    claimed_at: int


class Registration(Record, frozen=True, kw_only=True):
    """What of a registration may not stand in the health record.

    `task` is `Task/<id>` of the record; `sealed` is what a decision still needs, gone after it; `sponsor` is the
    account that began it for a dependent. `status` is the Task's, as far as it is known here; before there is one,
    `on-hold` says that what was typed differs from the registry. `entered_at` is when all of it stood in the record,
    `held_at` since when it is on hold.
    """

    beneficiary: Beneficiary
    task: str | None
    account: str | None
    username: str
    login: str
    password_hash: str
    email: str
    sealed: str | None
    sponsor: str | None
    status: str
    created_at: int
    decided_at: int | None
    entered_at: int | None = None
    held_at: int | None = None


Kept = TypeVar("Kept", bound=Record)


def kept(record: Record) -> dict[str, Any]:
    """The document of a record."""
    document: dict[str, Any] = msgspec.to_builtins(record)
    del document["id"]
    return document


def read(kind: type[Kept], document: dict[str, Any]) -> Kept:
    """The record of a document."""
    return msgspec.convert(document, kind)
