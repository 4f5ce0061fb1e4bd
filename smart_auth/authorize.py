"""The authorization endpoint, by GET and POST: a list of checks, and then the first page of the way to a code.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code,
https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1, https://www.rfc-editor.org/rfc/rfc9700#section-4
"""

from starlette.responses import Response

from smart_auth.access import Acr
from smart_auth.asked_scopes import asked_scopes, few
from smart_auth.errors import OAuthError, invalid_request, invalid_scope, unauthorized_client
from smart_auth.form import Form, once, required
from smart_auth.identity.assurance import least
from smart_auth.pkce import check_challenge
from smart_auth.random_secrets import new_secret
from smart_auth.records import LAUNCHES, REQUESTS, AuthorizationRequest, Client, Launch, kept, read
from smart_auth.redirect_uris import is_registered
from smart_auth.scopes import LAUNCH, LAUNCH_ENCOUNTER, at_levels, intersect
from smart_auth.steps import LOGIN, page_of, unmet, with_query
from smart_auth.visit import Visit, see

_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_NOT_TAKEN = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
# What is kept of a request until it is over; no app's are nearly as long.
_LONGEST = 4096


async def authorize(visit: Visit) -> Response:
    """Whoever cannot be told from an attacker sees an error page; what a known app did wrong, it hears itself."""
    client, redirect_uri = await _addressed(visit)
    try:
        request = await checked(visit, client, redirect_uri)
    except OAuthError as error:
        caller, text = f"{client.id} {visit.address}", f"authorize: {error.error}"
        await visit.parts.floods.note(caller, "grant-refused", text, client_id=client.id)
        return _refused(visit, redirect_uri, error)
    # Nobody can fill the database with requests that lead to no sign-in.
    await visit.parts.limits.take("authorize", visit.address, 2 * visit.parts.settings.logins_per_minute)
    ends = request.created_at + visit.parts.settings.request_minutes * 60
    await visit.parts.documents.insert(REQUESTS, request.id, kept(request), ends)
    # Decided on the next page: a form that an app's site posted here comes without the cookie of the session.
    return see(page_of(LOGIN, request.id))


async def checked(visit: Visit, client: Client, redirect_uri: str) -> AuthorizationRequest:
    """The request, once every check is passed. Raises OAuthError, which is the app's to hear."""
    form = once(visit.fields)
    _check_length(form)
    _check_response(form, client)
    state = required(form, "state")
    _check_audience(visit, required(form, "aud"))
    _check_challenge(form)
    launch = await _launch(visit, form, client)
    return AuthorizationRequest(
        id=new_secret(),
        client_id=client.id,
        redirect_uri=redirect_uri,
        state=state,
        scopes=_scopes(form, client, launch),
        base=visit.base,
        code_challenge=form["code_challenge"],
        nonce=form.get("nonce"),
        launch=None if launch is None else launch.id,
        prompt=_prompt(form),
        max_age=_max_age(form),
        acr=_acr(form),
        created_at=visit.parts.now(),
    )


async def _addressed(visit: Visit) -> tuple[Client, str]:
    """The app and where it is answered. Raises OAuthError for a page: such an address is never redirected to.

    RFC 9700 section 4.1.3: compared as it stands. RFC 6749 section 3.1.2.4: no redirect to an invalid address.
    """
    client_id, redirect_uri = visit.value("client_id"), visit.value("redirect_uri")
    client = await visit.parts.clients.get(client_id) if client_id else None
    if client is None:
        raise OAuthError(400, "unauthorized_client", "The app that sent you here is not registered with this server.")
    if not redirect_uri or not is_registered(client.redirect_uris, redirect_uri):
        text = "The app asked to be answered at an address (redirect_uri) that is not registered for it."
        raise OAuthError(400, "invalid_request", text)
    return client, redirect_uri


def _check_length(form: Form) -> None:
    if any(len(value) > _LONGEST for name, value in form.items() if name != "scope"):
        raise invalid_request(f"A parameter is longer than {_LONGEST} characters.")


def _check_response(form: Form, client: Client) -> None:
    """RFC 6749 section 3.1.1, OpenID Connect Core sections 3.1.2.1 and 6."""
    for name, error in _NOT_TAKEN.items():
        if name in form:
            raise OAuthError(400, error, f"The parameter {name} is not supported.")
    if required(form, "response_type") != "code":
        raise OAuthError(400, "unsupported_response_type", "The only response_type is code.")
    if form.get("response_mode", "query") != "query":
        raise invalid_request("The only response_mode is query.")
    if "authorization_code" not in client.grant_types:
        raise unauthorized_client("The app is not registered for the authorization code grant.")


def _check_audience(visit: Visit, aud: str) -> None:
    """SMART: a token for another server must not be asked for here, by whoever made the app believe so."""
    if not visit.parts.is_own_base(aud.removesuffix("/")):
        raise invalid_request("The aud parameter is not the base URL of this FHIR server.")


def _check_challenge(form: Form) -> None:
    """RFC 7636 section 4.4.1: required of every client; what `plain` would show is the verifier itself."""
    check_challenge(form.get("code_challenge"), form.get("code_challenge_method"))


async def _launch(visit: Visit, form: Form, client: Client) -> Launch | None:
    """The EHR launch that the app was opened by. Raises OAuthError where it is not this app's or is too old."""
    id = form.get("launch")
    if id is None:
        return None
    document = await visit.parts.documents.get(LAUNCHES, id)
    launch = None if document is None else read(Launch, document)
    is_known = launch is not None and launch.client_id == client.id
    if launch is None or not is_known or _is_late(visit, launch):
        raise invalid_request("The launch is unknown, over, or another app's. Open the app again from the EHR.")
    return launch


def _is_late(visit: Visit, launch: Launch) -> bool:
    return launch.created_at + visit.parts.settings.launch_minutes * 60 <= visit.parts.now()


def _scopes(form: Form, client: Client, launch: Launch | None) -> tuple[str, ...]:
    """What of the asked scopes is possible for the app and this kind of launch. Raises OAuthError invalid_scope."""
    scopes = at_levels(few(intersect(asked_scopes(form), client.scope.split())), ("patient", "user"))
    if launch is None:
        # There is no EHR whose context could be told, and an encounter is chosen nowhere else.
        scopes = tuple(scope for scope in scopes if scope not in (LAUNCH, LAUNCH_ENCOUNTER))
    elif LAUNCH not in scopes:
        raise invalid_scope("With launch goes the scope launch, which was not asked for or is not registered.")
    if not scopes:
        raise invalid_scope("Nothing of the scope can be granted: it is malformed, unknown or not registered.")
    return scopes


def _prompt(form: Form) -> str | None:
    """One value of `prompt`: the strictest, as more than one may be sent (OpenID Connect Core section 3.1.2.1)."""
    prompts = form.get("prompt", "").split()
    if not set(prompts) <= _PROMPTS or ("none" in prompts and len(set(prompts)) > 1):
        raise invalid_request("prompt is none alone, or of login, consent and select_account.")
    return next((each for each in ("none", "login", "select_account", "consent") if each in prompts), None)


def _max_age(form: Form) -> int | None:
    text = form.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid_request("max_age is a number of seconds.")
    return int(text)


def _acr(form: Form) -> Acr | None:
    """The least sure sign-in of those that would do (RFC 9470 section 5). Raises OAuthError where none is ours."""
    asked = form.get("acr_values", "").split()
    acr = least(asked)
    if asked and acr is None:
        raise unmet()
    return acr


def _refused(visit: Visit, redirect_uri: str, error: OAuthError) -> Response:
    states = visit.values("state")
    state = states[0] if len(states) == 1 and len(states[0]) <= _LONGEST else ""
    answer = {"error": error.error, "error_description": error.text, "state": state, "iss": visit.base}
    return see(with_query(redirect_uri, answer))
