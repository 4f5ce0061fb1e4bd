"""Every setting of the server: typed, from an environment variable `FHIR_...` or a command-line option."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SIMILAR = 0.88
"""FHIR_MONGODB_URL is 0.94 like FHIR_MONGODB_URI; what Kubernetes sets for a service called fhir is 0.7 at most."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Read once at start. docs/settings.md is generated from the fields below."""

    model_config = SettingsConfigDict(env_prefix="FHIR_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes. All share one database.")
    auth: Literal["off", "smart"] | None = Field(
        None,
        description="Who may come in. `off` lets everyone see and change everything: loopback only, and only where "
        "no proxy is configured. Must be said.",
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
        description="A MongoDB 6 or newer replica set. Unset: a private embedded one is started in the data folder.",
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

    @property
    def serves_loopback_only(self) -> bool:
        """Whether nothing but this machine can reach the server."""
        return self.host in LOOPBACK


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


def auth_refusal(settings: Settings) -> str | None:
    """Why the server must not start with these settings of access control, with the remedy; None where it may."""
    if settings.auth is None:
        return (
            "Say who may come in: --auth off (or FHIR_AUTH=off) serves everyone who can reach 127.0.0.1 without asking "
            "who they are. SMART on FHIR (--auth smart) is not part of this version yet."
        )
    if settings.auth == "smart":
        return "--auth smart is not part of this version yet; use --auth off on 127.0.0.1."
    if not settings.serves_loopback_only:
        return (
            f"--auth off is refused on {settings.host}: it would show every record to the network. "
            "Use --host 127.0.0.1."
        )
    if settings.trusted_proxies:
        return "--auth off is refused where a proxy is configured: unset FHIR_TRUSTED_PROXIES."
    if settings.base_url is not None and settings.base_url.startswith("https://"):
        return "--auth off is refused where the FHIR base is public: unset FHIR_BASE_URL."
    return None
