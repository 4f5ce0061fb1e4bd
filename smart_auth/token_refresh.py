"""New access tokens by a refresh token, which is replaced at each use.

https://www.rfc-editor.org/rfc/rfc6749#section-6, https://www.rfc-editor.org/rfc/rfc9700#section-4.14
"""

import msgspec

from smart_auth import records, scopes
from smart_auth.asked_scopes import asked_scopes, few
from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError, invalid_grant, invalid_scope
from smart_auth.form import Form, required
from smart_auth.issued import Issued
from smart_auth.random_secrets import digest
from smart_auth.records import REFRESH_TOKENS, Client, Grant, RefreshToken

# Successors followed to the newest one. A client that uses one token again and again makes each the next one's
# successor; one that got so far ahead of itself signs in again.
MOST_SUCCESSORS = 100


async def refresh(authorization: Authorization, form: Form, client: Client, base: str) -> Issued:
    """Tokens for a refresh token. Raises OAuthError invalid_grant, and invalid_scope for more than was granted.

    A token that was replaced works while its successor was not used (the client may not have got it) and for
    `refresh_grace_seconds` (several requests at once). After that somebody else has it, and the grant ends.
    """
    found = await authorization.documents.get(REFRESH_TOKENS, digest(required(form, "refresh_token")))
    if found is None:
        raise _unusable()
    token = records.read(RefreshToken, found)

    # RFC 6749 section 10.4: "the authorization server MUST maintain the binding between a refresh token and the
    # client to whom it was issued".
    if token.client_id != client.id or token.expires_at <= authorization.now():
        raise _unusable()

    standing = await authorization.standing(token.grant)
    if standing is None:
        raise _unusable()
    grant, account = standing

    # SMART, online_access: "for as long as the end-user remains online".
    if not await authorization.grants.is_session_alive(grant):
        raise _unusable()

    # RFC 9700 section 4.14.2: whoever comes second with a replaced token, one of the two is not the client.
    if not await _may_be_used(authorization, token):
        await authorization.grants.revoke(grant.id)
        raise _unusable()

    asked = _scopes(form, grant, client)
    successor = await _replaced(authorization, token, grant)
    grant = await authorization.grants.prolong(grant)
    # An id token that comes with a refresh has no nonce (OpenID Connect Core section 12.2).
    narrowed = msgspec.structs.replace(grant, scopes=asked, nonce=None)
    response = await authorization.grants.answer(narrowed, client, account, grant.base, successor)
    return Issued(response, grant, account)


async def with_holder(authorization: Authorization, form: Form) -> Form:
    """The form of a client that does not say who it is, with the client_id that its refresh token was issued to.

    RFC 6749 section 3.2.1 asks for the client_id with a code alone, and fhirclient sends none to refresh. A client that
    is not public must authenticate all the same.
    """
    if form.keys() & {"client_id", "client_assertion", "client_assertion_type"} or "refresh_token" not in form:
        return form
    token = await _kept(authorization, digest(form["refresh_token"]))
    if token is None:
        raise _unusable()
    return {**form, "client_id": token.client_id}


def _scopes(form: Form, grant: Grant, client: Client) -> tuple[str, ...]:
    """The scopes of the new access token: those granted, or fewer where fewer are asked for (RFC 6749 section 6).

    What the client's registration has lost since then is gone from its tokens too.
    """
    asked = asked_scopes(form) if "scope" in form else grant.scopes
    if exceeding := scopes.exceeding(asked, grant.scopes):
        raise invalid_scope(f"This was not granted: {' '.join(exceeding)[:200]}")
    left = few(scopes.intersect(asked, client.scope.split()))
    if not left:
        raise invalid_scope("Nothing of what was asked for is registered for this client any more.")
    return left


async def _may_be_used(authorization: Authorization, token: RefreshToken) -> bool:
    if token.used_at is None or token.used_at + authorization.settings.refresh_grace_seconds >= authorization.now():
        return True
    successor = await _kept(authorization, token.successor)
    return successor is None or successor.used_at is None


async def _replaced(authorization: Authorization, token: RefreshToken, grant: Grant) -> str:
    """A new refresh token as the successor of the newest one, so that a family never has two that are newest."""
    text, made = await authorization.grants.issue_refresh_token(grant)
    used = {"used_at": authorization.now(), "successor": made.id}
    newest: RefreshToken | None = token
    for _ in range(MOST_SUCCESSORS):
        if newest is None:
            raise _unusable()
        if await authorization.documents.change(REFRESH_TOKENS, newest.id, used, {"used_at": None}) is not None:
            break
        # Used before, or by another request just now.
        newest = await _kept(authorization, newest.id)
        newest = None if newest is None else await _kept(authorization, newest.successor)
    else:
        raise _unusable()
    if newest.id != token.id:
        # As long as this one is not used, the client may come again with the token it still has.
        await authorization.documents.change(REFRESH_TOKENS, token.id, {"successor": made.id})
    return text


async def _kept(authorization: Authorization, id: str | None) -> RefreshToken | None:
    found = None if id is None else await authorization.documents.get(REFRESH_TOKENS, id)
    return None if found is None else records.read(RefreshToken, found)


def _unusable() -> OAuthError:
    return invalid_grant("The refresh token is not known, has expired or was revoked: ask for authorization again.")
