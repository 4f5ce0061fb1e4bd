"""Who can sign in to a server with the demo population, and by which apps: read from users.json and clients.json.

Their passwords, secrets and keys stand here for everybody to read, and protect nothing but invented records.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from seeds import ids
from seeds.families import MEMBERS

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class User:
    """A person. `patients` is the id of their own Patient; for whom they act besides stands in the records. `shows`
    says what to see with it; `totp_secret` is what one-time codes are made of (base32), where they are asked for one.
    """

    username: str
    password: str
    kind: Literal["patient", "practitioner", "officer", "admin"]
    name: str
    shows: str
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    agency: str | None = None
    level: Literal["level1", "level2"] = "level2"
    totp_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """An app, in the words of RFC 7591 section 2. The private key of one with a `jwks` stands in demo_keys.json."""

    client_id: str
    client_name: str
    shows: str
    token_endpoint_auth_method: str
    scope: str
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    client_secret: str | None = None
    initiate_login_uri: str | None = None
    jwks: dict[str, Any] | None = field(default=None, hash=False)
    agency: str | None = None
    purposes: tuple[str, ...] = ()
    may_see_ssn: bool = False
    may_introspect: bool = False


@cache
def users() -> tuple[User, ...]:
    """Everybody who can sign in."""
    return tuple(User(**_with_tuples(each)) for each in _read("users.json"))


@cache
def clients() -> tuple[Client, ...]:
    """Every app."""
    return tuple(Client(**_with_tuples(each)) for each in _read("clients.json"))


def private_key(client_id: str) -> dict[str, Any]:
    """The private key (a JWK) of an app that signs. Raises KeyError for one that does not."""
    keys = {each["kid"]: each for each in _read("demo_keys.json")["keys"]}
    found: dict[str, Any] = keys[client_id]
    return found


def dod_id(patient: str) -> str | None:
    """The DoD ID number of a designed person by the id of their Patient; None for anybody else."""
    return _dod_ids().get(patient)


@cache
def _dod_ids() -> dict[str, str]:
    return {member.person.key: ids.dod_id(member.person.number) for member in MEMBERS}


def _read(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _with_tuples(each: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in each.items()}
