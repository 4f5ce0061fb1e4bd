"""Every setting of the server: typed, from an environment variable `FHIR_...` or a command-line option."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SIMILAR = 0.88
"""FHIR_MONGODB_URL is 0.94 like FHIR_MONGODB_URI; what Kubernetes sets for a service called fhir is 0.7 at most."""

CARD_ACTIONS = ("emergency", "orders", "administration")
"""What may ask for a card: breaking the glass, a practitioner's orders, whatever an administrator does."""

FEWEST_SECRET_CHARACTERS = 32

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Read once at start. docs/settings.md is generated from the fields below."""

    model_config = SettingsConfigDict(env_prefix="FHIR_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes. All share one database.")
    auth: Literal["off", "smart"] = Field(
        "smart",
        description="Who may come in. `smart`: whoever signs in, and apps with what was granted to them (SMART on "
        "FHIR). `off` lets everyone see and change everything: loopback only, and only where no proxy is configured.",
    )
    base_url: str | None = Field(
        None,
        description="The FHIR base as clients write it, e.g. `https://fhir.example.org/fhir`. Unset: "
        "`http://HOST:PORT/fhir` as the request names the host.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of reverse proxies in front of the server, as a JSON list."
    )
    data_dir: Path = Field(
        Path(".data"), description="Folder of the embedded MongoDB. Used only where `FHIR_MONGODB_URI` is unset."
    )
    mongodb_uri: SecretStr | None = Field(
        None,
        description="A MongoDB 6 or newer replica set, by its name (`replicaSet=`). Unset: a private embedded one is "
        "started in the data folder.",
    )
    mongodb_database: str = Field("fhir", min_length=1, max_length=38, description="Name of the database.")
    mongodb_driver: Literal["pymongo", "motor"] = Field(
        "pymongo", description="Which asynchronous driver speaks to MongoDB."
    )
    mongod: Path | None = Field(
        None,
        description="The mongod binary of the embedded MongoDB. Unset: the one on PATH, else the `embedded` extra's.",
    )
    demo: bool = Field(
        False,
        description="Whether `serve` loads the demo population into a database that has no resource at all. One with "
        "content is left alone.",
    )
    max_body_bytes: int = Field(
        16 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Largest request body in bytes; a larger one is a 413.",
    )
    search_seconds: float = Field(
        10.0, gt=0, le=300, description="A search whose queries together take longer is given up with a 503."
    )
    cursor_hours: float = Field(24.0, gt=0, le=720, description="How long a page link stays valid.")
    custodian: str | None = Field(
        None,
        description="URI of the organisation whose records are written here. Stamped as `meta.source` where a resource "
        "has none, and searchable by `_source`.",
    )
    key_encryption_key_file: Path | None = Field(
        None,
        description="A file of at least 32 random bytes, the same for all workers, under which the keys that sign "
        "tokens are sealed in the database. Unset: they lie there as they are.",
    )
    master_key_file: Path | None = Field(
        None,
        description="A file of 96 random bytes, the same for all workers, under which the keys of messages and files "
        "are sealed in the database. Unset: `master.key` in `FHIR_DATA_DIR`, made where there is none. Without it "
        "nobody can read them again: keep a copy in another place than the database's.",
    )
    kms_provider: Literal["aws", "azure", "gcp", "kmip"] | None = Field(
        None, description="The key management service that holds the master key, in place of a file."
    )
    kms_credentials: SecretStr | None = Field(
        None,
        description="What MongoDB's ClientEncryption needs to speak with it, as JSON: "
        '`{"accessKeyId": "...", "secretAccessKey": "..."}` of `aws`.',
    )
    kms_master_key: dict[str, Any] | None = Field(
        None, description='Which of its keys, as JSON: `{"region": "us-gov-west-1", "key": "arn:..."}` of `aws`.'
    )
    kms_ca_file: Path | None = Field(
        None, description="PEM file of the authority of its TLS certificate. Unset: those that the system trusts."
    )
    kms_certificate_file: Path | None = Field(
        None, description="PEM file of the certificate and key by which this server is known to it, as `kmip` asks."
    )
    scan_command: tuple[str, ...] = Field(
        (),
        description="A program that looks at each file that people attach, as a JSON list: it gets the file on its "
        "standard input and ends with 0 where it may be taken, with 1 where not. Unset: files are not scanned.",
    )
    metrics_dir: Path | None = Field(
        None,
        description="An existing folder where several workers keep the counts of `GET /metrics`. Unset: `serve` makes "
        "a temporary one.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="How the log on standard error is written: a JSON object a line, or for people. `auto` is "
        "`console` on a terminal, else `json`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least of what is logged. Requests are `info`, those answered by 500 or more `warning`."
    )
    otel_endpoint: str | None = Field(
        None,
        description="Where spans are sent by OTLP over HTTP, e.g. `http://127.0.0.1:4318`; needs the extra `otel`. "
        "OpenTelemetry's own variable `OTEL_EXPORTER_OTLP_ENDPOINT` does the same.",
    )
    care_relation_days: int = Field(
        365,
        ge=1,
        le=36_500,
        description="For how long an encounter, appointment or order at an organisation relates its clinicians to the "
        "patient.",
    )
    security_alert_refusals: int = Field(
        20,
        ge=1,
        description="So many refusals of one client or person within `FHIR_SECURITY_ALERT_SECONDS` raise a "
        "security event in the audit log.",
    )
    security_alert_seconds: int = Field(60, ge=1, le=86_400, description="See `FHIR_SECURITY_ALERT_REFUSALS`.")
    registration: Literal["auto", "open", "invited"] = Field(
        "auto",
        description="Who may register an app (RFC 7591). `open`: everyone; `invited`: who has an initial access token "
        "of `fhir-server client invite`; `auto`: `open` on loopback where no proxy is configured, else `invited`. A "
        "system registers itself only there; elsewhere `fhir-server client add --system` does it.",
    )
    access_token_seconds: int = Field(1800, ge=60, le=86_400, description="How long an access token of a person lives.")
    system_access_token_seconds: int = Field(
        900, ge=60, le=86_400, description="How long an access token of a system client lives."
    )
    id_token_seconds: int = Field(3600, ge=60, le=86_400, description="How long an id_token is valid.")
    code_seconds: int = Field(60, ge=5, le=600, description="How long an authorization code may wait.")
    refresh_token_days: int = Field(
        100, ge=1, le=3650, description="How long a refresh token lives; each use gives as many days again."
    )
    refresh_grace_seconds: int = Field(
        60, ge=0, le=3600, description="For how long a used refresh token may be sent again, as after a lost answer."
    )
    session_idle_minutes: int = Field(60, ge=1, le=1440, description="A browser is signed out after so long unused.")
    session_hours: int = Field(12, ge=1, le=720, description="A browser is signed out after so long in any case.")
    card_hours: int = Field(
        12, ge=1, le=720, description="What asks for a card asks for it anew so long after it was used."
    )
    request_minutes: int = Field(15, ge=1, le=120, description="How long signing in and consenting may take.")
    launch_minutes: int = Field(5, ge=1, le=60, description="How long a launch from the EHR page may wait for its app.")
    assertion_seconds: int = Field(
        300, ge=30, le=3600, description="How far ahead a client's signed assertion may expire."
    )
    assertion_skew_seconds: int = Field(
        5, ge=0, le=60, description="By how much the clock of a client that signs may differ."
    )
    jwks_cache_seconds: int = Field(
        300, ge=1, le=86_400, description="For how long a client's fetched keys are used where it does not say."
    )
    jwks_cache_floor_seconds: int = Field(10, ge=1, le=3600, description="The least of what a client may say there.")
    jwks_cache_ceiling_seconds: int = Field(3600, ge=1, le=86_400, description="The most of what it may say.")
    registrations_per_minute: int = Field(100, ge=1, description="Registrations of apps from one address in a minute.")
    logins_per_minute: int = Field(
        1000, ge=1, description="Attempts to sign in, or requests that need no token, from one address in a minute."
    )
    failed_logins: int = Field(
        5, ge=1, description="A login name is refused for a while after so many failures, whether or not it exists."
    )
    failed_login_minutes: int = Field(15, ge=1, le=1440, description="Within how long, and for how long.")
    token_requests_per_minute: int = Field(6000, ge=1, description="Requests of one client to the token endpoint.")
    fhir_requests_per_minute: int = Field(60_000, ge=1, description="FHIR requests of one client; above that a 429.")
    pending_login_minutes: int = Field(5, ge=1, le=60, description="How long a one-time code may be waited for.")
    password_policy: Literal["nist", "composition"] = Field(
        "nist",
        description="What a new password must be. `nist` (SP 800-63B): long and on no list of known ones; "
        "`composition`: at least 8 characters with upper and lower case, digit and special character.",
    )
    password_characters_min: int = Field(15, ge=8, le=64, description="The least length under `nist`.")
    password_blocklist: Path | None = Field(
        None, description="A file of more passwords that nobody may choose, one a line. A short list is built in."
    )
    password_reset_minutes: int = Field(
        30, ge=5, le=1440, description="How long a link to choose a new password is good."
    )
    email_link_hours: int = Field(24, ge=1, le=168, description="How long a link that confirms an address is good.")
    invitation_days: int = Field(14, ge=1, le=90, description="How long a relative's invitation is good.")
    registration_hold_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="After so many days on hold a registration is cancelled, and what is sealed erased.",
    )
    mails_per_hour: int = Field(5, ge=1, description="Mails of one kind to one recipient in an hour.")
    mail_url: SecretStr | None = Field(
        None,
        description="Where mail is handed in: `smtp://[user:password@]host:port[?starttls=required|auto|off]` or "
        "`smtps://...`. Unset on loopback without a proxy: mails are shown on a page of the demo. Unset elsewhere: no "
        "mail is sent, and the pages that need it name the help desk.",
    )
    mail_from: str = Field("no-reply@localhost", description="The sender's address of all mail.")
    help_desk: str = Field(
        "Global Service Center, 1-800-600-9332",
        min_length=1,
        max_length=200,
        description="Who helps; named with every refusal.",
    )
    contact_verification_days: int = Field(
        180, ge=0, le=3650, description="After so many days a patient is asked for contact data again; 0: never asked."
    )
    conditions_version: str = Field(
        "3", max_length=40, description="The conditions of use that everybody must have accepted. Empty: none asked."
    )
    conditions_text: Path | None = Field(
        None, description="A file with the text of those conditions, as plain text. Unset: that of the demo."
    )
    beneficiary_registrations_per_minute: int = Field(
        30, ge=1, description="Registrations of beneficiaries from one address in a minute."
    )
    proof_bytes_max: int = Field(
        5_242_880, ge=1024, le=16_777_216, description="Largest file that proves a status or relationship, in bytes."
    )
    provider_login_minutes: int = Field(10, ge=1, le=60, description="How long a sign-in at another provider may take.")
    providers: tuple[dict[str, Any], ...] = Field(
        (),
        description="Other OpenID providers by which people sign in, as a JSON list (docs/people/providers.md).",
    )
    step_up: Literal["auto", "card", "off"] = Field(
        "auto",
        description="Whether breaking the glass, a practitioner's orders and whatever an administrator does ask for a "
        "CAC or PIV card. `auto`: where `FHIR_CARD_ANCHORS` is set.",
    )
    card_anchors: Path | None = Field(
        None, description="A PEM bundle of root certificates that cards are trusted by. Unset: no card is read."
    )
    card_intermediates: Path | None = Field(
        None, description="A PEM bundle of the certificates between those roots and the cards."
    )
    card_crls: tuple[Path, ...] = Field((), description="Files of revocation lists, as a JSON list; read when changed.")
    card_policies: tuple[str, ...] = Field(
        (
            "2.16.840.1.101.3.2.1.3.7",
            "2.16.840.1.101.3.2.1.3.13",
            "2.16.840.1.101.2.1.11.42",
            "2.16.840.1.101.2.1.11.43",
            "2.16.840.1.101.2.1.11.44",
        ),
        description="Certificate policies of which a card names at least one, as a JSON list.",
    )
    card_revocation: Literal["crl", "ocsp", "ocsp-else-crl"] = Field(
        "crl", description="How it is known whether a card was revoked. Where that cannot be known it is refused."
    )
    card_ocsp_url: str | None = Field(None, description="The OCSP responder. Unset: that which the certificate names.")
    card_header: str = Field(
        "X-Client-Cert",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The header in which a trusted proxy passes the certificate, URL-encoded PEM.",
    )
    card_proxy_secret: SecretStr | None = Field(
        None, description="At least 32 characters that the proxy sends with it, in `X-Client-Cert-Secret`."
    )
    registry_url: str | None = Field(
        None, description="The eligibility registry. Unset: an embedded one, which the demo fills."
    )
    registry_token: SecretStr | None = Field(None, description="The bearer token for it.")
    proxy_limited_years: int = Field(
        13, ge=0, le=130, description="From this age on a parent does not see what is labelled as sensitive."
    )
    proxy_adult_years: int = Field(
        18, ge=0, le=130, description="From this age on nobody acts for a person but by that person's own consent."
    )
    second_check: Literal["core", "off"] = Field(
        "core", description="Whether resources of the six core types are also checked by the models of fhir.resources."
    )

    @field_validator("otel_endpoint")
    @classmethod
    def _endpoint_is_absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @field_validator("base_url")
    @classmethod
    def _base_is_absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _ages_are_in_order(self) -> "Settings":
        if self.proxy_limited_years > self.proxy_adult_years:
            raise ValueError("FHIR_PROXY_LIMITED_YEARS must not be above FHIR_PROXY_ADULT_YEARS")
        return self

    @property
    def card_for(self) -> tuple[str, ...]:
        """The actions that ask for a card."""
        asks = self.step_up == "card" or (self.step_up == "auto" and self.card_anchors is not None)
        return CARD_ACTIONS if asks else ()

    @property
    def shows_mailbox(self) -> bool:
        """Whether mails are shown on a page in place of being sent: on one's own machine alone."""
        return self.serves_loopback_only and not self.has_proxy and self.mail_url is None

    @property
    def serves_loopback_only(self) -> bool:
        """Whether nothing but this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def has_proxy(self) -> bool:
        """Whether requests come from elsewhere, by way of a proxy on this machine or beside it."""
        return bool(self.trusted_proxies) or (self.base_url is not None and not _is_on_loopback(self.base_url))

    @property
    def registers_everyone(self) -> bool:
        """Whether an app may register without having been invited."""
        return self.registers_systems if self.registration == "auto" else self.registration == "open"

    @property
    def registers_systems(self) -> bool:
        """Whether systems register themselves too: what they are granted nobody is asked for, so on one's own machine
        alone.
        """
        return self.serves_loopback_only and not self.has_proxy


def misspelt(variables: Iterable[str]) -> str | None:
    """What to say of an environment variable that is nearly the name of a setting; None where none is.

    A server that took no notice would run on another database than the one that was meant.
    """
    names = {f"FHIR_{name.upper()}" for name in Settings.model_fields}
    for variable in sorted(variables):
        if variable.startswith("FHIR_") and not variable.startswith("FHIR_TEST_") and variable not in names:
            meant = get_close_matches(variable, names, 1, _SIMILAR)
            if meant:
                return f"{variable} is no setting. Rename it to {meant[0]}, or unset it; docs/settings.md lists all."
    return None


def _is_on_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def auth_refusal(settings: Settings) -> str | None:
    """Why the server must not start with these settings of access control, with the remedy; None where it may."""
    return _refusal_of_smart(settings) if settings.auth == "smart" else _refusal_of_off(settings)


def _refusal_of_smart(settings: Settings) -> str | None:
    base = settings.base_url
    if base is not None and base.startswith("http://") and not _is_on_loopback(base):
        return "FHIR_BASE_URL must begin with https://: over http passwords and tokens can be read on the way."
    if base is None and not settings.serves_loopback_only:
        return (
            f"On {settings.host} sign-in needs TLS: put a proxy that speaks it in front and set FHIR_BASE_URL to the "
            "https address clients use, or listen with --host 127.0.0.1."
        )
    return _refusal_of_cards(settings) or _refusal_of_registry(settings) or _refusal_of_mail(settings)


def _refusal_of_cards(settings: Settings) -> str | None:
    if settings.card_anchors is None:
        if settings.step_up == "card":
            return "FHIR_STEP_UP=card asks for a card that nobody can show: set FHIR_CARD_ANCHORS, or FHIR_STEP_UP=off."
        return None
    if not settings.trusted_proxies:
        return (
            "FHIR_CARD_ANCHORS needs FHIR_TRUSTED_PROXIES: only a proxy that speaks TLS with the card reader can say "
            "which certificate it saw."
        )
    secret = settings.card_proxy_secret
    if secret is None or len(secret.get_secret_value()) < FEWEST_SECRET_CHARACTERS:
        return (
            f"FHIR_CARD_ANCHORS needs FHIR_CARD_PROXY_SECRET, at least {FEWEST_SECRET_CHARACTERS} characters that the "
            "proxy sends as X-Client-Cert-Secret: else every program on its machine could make up a certificate."
        )
    return None


def _refusal_of_registry(settings: Settings) -> str | None:
    url = settings.registry_url
    if url is None:
        return None
    if not url.startswith(("https://", "http://")):
        return "FHIR_REGISTRY_URL must begin with https://."
    if url.startswith("http://") and not _is_on_loopback(url):
        return "FHIR_REGISTRY_URL must begin with https://: over http everybody on the way reads who is asked about."
    return None


def _refusal_of_mail(settings: Settings) -> str | None:
    if settings.mail_url is None:
        return None
    parts = urlsplit(settings.mail_url.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        return "FHIR_MAIL_URL must be smtp://HOST:PORT or smtps://HOST:PORT."
    starttls = parse_qs(parts.query).get("starttls", ["required"])
    if len(starttls) != 1 or starttls[0] not in ("required", "auto", "off"):
        return "The starttls of FHIR_MAIL_URL must be required, auto or off."
    if parts.scheme == "smtp" and starttls[0] != "required" and parts.hostname not in LOOPBACK:
        return (
            "FHIR_MAIL_URL must be smtps://..., or smtp://... with starttls=required: without TLS the links in mails "
            "can be read on the way."
        )
    return None


def _refusal_of_off(settings: Settings) -> str | None:
    if not settings.serves_loopback_only:
        return (
            f"--auth off is refused on {settings.host}: it would show every record to the network. "
            "Use --host 127.0.0.1, or --auth smart."
        )
    if settings.trusted_proxies:
        return "--auth off is refused where a proxy is configured: unset FHIR_TRUSTED_PROXIES, or use --auth smart."
    if settings.base_url is not None and settings.base_url.startswith("https://"):
        return "--auth off is refused where the FHIR base is public: unset FHIR_BASE_URL, or use --auth smart."
    return None
