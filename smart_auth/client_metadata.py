"""What may be registered of a client, whoever registers it: an app itself, an operator, or the seeds.

https://www.rfc-editor.org/rfc/rfc7591#section-2, https://www.rfc-editor.org/rfc/rfc9700#section-2
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from smart_auth import scopes
from smart_auth.access import ResourceScope
from smart_auth.asked_scopes import MOST_SCOPES
from smart_auth.client_assertions import public_key
from smart_auth.errors import OAuthError
from smart_auth.jwks_of_clients import MAX_KEYS
from smart_auth.records import Client
from smart_auth.redirect_uris import flaw_of_redirect_uri, flaw_of_web_address

AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")

# What a client that names no scope may ask people for: to read, never to write.
DEFAULT_SCOPE = "openid fhirUser profile launch launch/patient offline_access online_access patient/*.rs user/*.rs"
DEFAULT_SYSTEM_SCOPE = "system/*.rs"

MAX_REDIRECT_URIS = 50
MAX_SCOPE = 16_384
MAX_TEXT = 500

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


def invalid_metadata(text: str) -> OAuthError:
    """RFC 7591 section 3.2.2."""
    return OAuthError(400, "invalid_client_metadata", text)


def invalid_redirect_uri(text: str) -> OAuthError:
    """RFC 7591 section 3.2.2."""
    return OAuthError(400, "invalid_redirect_uri", text)


def checked(client: Client) -> Client:
    """The client as it is kept: unknown scopes dropped, refresh tokens allowed where its scope asks for them.

    Raises OAuthError invalid_client_metadata or invalid_redirect_uri, which says what to change.
    """
    _check_texts(client)
    _check_grants(client)
    _check_redirect_uris(client)
    _check_keys(client)
    _check_addresses(client)
    if len(client.scope) > MAX_SCOPE:
        raise invalid_metadata(f"The scope is longer than {MAX_SCOPE} characters.")
    known = [text for text in dict.fromkeys(client.scope.split()) if scopes.read_scope(text) is not None]
    if not known and client.scope:
        raise invalid_metadata("The scope has no scope that this server knows.")
    if len(known) > MOST_SCOPES:
        raise invalid_metadata(f"A client is registered for at most {MOST_SCOPES} scopes.")
    _check_levels(client, known)
    return msgspec.structs.replace(client, scope=" ".join(known), grant_types=_grant_types(client, known))


def _check_texts(client: Client) -> None:
    if not client.name.strip() or len(client.name) > MAX_TEXT or not client.name.isprintable():
        raise invalid_metadata(f"The client_name must be printable and of at most {MAX_TEXT} characters.")
    if len(client.contacts) > 20 or any(len(contact) > MAX_TEXT for contact in client.contacts):
        raise invalid_metadata("There may be 20 contacts of 500 characters.")


def _check_grants(client: Client) -> None:
    if client.auth_method not in AUTH_METHODS:
        raise invalid_metadata(f"The token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}.")
    if not client.grant_types and not client.may_introspect:
        raise invalid_metadata(f"The grant_types must be of {', '.join(GRANT_TYPES)}.")
    if any(grant_type not in GRANT_TYPES for grant_type in client.grant_types):
        raise invalid_metadata(f"The grant_types must be of {', '.join(GRANT_TYPES)}.")
    # SMART Backend Services: by a signed assertion alone.
    if "client_credentials" in client.grant_types and client.auth_method != "private_key_jwt":
        raise invalid_metadata("client_credentials goes with the token_endpoint_auth_method private_key_jwt.")


def _check_redirect_uris(client: Client) -> None:
    uses_browser = "authorization_code" in client.grant_types
    if uses_browser and not client.redirect_uris:
        raise invalid_redirect_uri("A client of the grant type authorization_code needs redirect_uris.")
    if len(client.redirect_uris) > MAX_REDIRECT_URIS:
        raise invalid_redirect_uri(f"There may be {MAX_REDIRECT_URIS} redirect_uris.")
    for uri in client.redirect_uris:
        if (flaw := flaw_of_redirect_uri(uri)) is not None:
            raise invalid_redirect_uri(f"A redirect_uri {flaw}.")


def _check_keys(client: Client) -> None:
    has_keys = client.jwks is not None or client.jwks_uri is not None
    if client.jwks is not None and client.jwks_uri is not None:
        # RFC 7591 section 2: they "MUST NOT both be present".
        raise invalid_metadata("Register either jwks or jwks_uri.")
    if client.auth_method == "private_key_jwt" and not has_keys:
        raise invalid_metadata("private_key_jwt needs jwks_uri or jwks.")
    if client.jwks is not None:
        _check_jwks(client.jwks)


def _check_jwks(jwks: dict[str, Any]) -> None:
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise invalid_metadata(f"The jwks must be an object with a list of 1 to {MAX_KEYS} keys.")
    if any(_PRIVATE & key.keys() for key in keys):
        raise invalid_metadata("The jwks holds a private key: register the public one, and make a new pair.")
    if any(not isinstance(key.get("kid"), str) or not key["kid"] for key in keys):
        raise invalid_metadata("Each key of the jwks needs a kid.")
    if not any(public_key(key) for key in keys):
        raise invalid_metadata("The jwks has no key for RS384 (RSA of 2048 bits or more) or ES384 (EC on P-384).")


def _check_addresses(client: Client) -> None:
    addresses = {
        "jwks_uri": client.jwks_uri,
        "initiate_login_uri": client.initiate_login_uri,
        "logo_uri": client.logo_uri,
        "client_uri": client.client_uri,
    }
    for name, address in addresses.items():
        if address is not None and (flaw := flaw_of_web_address(address)) is not None:
            raise invalid_metadata(f"The {name} {flaw}.")


def _check_levels(client: Client, known: Iterable[str]) -> None:
    levels = {scope.level for text in known if isinstance(scope := scopes.read_scope(text), ResourceScope)}
    if "system" in levels and "client_credentials" not in client.grant_types:
        raise invalid_metadata("system/ scopes go with the grant type client_credentials.")


def _grant_types(client: Client, known: Iterable[str]) -> tuple[str, ...]:
    wanted = set(client.grant_types)
    if "authorization_code" in wanted and {scopes.OFFLINE_ACCESS, scopes.ONLINE_ACCESS} & set(known):
        wanted.add("refresh_token")
    return tuple(grant_type for grant_type in GRANT_TYPES if grant_type in wanted)
