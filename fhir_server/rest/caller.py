"""Who sends a request: the guard's answer to its Authorization header becomes the Sight that narrows what is done.

RFC 6750 section 3, https://hl7.org/fhir/R4/security.html#http
"""

from collections.abc import Mapping

from starlette.requests import Request

from fhir_server.core import outcome
from fhir_server.core.outcome import Failure, FhirError
from fhir_server.core.proxied import Proxied
from fhir_server.interactions.care_relation import care_relations
from fhir_server.interactions.context import Server
from fhir_server.interactions.proxy_relation import proxied
from fhir_server.interactions.step_up import step_up
from fhir_server.policy import OPERATOR, Sight
from fhir_server.rest.headers import lines
from smart_auth.access import AccessContext, Guard, NotAdmitted

REALM = "fhir"

STRANGER = Sight(AccessContext(subject="", client_id="", kind="patient", scopes=()))
"""Whoever asks for what is open to all, on a server with sign-in: nothing was granted."""

_FAILURES: Mapping[int, Failure] = {
    401: outcome.UNAUTHENTICATED,
    429: outcome.TOO_MANY_REQUESTS,
    503: outcome.SIGN_IN_UNAVAILABLE,
}


def stranger(request: Request) -> Sight:
    """What everybody may see without a token."""
    return OPERATOR if _guard(request) is None else STRANGER


async def sight_of(request: Request, server: Server) -> Sight:
    """The bearer of the request's access token; without sign-in the operator.

    Raises FhirError 401 where there is no usable token, 429 where its client asks too often, 503 where it cannot be
    known at the moment whether a token was revoked, or for whom its bearer acts.
    """
    guard = _guard(request)
    if guard is None:
        return OPERATOR
    try:
        access = await guard.admitted(_authorization(request))
    except NotAdmitted as refused:
        raise _refusal(refused) from None
    refuse_administration(server, access)
    if access.kind != "practitioner":
        return Sight(access, proxied=await _proxied(server, access))
    # Nobody else's sight depends on whom they care for.
    relations = await care_relations(server, access.fhir_user)
    return Sight(access, relations.patients, relations.places)


async def count_visit(request: Request) -> None:
    """Raise FhirError 429 where this network address asks too often without an access token."""
    guard = _guard(request)
    if guard is None:
        return
    try:
        await guard.visited(request.client.host if request.client else "")
    except NotAdmitted as refused:
        raise _refusal(refused) from None


async def _proxied(server: Server, access: AccessContext) -> tuple[Proxied, ...]:
    """For whom a patient acts in the family, asked only where it can matter: nothing else reaches beyond their own."""
    if access.kind != "patient" or not access.patients:
        return ()
    is_for_another = access.patient is not None and access.patient not in access.patients
    if is_for_another or any(scope.level == "user" for scope in access.scopes):
        # What an administrator gave by word leads to nobody's relatives.
        return await proxied(server, access.patients[:1])
    return ()


def refuse_administration(server: Server, access: AccessContext) -> None:
    """Raise FhirError 401 where an administrator must have signed in by card and has not (RFC 9470 section 3)."""
    if access.kind == "admin" and access.acr != "card" and "administration" in server.card_for:
        raise step_up("Administration asks for a sign-in by CAC or PIV card.")


def _guard(request: Request) -> Guard | None:
    guard: Guard | None = getattr(request.app.state, "guard", None)
    return guard


def _authorization(request: Request) -> str | None:
    sent = lines(request.scope, b"authorization")
    if len(sent) > 1:
        # RFC 9110 11.6.2: one set of credentials. Which of two is meant must not be guessed.
        raise NotAdmitted("invalid_request", "The request has more than one Authorization header.")
    return sent[0] if sent else None


def _refusal(refused: NotAdmitted) -> FhirError:
    error = _FAILURES[refused.status](refused.text, slug=_slug(refused) if refused.status == 401 else None)
    headers = {**error.headers, **refused.headers}
    if refused.status == 401:
        headers["WWW-Authenticate"] = challenge(refused.error, refused.text)
    error.headers = headers
    return error


def _slug(refused: NotAdmitted) -> str | None:
    """What an app must tell apart: whether to sign in at all, or to refresh."""
    if refused.error is None:
        return "token-missing"
    return "token-expired" if refused.text.startswith("The access token has expired") else None


def challenge(error: str | None, text: str) -> str:
    """The value of WWW-Authenticate (RFC 6750 section 3); without `error` where no token was sent at all."""
    if error is None:
        return f'Bearer realm="{REALM}"'
    # RFC 6750 3: neither quotes nor backslashes, and ASCII only.
    words = "".join(each if each.isascii() and each.isprintable() and each not in '"\\' else " " for each in text)
    return f'Bearer realm="{REALM}", error="{error}", error_description="{words}"'
