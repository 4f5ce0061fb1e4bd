"""The page for whoever is signed in, but not surely enough: what is asked for, and how to get there.

https://www.rfc-editor.org/rfc/rfc9470, https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html
"""

from starlette.responses import Response

from smart_auth.access import Acr
from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError
from smart_auth.pages.render import page
from smart_auth.sign_in import afterwards, next_of
from smart_auth.steps import STEP_UP, Arrival, Gate, StepPage, page_of, refused_to_app, unmet
from smart_auth.visit import PageEndpoint, Visit, see


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths."""
    on_the_way = StepPage(step_up, gates)

    async def answer(visit: Visit) -> Response:
        return await (on_the_way(visit) if visit.value("request") else _by_oneself(visit))

    return {STEP_UP: PageEndpoint(parts, answer)}


async def step_up(visit: Visit, at: Arrival, there: str) -> Response:
    """GET says what the app asks for; POST goes back to it without (`decision=back`)."""
    if there != STEP_UP or at.wanted is None:
        return see(page_of(there, at.request.id))
    if not visit.is_post:
        return _page(visit, at.wanted, at)
    if visit.value("decision") != "back":
        raise OAuthError(400, "invalid_request", "The answer is to go back to the app, or to sign in otherwise.")
    await visit.parts.note(
        "step-up", f"{at.wanted} not reached", client_id=at.client.id, account=at.account, is_failure=True
    )
    return await refused_to_app(visit, at, unmet())


async def _by_oneself(visit: Visit) -> Response:
    """Where a page of our own asks for the card, by its name in `next`."""
    if visit.account is None or visit.session is None:
        return see(f"/auth/login?next={next_of(visit)}")
    if visit.is_post:
        visit.check_form()
    if visit.session.acr == "card" or not next_of(visit):
        return see(afterwards(visit))
    return _page(visit, "card", None)


def _page(visit: Visit, wanted: Acr, at: Arrival | None) -> Response:
    values = {
        "app": None if at is None else at.client.name,
        "wanted": wanted,
        "has_cards": visit.parts.portal.cards is not None,
        "account": visit.account,
        "request": "" if at is None else at.request.id,
        "next": next_of(visit),
        "help_desk": visit.parts.portal.help_desk,
        "csrf": visit.csrf,
        "fault": "",
    }
    return page("step_up.html", values, status=200)
