"""The pages of people, and the style that apps can take over from them.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#smart_style_url
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from smart_auth import (
    card_pages,
    code_pages,
    family_pages,
    gate_pages,
    logon_pages,
    provider_pages,
    registration_pages,
    step_up_pages,
    support_pages,
)
from smart_auth.authorization import Authorization
from smart_auth.authorize import authorize
from smart_auth.consent import consent
from smart_auth.launch import launch
from smart_auth.login import LoginPage, logout
from smart_auth.manage import manage
from smart_auth.pages.render import STYLE_PATH, style
from smart_auth.picker import picker
from smart_auth.steps import CONSENT, LOGIN, PICKER, Gate, StepPage
from smart_auth.visit import Answer, PageEndpoint

GATHERED = (
    code_pages,
    step_up_pages,
    card_pages,
    logon_pages,
    gate_pages,
    registration_pages,
    family_pages,
    provider_pages,
    support_pages,
)
"""Modules with pages of their own."""

SMART_STYLE = {
    "color_background": "#ffffff",
    "color_error": "#a3141d",
    "color_highlight": "#0b57b0",
    "color_modal_backdrop": "#1a2027",
    "color_success": "#1d5c2b",
    "color_text": "#1a2027",
    "dim_border_radius": "4px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
"""What an app that is opened from here may look like: the light colours of our own style."""


def pages_routes(authorization: Authorization, gates: tuple[Gate, ...] = ()) -> list[Route]:
    """The routes of all pages, at the origin's root. `gates` are what people must pass between sign-in and consent."""
    answers: dict[str, Answer] = {
        "/auth/authorize": authorize,
        LOGIN: LoginPage(gates),
        PICKER: StepPage(picker, gates),
        CONSENT: StepPage(consent, gates),
        "/auth/logout": logout,
        "/auth/manage": manage,
        "/auth/launch": launch,
    }
    pages = {path: PageEndpoint(authorization, answer) for path, answer in answers.items()}
    for module in GATHERED:
        pages |= module.pages(authorization, gates)
    routes = [Route(path, endpoint, methods=None) for path, endpoint in pages.items()]
    return [*routes, Route("/auth/style", _smart_style), Route(STYLE_PATH, _style)]


async def _style(request: Request) -> Response:
    return style()


async def _smart_style(request: Request) -> Response:
    headers = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}
    return JSONResponse(SMART_STYLE, headers=headers | {"x-content-type-options": "nosniff"})
