"""The exchange of an authorization code for tokens.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3, https://www.rfc-editor.org/rfc/rfc7636#section-4.6
"""

from smart_auth import pkce, records
from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError, invalid_grant
from smart_auth.form import Form, required
from smart_auth.grants import has_refresh_tokens
from smart_auth.issued import Issued
from smart_auth.random_secrets import digest
from smart_auth.records import CODES, Client, Code


async def exchange_code(authorization: Authorization, form: Form, client: Client, base: str) -> Issued:
    """Tokens for a code. Raises OAuthError invalid_grant; a code that comes a second time ends what it had given."""
    documents, grants = authorization.documents, authorization.grants

    # RFC 6749 section 4.1.3: code is REQUIRED.
    found = await documents.get(CODES, digest(required(form, "code")))
    if found is None:
        raise _unusable()
    code = records.read(Code, found)

    # Section 4.1.3: "ensure that the authorization code was issued to the authenticated confidential client, or if
    # the client is public, ensure that the code was issued to client_id".
    if code.client_id != client.id:
        raise _unusable()

    # Section 4.1.2: a code used more than once MUST be denied, "and SHOULD revoke ... all tokens previously issued".
    if code.used_at is not None:
        await grants.revoke(code.grant)
        raise _unusable()

    # Section 4.1.2: "MUST expire shortly after it is issued".
    if code.expires_at <= authorization.now():
        raise _unusable()

    # Section 4.1.3: redirect_uri is REQUIRED as it was in the authorization request, "and their values MUST be
    # identical".
    if form.get("redirect_uri") != code.redirect_uri:
        raise invalid_grant("The redirect_uri is not the one that the code was sent to.")

    # RFC 7636 section 4.6.
    if not pkce.verify(code.code_challenge, form.get("code_verifier")):
        raise invalid_grant("The code_verifier is not the one that the code_challenge was made of.")

    # What was granted may have been revoked, and the account disabled, since the code was sent.
    standing = await authorization.standing(code.grant)
    if standing is None:
        raise _unusable()
    grant, account = standing

    # Section 10.5: single use. Of exchanges at the same time one passes here; the others end what it gets.
    if await documents.change(CODES, code.id, {"used_at": authorization.now()}, {"used_at": None}) is None:
        await grants.revoke(code.grant)
        raise _unusable()

    refresh_token = (await grants.issue_refresh_token(grant))[0] if has_refresh_tokens(grant) else None
    response = await grants.answer(grant, client, account, grant.base, refresh_token)
    return Issued(response, grant, account)


def _unusable() -> OAuthError:
    # The same for all: nobody learns whether a code exists, was used, or is another client's.
    return invalid_grant("The code is not known, has expired or was used: ask for authorization again.")
