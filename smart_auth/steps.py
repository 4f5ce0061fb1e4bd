"""What stands between a request to authorize and its code: sign-in, gates, the choice of a patient, consent.

Each page asks `next_page` where the person has to be, so that no page can be passed by. A gate is one more row of the
tuple that the routes are made with.
https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from smart_auth.access import Acr, Level
from smart_auth.errors import OAuthError, access_denied
from smart_auth.identity.assurance import HOW_TO_UPGRADE, open_scopes, reaches
from smart_auth.records import LAUNCHES, REQUESTS, Account, AuthorizationRequest, Client, Launch, Session, read
from smart_auth.scopes import LAUNCH_PATIENT, OFFLINE_ACCESS, at_levels
from smart_auth.visit import Visit, see

LOGIN = "/auth/login"
STEP_UP = "/auth/step-up"
PICKER = "/auth/patient"
CONSENT = "/auth/consent"

_OF_ANYBODY: tuple[Level, ...] = ("user",)

OVER = "This sign-in has ended: it was answered already, or too much time has passed. Start again from the app."


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person on the way to a code: what the app asked for, and who is signed in here, if anybody.

    `patients` are those that the account acts for now. `wanted` is how sure the sign-in has to be: the app says so, or
    what it is about (breaking the glass).
    """

    request: AuthorizationRequest
    client: Client
    launch: Launch | None
    session: Session | None
    account: Account | None
    patients: tuple[str, ...] = ()
    wanted: Acr | None = None


Gate = Callable[[Arrival], Awaitable[str | None]]
"""What a signed-in person must pass before anything is granted: the path of its page, None once it is passed."""


Step = Callable[[Visit, Arrival, str], Awaitable[Response]]
"""The page of one step: answers whoever arrived, and who has to be at the page of this path."""


@dataclass(frozen=True, slots=True)
class StepPage:
    """What the pages between sign-in and code begin with: whose request it is, a form of ours, where to be next."""

    answer: Step
    gates: tuple[Gate, ...]

    async def __call__(self, visit: Visit) -> Response:
        """Raises OAuthError for a request that is over, and for a form that another page sent."""
        at = await arrival(visit)
        if visit.is_post:
            visit.check_form()
        try:
            there = await next_page(at, visit.parts.now(), self.gates)
        except OAuthError as error:
            return await refused_to_app(visit, at, error)
        return await self.answer(visit, at, there)


async def arrival(visit: Visit) -> Arrival:
    """The request that this page is about. Raises OAuthError 400 for one that is over or unknown."""
    documents = visit.parts.documents
    id = visit.value("request")
    document = await documents.get(REQUESTS, id) if id else None
    request = None if document is None else read(AuthorizationRequest, document)
    if request is None or request.created_at + visit.parts.settings.request_minutes * 60 <= visit.parts.now():
        raise OAuthError(400, "invalid_request", OVER)
    client = await visit.parts.clients.get(request.client_id)
    if client is None:
        raise OAuthError(400, "unauthorized_client", "This app is no longer registered here.")
    kept = await documents.get(LAUNCHES, request.launch) if request.launch is not None else None
    if request.launch is not None and kept is None:
        raise OAuthError(400, "invalid_request", OVER)
    launch = None if kept is None else read(Launch, kept)
    patients = () if visit.account is None else await visit.parts.patients_of(visit.account)
    wanted = _wanted(request, launch, visit.parts.settings.card_for)
    return Arrival(request, client, launch, visit.session, visit.account, patients, wanted)


def _wanted(request: AuthorizationRequest, launch: Launch | None, card_for: Collection[str]) -> Acr | None:
    is_emergency = launch is not None and launch.emergency_reason is not None
    return "card" if is_emergency and "emergency" in card_for else request.acr


async def next_page(at: Arrival, now: int, gates: tuple[Gate, ...]) -> str:
    """The path of the page where this person has to be next; CONSENT once nothing else is missing.

    Raises OAuthError access_denied, which is the app's to know, where no page could help.
    """
    if must_sign_in(at, now) or at.account is None or at.session is None:
        return LOGIN
    if not reaches(at.session.acr, at.wanted):
        return STEP_UP
    refuse_impossible(at, at.account)
    for gate in gates:
        page = await gate(at)
        if page is not None:
            return page
    if needs_patient(possible_scopes(at)) and patient_of(at) is None:
        return PICKER
    return CONSENT


def must_sign_in(at: Arrival, now: int) -> bool:
    """Whether a password is asked for, though there may be a session (OpenID Connect Core 3.1.2.1: prompt, max_age)."""
    if at.session is None:
        return True
    if at.request.account is not None:
        # Somebody came here for this very request; nobody else goes on with it.
        return at.request.account != at.session.account
    if at.request.prompt in ("login", "select_account"):
        return True
    return at.request.max_age is not None and at.session.signed_in_at + at.request.max_age < now


def refuse_impossible(at: Arrival, account: Account) -> None:
    """Raises OAuthError access_denied where this account can grant nothing of what was asked."""
    if at.launch is not None and at.launch.account != account.id:
        raise access_denied("The app was launched by another account than the one signed in.")
    scopes = possible_scopes(at)
    if not scopes and at.session is not None and at.session.acr == "level1":
        raise access_denied(f"{HOW_TO_UPGRADE} (insufficient-assurance)")
    if not scopes:
        raise access_denied("An account of this kind can grant nothing of what the app asks for.")
    if needs_patient(scopes) and account.kind == "patient" and not at.patients and patient_of(at) is None:
        raise access_denied("This account belongs to no health record.")


def possible_scopes(at: Arrival) -> tuple[str, ...]:
    """What of the asked scopes the account can grant at all: those who care for no patient have no patient's record.

    A sign-in of level 1 grants nothing of a patient.
    """
    scopes = at.request.scopes
    if at.launch is not None and at.launch.emergency_reason is not None:
        # A broken glass is for the emergency, not for a hundred days.
        scopes = tuple(scope for scope in scopes if scope != OFFLINE_ACCESS)
    if at.account is not None and at.account.kind not in ("patient", "practitioner"):
        scopes = tuple(scope for scope in at_levels(scopes, _OF_ANYBODY) if scope != LAUNCH_PATIENT)
    if at.account is not None and at.session is not None and at.session.acr == "level1":
        has_record = at.account.kind != "patient" or bool(at.patients)
        scopes = open_scopes(scopes, has_record)
    return scopes


def needs_patient(scopes: tuple[str, ...]) -> bool:
    """Whether one patient must be in context: it is asked for, or all that a `patient/` scope reaches depends on it."""
    return any(scope == LAUNCH_PATIENT or scope.startswith("patient/") for scope in scopes)


def patient_of(at: Arrival) -> str | None:
    """The patient in context: of the launch, as picked, or the only one an account acts for."""
    if at.launch is not None and at.launch.patient is not None:
        return at.launch.patient
    if at.request.patient is not None and _may_be_picked(at, at.request.patient):
        return at.request.patient
    if at.account is not None and at.account.kind == "patient" and len(at.patients) == 1:
        return at.patients[0]
    return None


def _may_be_picked(at: Arrival, patient: str) -> bool:
    """Whether what was picked is still theirs: a relation may have ended since then."""
    return at.account is None or at.account.kind != "patient" or patient in at.patients


def unmet() -> OAuthError:
    """Who signed in is not as sure as the app asks for, and is not going to be."""
    return OAuthError(400, "unmet_authentication_requirements", "The sign-in is not as sure as acr_values asks for.")


def page_of(path: str, request_id: str) -> str:
    """The address of a page for one request to authorize."""
    return f"{path}?request={quote(request_id, safe='')}"


def back_to_app(request: AuthorizationRequest, answer: dict[str, str]) -> Response:
    """Sends the browser back with an answer, the state as it was sent, and who answers (RFC 6749 4.1.2, RFC 9207)."""
    return see(with_query(request.redirect_uri, {**answer, "state": request.state, "iss": request.base}))


async def refused_to_app(visit: Visit, at: Arrival, error: OAuthError) -> Response:
    """Sends the browser back with an error (RFC 6749 section 4.1.2.1), and the request is over."""
    if not await visit.parts.documents.remove(REQUESTS, at.request.id):
        raise OAuthError(400, "invalid_request", OVER)
    if at.account is not None:
        await visit.parts.note(
            "grant-refused",
            f"{error.error}: {error.text} Scope: {' '.join(at.request.scopes)}",
            client_id=at.client.id,
            account=at.account,
            patient=patient_of(at),
            is_failure=True,
        )
    return back_to_app(at.request, {"error": error.error, "error_description": error.text})


def with_query(uri: str, parameters: dict[str, str]) -> str:
    """An address with parameters added to those it has; empty ones are left out."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items() if value)
    return f"{uri}{'&' if '?' in uri else '?'}{added}"
