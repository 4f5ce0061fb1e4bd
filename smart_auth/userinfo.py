"""GET and POST /auth/userinfo: who signed in, for the bearer of an access token with `openid`.

https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
"""

from starlette.requests import Request
from starlette.responses import Response

from smart_auth.access import NotAdmitted
from smart_auth.authorization import Authorization
from smart_auth.drawing import answer
from smart_auth.scopes import OPENID
from smart_auth.tokens import user_claims


async def userinfo(authorization: Authorization, request: Request) -> Response:
    """`sub` as in the id token, and what else was granted. Raises NotAdmitted."""
    header = request.headers.get("authorization")
    access = await authorization.guard.admitted(header)
    claims = await authorization.tokens.claims((header or "").split()[-1])
    scopes = tuple(claims.scope.split())
    account = await authorization.accounts.get(access.subject)
    if OPENID not in scopes or account is None:
        raise NotAdmitted("insufficient_scope", "The access token was not granted the scope openid.", 403)
    if account.is_disabled:
        raise NotAdmitted("invalid_token", "The account is disabled.")
    return answer({"sub": account.id, **user_claims(scopes, account, claims.iss)})
