"""What every page does before it is asked anything: the request's id, files only where they are taken."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from smart_auth.pages.render import page_headers
from smart_auth.settings import SmartSettings
from smart_auth.visit import PageEndpoint, Visit
from tests.auth.browsing import ORIGIN, PageServer, page_server

PROOF = {"proof": ("dd-214.pdf", b"%PDF-1.7 and more", "application/pdf")}


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server(settings=SmartSettings(proof_bytes_max=1000)) as server:
        yield server


class Numbered:
    """Gives each request the id that our middleware would have given it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["request_id"] = "request-7"
        await self.app(scope, receive, send)


async def told(visit: Visit) -> Response:
    """Answers by what was sent."""
    files = [f"{each.field} {each.name} {each.media_type} {len(each.content)}" for each in visit.files]
    return Response(";".join([visit.value("name"), *files]), headers=page_headers())


async def posted(server: PageServer, takes_files: bool, **sent: object) -> httpx.Response:
    app = Starlette(routes=[Route("/page", PageEndpoint(server.parts, told, takes_files=takes_files), methods=None)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as http:
        return await http.post("/page", **sent)  # type: ignore[arg-type]


async def test_a_page_that_takes_files_gets_them_beside_the_fields(server: PageServer) -> None:
    answer = await posted(server, True, data={"name": "Ann"}, files=PROOF)
    assert answer.text == "Ann;proof dd-214.pdf application/pdf 17"


async def test_it_takes_a_form_without_files_as_well(server: PageServer) -> None:
    assert (await posted(server, True, data={"name": "Ann"})).text == "Ann"


async def test_any_other_page_refuses_files(server: PageServer) -> None:
    answer = await posted(server, False, data={"name": "Ann"}, files=PROOF)
    assert answer.status_code == 415


async def test_files_over_the_limit_are_refused(server: PageServer) -> None:
    large = {"proof": ("scan.pdf", b"x" * 200_000, "application/pdf")}
    assert (await posted(server, True, files=large)).status_code == 413


async def test_a_control_character_in_a_field_of_a_multipart_form_is_refused(server: PageServer) -> None:
    assert (await posted(server, True, data={"name": "a\x00b"}, files=PROOF)).status_code == 400


async def test_rows_of_the_audit_log_name_the_request(server: PageServer) -> None:
    transport = httpx.ASGITransport(Numbered(server.app))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        form = {"grant_type": "authorization_code", "code": "x", "client_id": "nobody"}
        await http.post("/auth/token", data=form)
        (event,) = server.trail.events
        assert (event.kind, event.request_id) == ("token-refused", "request-7")
        refused = await http.post("/auth/login", data={"username": "ann"})
        assert refused.status_code == 403
        assert "request-7" in refused.text


async def test_outside_of_a_request_there_is_no_id(server: PageServer) -> None:
    await server.parts.note("logout", "by a test")
    assert server.trail.events[0].request_id == ""
