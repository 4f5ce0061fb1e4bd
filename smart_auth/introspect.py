"""POST /auth/introspect: what a token means, for resource servers.

https://www.rfc-editor.org/rfc/rfc7662, https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from smart_auth import records
from smart_auth.access import NotAdmitted
from smart_auth.authorization import Authorization
from smart_auth.drawing import answer
from smart_auth.endpoints import endpoint
from smart_auth.errors import invalid_client
from smart_auth.form import read_form, required
from smart_auth.grants import launch_context
from smart_auth.random_secrets import digest
from smart_auth.records import REFRESH_TOKENS, Client, Grant, RefreshToken

INACTIVE: dict[str, Any] = {"active": False}


async def introspect(authorization: Authorization, request: Request) -> Response:
    """Whether a token is in force and what it is for. Raises OAuthError.

    Clients registered for it ask about any token, other confidential ones about their own. To anybody else, and about
    anything else, the answer is that it is not active (RFC 7662 section 2.2).
    """
    form = await read_form(request)
    base = authorization.base_of(request)
    audiences = (endpoint(base, "token"), endpoint(base, "introspect"))
    header = request.headers.get("authorization")
    client = await authorization.authentication.authenticate(form, header, audiences)
    # RFC 7662 section 2.1: "the endpoint MUST also require some form of authorization"; a client_id alone is none.
    if client.auth_method == "none":
        raise invalid_client("A client without a secret or key cannot introspect tokens.", challenge=True)
    await authorization.count_token_request(client, request)
    token = required(form, "token")
    if token.count(".") == 2:
        return answer(await _of_access_token(authorization, token, client))
    return answer(await _of_refresh_token(authorization, token, client))


async def _of_access_token(authorization: Authorization, token: str, asking: Client) -> dict[str, Any]:
    try:
        access = await authorization.guard.admitted(f"Bearer {token}")
        claims = await authorization.tokens.claims(token)
    except NotAdmitted as refused:
        if refused.status != 401:
            raise
        return INACTIVE
    if not _may_know(asking, claims.client_id):
        return INACTIVE
    client = await authorization.clients.get(claims.client_id)
    if client is None:
        return INACTIVE
    content: dict[str, Any] = {
        "active": True,
        "scope": claims.scope,
        "client_id": claims.client_id,
        "token_type": "Bearer",
        "exp": claims.exp,
        "iat": claims.iat,
        "sub": claims.sub,
        "aud": claims.aud,
        "iss": claims.iss,
        "jti": claims.jti,
    }
    if access.fhir_user is not None and "fhirUser" in claims.scope.split():
        content["fhirUser"] = f"{claims.iss}/{access.fhir_user}"
    if claims.kind != "system":
        # RFC 9470 section 6.2.
        content |= {"acr": access.acr, "amr": list(claims.amr), "auth_time": claims.auth_time}
    grant = await authorization.grants.find(claims.gid)
    context = _context(grant) if grant is not None else {"patient": claims.patient, "encounter": claims.encounter}
    return content | {name: value for name, value in context.items() if value is not None}


async def _of_refresh_token(authorization: Authorization, token: str, asking: Client) -> dict[str, Any]:
    found = await authorization.documents.get(REFRESH_TOKENS, digest(token))
    kept = None if found is None else records.read(RefreshToken, found)
    if kept is None or kept.expires_at <= authorization.now() or not _may_know(asking, kept.client_id):
        return INACTIVE
    standing = await authorization.standing(kept.grant)
    if standing is None or await authorization.clients.get(kept.client_id) is None:
        return INACTIVE
    grant, account = standing
    if not await authorization.grants.is_session_alive(grant):
        return INACTIVE
    return {
        "active": True,
        "scope": " ".join(grant.scopes),
        "client_id": kept.client_id,
        "exp": kept.expires_at,
        "iat": kept.issued_at,
        "sub": account.id,
        "iss": grant.base,
        "acr": authorization.grants.acr_of(grant),
        "amr": list(grant.amr),
        "auth_time": grant.auth_time,
    }


def _may_know(asking: Client, client_id: str) -> bool:
    return asking.may_introspect or asking.id == client_id


def _context(grant: Grant) -> dict[str, Any]:
    """The launch context that the token response had; what is for the app's screen alone is left out."""
    context = launch_context(grant, grant.base)
    return {name: context.get(name) for name in ("patient", "encounter", "intent", "fhirContext")}
