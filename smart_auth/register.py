"""POST /auth/register: an app registers itself, and reads, changes and removes what it registered.

https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc7592
"""

import hmac
import re
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from smart_auth.authorization import Authorization
from smart_auth.client_metadata import DEFAULT_SCOPE, DEFAULT_SYSTEM_SCOPE, checked, invalid_metadata
from smart_auth.clients import NewClient
from smart_auth.drawing import answer, empty
from smart_auth.endpoints import endpoint
from smart_auth.errors import OAuthError
from smart_auth.form import media_type, read_body
from smart_auth.random_secrets import digest, new_id
from smart_auth.records import Client

MAX_BYTES = 65_536

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)

Texts = Annotated[tuple[str, ...], msgspec.Meta(max_length=100)]


class Registration(msgspec.Struct, frozen=True):
    """The client metadata that counts here (RFC 7591 section 2); any other is left out of the answer.

    Whose agency a client is, and whether it may see SSNs or introspect, only an operator says.
    """

    redirect_uris: Texts = ()
    client_name: str | None = None
    scope: str | None = None
    grant_types: Texts = ("authorization_code",)
    response_types: Texts | None = None
    token_endpoint_auth_method: str = "client_secret_basic"
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    initiate_login_uri: str | None = None
    logo_uri: str | None = None
    client_uri: str | None = None
    contacts: Texts = ()
    client_id: str | None = None


async def register(authorization: Authorization, request: Request) -> Response:
    """A new client: 201 with its id and secrets. Raises OAuthError.

    Open where the settings say so; elsewhere an initial access token is spent (RFC 7591 section 3).
    """
    address = request.client.host if request.client else ""
    await authorization.limits.take("register", address, authorization.settings.registrations_per_minute)
    token = None if authorization.settings.open_registration else _bearer(request)
    client = _client(await _read(request), Client(id=new_id(), name="", scope=""))
    _check_may_register(authorization, request, client)
    # Spent last, so that a mistake in the metadata does not cost it.
    if token is not None and not await authorization.clients.spend_invitation(token):
        raise _unauthorized("The initial access token is not known, was used or has expired.")
    made = await authorization.clients.add(client, is_self_managed=True)
    await authorization.note("register", made.client.auth_method, client_id=made.client.id)
    return answer(_drawn(made, authorization.base_of(request)), 201)


async def read(authorization: Authorization, request: Request) -> Response:
    """What is registered (RFC 7592 section 2.1). Raises OAuthError."""
    client = await _managed(authorization, request)
    return answer(_drawn(NewClient(client, None, _bearer(request)), authorization.base_of(request)))


async def replace(authorization: Authorization, request: Request) -> Response:
    """Other metadata in place of all that was registered (RFC 7592 section 2.2). Raises OAuthError."""
    client = await _managed(authorization, request)
    registration = await _read(request)
    if registration.client_id != client.id:
        raise invalid_metadata("The client_id must be that of the address.")
    changed = _client(registration, client)
    _check_may_register(authorization, request, changed)
    if changed.auth_method != client.auth_method:
        raise invalid_metadata("The token_endpoint_auth_method cannot be changed: register a new client.")
    await authorization.clients.update(changed)
    await authorization.note("register", "changed", client_id=client.id)
    return answer(_drawn(NewClient(changed, None, _bearer(request)), authorization.base_of(request)))


async def remove(authorization: Authorization, request: Request) -> Response:
    """The client and its tokens are gone (RFC 7592 section 2.3). Raises OAuthError."""
    client = await _managed(authorization, request)
    await authorization.clients.remove(client.id)
    await authorization.note("register", "removed", client_id=client.id)
    return empty(204)


def _check_may_register(authorization: Authorization, request: Request, client: Client) -> None:
    """A system is granted what it asks for without asking anybody, so not everybody who may register makes one."""
    if "client_credentials" not in client.grant_types:
        return
    if not authorization.settings.open_to_systems:
        raise invalid_metadata("A client of the grant type client_credentials is added by this server's operator.")
    if "origin" in request.headers:
        raise invalid_metadata("A client of the grant type client_credentials is not registered from a web page.")


async def _read(request: Request) -> Registration:
    # A page of another site cannot send this type without asking first (CORS), so it cannot register anything.
    if media_type(request) != "application/json":
        raise invalid_metadata("Send the client metadata as JSON: Content-Type: application/json.")
    body = await read_body(request, MAX_BYTES)
    try:
        return msgspec.json.decode(body, type=Registration)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_metadata(f"The client metadata cannot be read: {str(error)[:200]}") from None


def _client(registration: Registration, before: Client) -> Client:
    """The client that this metadata describes; what an operator said of the one before stays."""
    uses_browser = "authorization_code" in registration.grant_types
    allowed = {"code"} if uses_browser else set[str]()
    if registration.response_types is not None and not set(registration.response_types) <= allowed:
        raise invalid_metadata('The response_types are ["code"] with authorization_code, and none without it.')
    default_scope = DEFAULT_SCOPE if uses_browser else DEFAULT_SYSTEM_SCOPE
    client = msgspec.structs.replace(
        before,
        name=registration.client_name or "An app without a name",
        scope=default_scope if registration.scope is None else registration.scope,
        redirect_uris=tuple(dict.fromkeys(registration.redirect_uris)),
        grant_types=registration.grant_types,
        auth_method=registration.token_endpoint_auth_method,
        jwks=registration.jwks,
        jwks_uri=registration.jwks_uri,
        initiate_login_uri=registration.initiate_login_uri,
        logo_uri=registration.logo_uri,
        client_uri=registration.client_uri,
        contacts=registration.contacts,
    )
    return checked(client)


def _drawn(made: NewClient, base: str) -> dict[str, Any]:
    """RFC 7591 section 3.2.1: everything as it is registered now, whatever was sent."""
    client = made.client
    content: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": client.registered_at,
        "client_name": client.name,
        "scope": client.scope,
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "token_endpoint_auth_method": client.auth_method,
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "initiate_login_uri": client.initiate_login_uri,
        "logo_uri": client.logo_uri,
        "client_uri": client.client_uri,
        "contacts": client.contacts or None,
    }
    if made.secret is not None:
        # Zero: it does not expire.
        content |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    if made.management_token is not None:
        content["registration_access_token"] = made.management_token
        content["registration_client_uri"] = f"{endpoint(base, 'register')}/{client.id}"
    return {name: value for name, value in content.items() if value is not None}


async def _managed(authorization: Authorization, request: Request) -> Client:
    """The client of the address, if the registration access token is its own (RFC 7592 section 2)."""
    token = _bearer(request)
    client = await authorization.clients.get(request.path_params["client_id"])
    if client is None or not _is_managed_by(client, token):
        raise _unauthorized("The registration access token is not that of this client.")
    return client


def _is_managed_by(client: Client, token: str) -> bool:
    return hmac.compare_digest(client.management_token_hash or "", digest(token))


def _bearer(request: Request) -> str:
    sent = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if sent is None:
        raise _unauthorized("Send the token that this server's operator, or your registration, gave you as Bearer.")
    return sent[1]


def _unauthorized(text: str) -> OAuthError:
    return OAuthError(401, "invalid_token", text, {"WWW-Authenticate": 'Bearer realm="register"'})
