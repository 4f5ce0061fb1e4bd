"""The routes of the authorization server: endpoints in JSON here, pages of people in pages_routes.py.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from smart_auth import register, request_id, userinfo
from smart_auth.access import NotAdmitted
from smart_auth.audit import AuthEventKind
from smart_auth.authorization import Authorization
from smart_auth.discovery import discovery_routes
from smart_auth.drawing import not_admitted, refusal
from smart_auth.endpoints import origin_of
from smart_auth.errors import OAuthError
from smart_auth.gates import gates
from smart_auth.introspect import introspect
from smart_auth.pages_routes import pages_routes
from smart_auth.revoke import revoke
from smart_auth.token_endpoint import token

__all__ = ["Authorization", "routes"]

Answer = Callable[[Authorization, Request], Awaitable[Response]]

NOTED_BY_GUARD = frozenset({429, 503})
"""Statuses of refused access tokens that are in the audit log by then."""

# Path, methods, what answers: the table that the endpoints' addresses are read from.
ENDPOINTS: tuple[tuple[str, tuple[str, ...], Answer], ...] = (
    ("/auth/token", ("POST",), token),
    ("/auth/introspect", ("POST",), introspect),
    ("/auth/revoke", ("POST",), revoke),
    ("/auth/userinfo", ("GET", "POST"), userinfo.userinfo),
    ("/auth/register", ("POST",), register.register),
    ("/auth/register/{client_id}", ("GET",), register.read),
    ("/auth/register/{client_id}", ("PUT",), register.replace),
    ("/auth/register/{client_id}", ("DELETE",), register.remove),
)


def routes(authorization: Authorization) -> list[Route]:
    """All routes, at the origin's root."""
    own = [
        Route(path, _in_json(authorization, path, answer), methods=list(methods)) for path, methods, answer in ENDPOINTS
    ]
    return [*own, *discovery_routes(authorization), *pages_routes(authorization, gates(authorization))]


def _in_json(authorization: Authorization, path: str, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose refusals are JSON too; the one place where they are drawn, once they are in the audit log."""
    name = path.split("/")[2]

    async def answered(request: Request) -> Response:
        request_id.enter(request.scope)
        # Raises what it does for a Host that is not ours (DNS rebinding), before anything is done.
        origin = origin_of(authorization.base_of(request))
        try:
            return await answer(authorization, request)
        except OAuthError as error:
            await _note_refusal(authorization, request, name, error)
            return refusal(error, origin)
        except NotAdmitted as refused:
            if refused.status not in NOTED_BY_GUARD:
                await authorization.note("token-refused", f"{name}: {refused.error or 'no token'}", is_failure=True)
            return not_admitted(refused, origin)

    return answered


async def _note_refusal(authorization: Authorization, request: Request, name: str, error: OAuthError) -> None:
    """Keep a refusal of an endpoint that does not do so itself, knowing more."""
    text = f"{name}: {error.error}"
    if name == "token":
        return
    if error.status == 429:
        address = request.client.host if request.client else ""
        await authorization.floods.note(f"{name} {address}", "throttled", text)
        return
    kind: AuthEventKind = "register" if name == "register" else "revoke" if name == "revoke" else "token-refused"
    await authorization.note(kind, text, is_failure=True)
