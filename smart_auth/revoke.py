"""POST /auth/revoke: a client gives a token back.

https://www.rfc-editor.org/rfc/rfc7009#section-2
"""

from starlette.requests import Request
from starlette.responses import Response

from smart_auth import records
from smart_auth.access import NotAdmitted
from smart_auth.authorization import Authorization
from smart_auth.drawing import empty
from smart_auth.endpoints import endpoint
from smart_auth.form import read_form, required
from smart_auth.random_secrets import digest
from smart_auth.records import REFRESH_TOKENS, Client, RefreshToken


async def revoke(authorization: Authorization, request: Request) -> Response:
    """End a token of the client's own: a refresh token with everything that was granted, an access token alone.

    The answer is 200 for tokens that are unknown, over, or another's as well (section 2.2). Raises OAuthError.
    """
    form = await read_form(request)
    base = authorization.base_of(request)
    audiences = (endpoint(base, "token"), endpoint(base, "revoke"))
    header = request.headers.get("authorization")
    client = await authorization.authentication.authenticate(form, header, audiences)
    await authorization.count_token_request(client, request)
    token = required(form, "token")
    # The form of a token says what it is, so token_type_hint is not needed.
    was_revoked = await (_access_token if token.count(".") == 2 else _refresh_token)(authorization, token, client)
    if was_revoked:
        await authorization.note("revoke", "by the client", client_id=client.id)
    return empty(200)


async def _access_token(authorization: Authorization, token: str, client: Client) -> bool:
    try:
        claims = await authorization.tokens.claims(token)
    except NotAdmitted:
        return False
    if claims.client_id != client.id:
        return False
    await authorization.revocations.revoke("token", claims.jti, claims.exp)
    return True


async def _refresh_token(authorization: Authorization, token: str, client: Client) -> bool:
    found = await authorization.documents.get(REFRESH_TOKENS, digest(token))
    kept = None if found is None else records.read(RefreshToken, found)
    if kept is None or kept.client_id != client.id:
        return False
    await authorization.grants.revoke(kept.grant)
    return True
