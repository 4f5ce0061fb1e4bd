"""POST /auth/token: authenticates the client and hands over to the file of its grant type.

https://www.rfc-editor.org/rfc/rfc6749#section-3.2, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from smart_auth.authorization import Authorization
from smart_auth.drawing import answer
from smart_auth.endpoints import endpoint
from smart_auth.errors import OAuthError, unauthorized_client, unsupported_grant_type
from smart_auth.form import Form, read_form, required
from smart_auth.issued import Issued
from smart_auth.records import Client
from smart_auth.token_authorization_code import exchange_code
from smart_auth.token_client_credentials import issue_to_client
from smart_auth.token_refresh import refresh, with_holder

Exchange = Callable[[Authorization, Form, Client, str], Awaitable[Issued]]

EXCHANGES: dict[str, Exchange] = {
    "authorization_code": exchange_code,
    "refresh_token": refresh,
    "client_credentials": issue_to_client,
}


async def token(authorization: Authorization, request: Request) -> Response:
    """The token endpoint. Raises OAuthError; each refusal is in the audit log before it leaves."""
    client: Client | None = None
    grant_type = "no grant_type of ours"
    try:
        form = await read_form(request)
        if required(form, "grant_type") not in EXCHANGES:
            raise unsupported_grant_type(f"The grant_type must be one of {', '.join(EXCHANGES)}.")
        grant_type = form["grant_type"]
        client = await _authenticated(authorization, request, form)
        await authorization.count_token_request(client, request)
        # What refresh tokens there are is decided by the granted scope: whoever holds one may use it.
        if grant_type != "refresh_token" and grant_type not in client.grant_types:
            raise unauthorized_client(f"This client is not registered for the grant_type {grant_type}.")
        issued = await EXCHANGES[grant_type](authorization, form, client, authorization.base_of(request))
    except OAuthError as refused:
        await _note_refusal(authorization, client, f"{grant_type}: {refused.error}", refused.status)
        raise
    grant = issued.grant
    await authorization.note("token", grant_type, client_id=client.id, account=issued.account, patient=grant.patient)
    return answer(issued.response)


async def _note_refusal(authorization: Authorization, client: Client | None, text: str, status: int) -> None:
    id = None if client is None else client.id
    if status == 429:
        await authorization.floods.note(f"token {id}", "throttled", f"token: {text}", client_id=id)
    else:
        await authorization.note("token-refused", text, client_id=id, is_failure=True)


async def _authenticated(authorization: Authorization, request: Request, form: Form) -> Client:
    audiences = (endpoint(authorization.base_of(request), "token"),)
    header = request.headers.get("authorization")
    if form["grant_type"] == "refresh_token" and header is None:
        form = await with_holder(authorization, form)
    return await authorization.authentication.authenticate(form, header, audiences)
