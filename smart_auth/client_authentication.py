"""Who a client proves to be, by the one method it is registered for.

https://www.rfc-editor.org/rfc/rfc6749#section-2.3,
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-symmetric.html; assertions: client_assertions.py
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from urllib.parse import unquote_plus

from smart_auth.client_assertions import ClientAssertions
from smart_auth.clients import Clients
from smart_auth.errors import OAuthError, invalid_client, invalid_request
from smart_auth.form import Form
from smart_auth.random_secrets import digest
from smart_auth.records import Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_NOBODY = digest("no client has this secret")


class ClientAuthentication:
    """Authenticates the clients of the token, introspection and revocation endpoints."""

    def __init__(self, clients: Clients, assertions: ClientAssertions) -> None:
        self._clients = clients
        self._assertions = assertions

    async def authenticate(
        self, form: Form, authorization_header: str | None, token_endpoints: Sequence[str]
    ) -> Client:
        """The client. `token_endpoints` are the URLs that an assertion may name as its audience.

        Raises OAuthError invalid_client (401 where it had tried HTTP Basic), or invalid_request for two methods.
        """
        basic = None if authorization_header is None else _basic(authorization_header)
        # RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each request."
        sent = [basic is not None, "client_secret" in form, "client_assertion" in form]
        if sum(sent) > 1:
            raise invalid_request("Authenticate by one method: HTTP Basic, client_secret, or client_assertion.")
        if basic is not None:
            return await self._by_basic(*basic, form)
        if "client_assertion" in form or "client_assertion_type" in form:
            return await self._by_assertion(form, token_endpoints)
        if "client_id" not in form:
            raise invalid_client("Say who you are: client_id, HTTP Basic, or client_assertion.")
        if "client_secret" in form:
            return await self._by_secret(form["client_id"], form["client_secret"], "client_secret_post")
        return await self._public(form["client_id"])

    async def _by_basic(self, id: str, secret: str, form: Form) -> Client:
        if form.get("client_id", id) != id:
            raise _refused(is_basic=True)
        return await self._by_secret(id, secret, "client_secret_basic")

    async def _by_secret(self, id: str, secret: str, method: str) -> Client:
        client = await self._clients.get(id)
        kept = None if client is None or client.auth_method != method else client.secret_hash
        # The same work whether or not there is such a client.
        is_right = hmac.compare_digest(kept or _NOBODY, digest(secret))
        if client is None or kept is None or not is_right:
            raise _refused(is_basic=method == "client_secret_basic")
        return client

    async def _by_assertion(self, form: Form, audiences: Sequence[str]) -> Client:
        # RFC 7521 section 4.2, RFC 7523 section 2.2.
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise invalid_client(f"The client_assertion_type must be {ASSERTION_TYPE}.")
        if "client_assertion" not in form:
            raise invalid_client("The parameter client_assertion is missing.")
        client = await self._assertions.client(form["client_assertion"], audiences)
        if form.get("client_id", client.id) != client.id:
            raise invalid_client("The client_id is not the one of the assertion.")
        return client

    async def _public(self, id: str) -> Client:
        client = await self._clients.get(id)
        if client is None or client.auth_method != "none":
            raise _refused(is_basic=False)
        return client


def _refused(is_basic: bool) -> OAuthError:
    return invalid_client("This client is not known, or it did not authenticate as it is registered to.", is_basic)


def _basic(header: str) -> tuple[str, str]:
    """Client id and secret of an Authorization header (RFC 6749 section 2.3.1: each form-encoded, then RFC 7617)."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _refused(is_basic=True)
    try:
        id, colon, secret = base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _refused(is_basic=True) from None
    if not colon or not id or not secret:
        raise _refused(is_basic=True)
    return unquote_plus(id), unquote_plus(secret)
