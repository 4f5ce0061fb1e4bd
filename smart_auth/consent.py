"""The consent page: what the app asks for, as boxes that can be unticked; and the code where the answer is yes.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-4,
https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
"""

from urllib.parse import urlsplit

from starlette.responses import Response

from smart_auth import consent_choices
from smart_auth.consent_choices import Section, sections
from smart_auth.errors import OAuthError, access_denied
from smart_auth.pages.render import page
from smart_auth.records import LAUNCHES, REQUESTS, Account, Grant, Session
from smart_auth.scopes import LAUNCH
from smart_auth.steps import (
    CONSENT,
    LOGIN,
    OVER,
    STEP_UP,
    Arrival,
    Gate,
    back_to_app,
    needs_patient,
    next_page,
    page_of,
    patient_of,
    possible_scopes,
    refused_to_app,
    unmet,
)
from smart_auth.visit import Visit, see

_CODES = {"/auth/contact": " (contact-not-verified)", "/auth/conditions": " (terms-not-accepted)"}
"""What the catalogue of errors calls the gates, by their pages."""


async def consent(visit: Visit, at: Arrival, there: str) -> Response:
    """GET shows the boxes, POST answers: `decision` is `allow`, with the ticked boxes as `scope`, or `deny`."""
    if there != CONSENT:
        return see(page_of(there, at.request.id))
    if not visit.is_post:
        return await _page(visit, at, sections(possible_scopes(at)))
    return await _answered(visit, at)


async def silently(visit: Visit, at: Arrival, gates: tuple[Gate, ...]) -> Response:
    """The answer to `prompt=none`: a code where nothing has to be asked, else what would have to be.

    OpenID Connect Core section 3.1.2.6. The same was granted before and still stands, for the same patient.
    """
    try:
        there = await next_page(at, visit.parts.now(), gates)
        if there == LOGIN:
            raise OAuthError(400, "login_required", "Nobody is signed in.")
        if there == STEP_UP:
            raise unmet()
        if there != CONSENT:
            raise OAuthError(400, "interaction_required", f"Something has to be answered first{_CODES.get(there, '')}.")
        scopes = possible_scopes(at)
        if not _is_surely_the_app(at) or not await _was_granted(visit, at, scopes):
            raise OAuthError(400, "consent_required", "This was not granted yet.")
    except OAuthError as error:
        return await refused_to_app(visit, at, error)
    return await _code(visit, at, scopes)


async def _answered(visit: Visit, at: Arrival) -> Response:
    decision = visit.value("decision")
    if decision == "deny":
        return await refused_to_app(visit, at, access_denied("The person did not allow it."))
    if decision != "allow":
        raise OAuthError(400, "invalid_request", "The answer is to allow or to deny.")
    boxes, offered = frozenset(visit.values("scope")), sections(possible_scopes(at))
    scopes = consent_choices.granted(offered, boxes)
    if not scopes:
        return await _page(visit, at, consent_choices.ticked(offered, boxes), "Nothing is ticked.")
    return await _code(visit, at, scopes)


async def _code(visit: Visit, at: Arrival, scopes: tuple[str, ...]) -> Response:
    """Keep the grant, write it down, and send the browser back with the code; once for a request."""
    if at.account is None or at.session is None or not await visit.parts.documents.remove(REQUESTS, at.request.id):
        raise OAuthError(400, "invalid_request", OVER)
    if at.launch is not None and not await visit.parts.documents.remove(LAUNCHES, at.launch.id):
        raise OAuthError(400, "invalid_request", OVER)
    grant = await _grant(visit, at, at.account, at.session, scopes)
    code = await visit.parts.grants.issue_code(grant, at.request)
    await _note_grant(visit, at, grant)
    return back_to_app(at.request, {"code": code})


async def _grant(visit: Visit, at: Arrival, account: Account, session: Session, scopes: tuple[str, ...]) -> Grant:
    launch = at.launch if LAUNCH in scopes or needs_patient(scopes) else None
    patient = patient_of(at) if launch is not None or needs_patient(scopes) else None
    return await visit.parts.grants.create(
        client=at.client,
        account=account,
        scopes=scopes,
        base=at.request.base,
        auth_time=session.signed_in_at,
        acr=session.acr,
        amr=session.amr,
        session=session.id,
        patient=patient,
        encounter=None if launch is None else launch.encounter,
        launch=launch,
        nonce=at.request.nonce,
        emergency=launch is not None and launch.emergency_reason is not None,
    )


def _is_surely_the_app(at: Arrival) -> bool:
    """Whether nobody but the app itself can be at the address (RFC 8252 section 8.6), or it proves who it is later on.

    Any program takes a free port of loopback, or a private-use scheme.
    """
    if at.client.auth_method != "none" or at.request.redirect_uri.startswith("https:"):
        return True
    return at.request.redirect_uri.startswith("http:") and at.request.redirect_uri in at.client.redirect_uris


async def _was_granted(visit: Visit, at: Arrival, scopes: tuple[str, ...]) -> bool:
    if at.account is None or (at.launch is not None and at.launch.emergency_reason is not None):
        return False
    return any(
        grant.client_id == at.client.id
        and set(scopes) <= set(grant.scopes)
        and (not needs_patient(scopes) or grant.patient == patient_of(at))
        for grant in await visit.parts.grants.of_account(at.account.id)
    )


async def _note_grant(visit: Visit, at: Arrival, grant: Grant) -> None:
    text = f"scope: {' '.join(grant.scopes)}"
    if grant.emergency and at.launch is not None:
        text = f"{text}; emergency: {at.launch.emergency_reason}"
    await visit.parts.note(
        "emergency" if grant.emergency else "grant",
        text,
        client_id=grant.client_id,
        account=at.account,
        patient=grant.patient,
    )


async def _page(visit: Visit, at: Arrival, offered: tuple[Section, ...], fault: str = "") -> Response:
    patient = patient_of(at)
    named = await visit.parts.directory.patients([patient]) if patient is not None else []
    values = {
        "app": at.client.name,
        "host": urlsplit(at.request.redirect_uri).hostname or urlsplit(at.request.redirect_uri).scheme,
        "sections": offered,
        "patient": named[0] if named else None,
        "is_own": at.account is not None and at.account.kind == "patient" and at.account.patients[:1] == (patient,),
        "is_self_registered": at.client.registered_by == "dynamic",
        "is_emergency": at.launch is not None and at.launch.emergency_reason is not None,
        "is_level_one": at.session is not None and at.session.acr == "level1",
        "account": at.account,
        "request": at.request.id,
        "csrf": visit.csrf,
        "fault": fault,
    }
    return page("consent.html", values, status=400 if fault else 200)
