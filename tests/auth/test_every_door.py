"""Every page and endpoint of sign-in, by everybody: who is shown what, and what becomes of a form that no page of ours
sent. What joins the routes fails here until the table knows it.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import lxml.html
import pytest
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.demo_accounts import add_demo_accounts
from fhir_server.settings import Settings
from seeds.accounts import users
from tests.auth.card_authority import SECRET, Authority, pem

ORIGIN = "http://localhost:8080"

CALLERS: Mapping[str, str | None] = {
    "nobody": None,
    "level-one": "siobhan.oconnor",
    "patient": "ana.rivera",
    "doctor": "grace.okafor",
    "admin": "administrator",
}

DOORS: Mapping[str, tuple[str, ...]] = {
    path: tuple(cells)
    for path, *cells in map(
        str.split,
        """
/auth/authorize                   400       400       400       400       400       400       400
/auth/card                        401       401       401       401       401       403       403
/auth/card/register               401       401       401       401       401       403       403
/auth/cards                       login     200       200       200       200       login     403
/auth/code                        login     login     login     login     login     403       403
/auth/conditions                  200       200       200       200       200       400       400
/auth/confirm                     400       400       400       400       400       403       403
/auth/consent                     400       400       400       400       400       400       400
/auth/contact                     login     403       200       403       403       login     403
/auth/family                      login     403       200       403       403       login     403
/auth/family/enroll               login     403       200       403       403       login     403
/auth/introspect                  405       405       405       405       405       400       400
/auth/jwks                        200       200       200       200       200       405       405
/auth/launch                      login     403       403       200       403       login     403
/auth/login                       200       manage    manage    manage    manage    403       403
/auth/logon/deactivate            login     200       200       200       200       login     403
/auth/logon/new                   200       200       200       200       200       403       403
/auth/logon/password              login     200       200       200       200       login     403
/auth/logon/upgrade               login     200       200       200       200       login     403
/auth/logout                      200       200       200       200       200       200       403
/auth/mailbox                     404       404       404       404       404       405       405
/auth/manage                      login     200       200       200       200       login     403
/auth/one-time-codes              login     200       200       200       200       login     403
/auth/patient                     400       400       400       400       400       400       400
/auth/provider/other              200       200       200       200       200       403       403
/auth/provider/other/callback     401       401       401       401       401       405       405
/auth/provider/other/link         405       405       405       405       405       401       401
/auth/register                    405       405       405       405       405       401       401
/auth/register/{client_id}        401       401       401       401       401       405       405
/auth/registration                200       200       200       200       200       200       200
/auth/registration/active-duty    401       401       401       401       401       403       403
/auth/registration/confirm        400       400       400       400       400       403       403
/auth/registration/dependent      400       400       400       400       400       403       403
/auth/registration/retiree        200       200       200       200       200       403       403
/auth/registration/status         200       200       200       200       200       200       200
/auth/registration/veteran        200       200       200       200       200       403       403
/auth/registrations               login     403       403       200       403       login     403
/auth/registrations/begin         login     403       403       403       403       login     403
/auth/reset                       200       200       200       200       200       403       403
/auth/reset/new                   400       400       400       400       400       403       403
/auth/revoke                      405       405       405       405       405       400       400
/auth/step-up                     login     manage    manage    manage    manage    login     403
/auth/style                       200       200       200       200       200       405       405
/auth/style.css                   200       200       200       200       200       405       405
/auth/token                       405       405       405       405       405       400       400
/auth/userinfo                    401       401       401       401       401       401       401
/help                             200       200       200       200       200       405       405
""".strip().splitlines(),
    )
}
"""What GET gives nobody, level one, a patient, a practitioner and an administrator; then what a form gives nobody and a
patient that has neither cookie nor secret of ours. `login` and `manage` are where a browser is sent on to. No clinician
has a role in this database, so none begins a registration.
"""

PROVIDER = {"name": "other", "label": "Other", "issuer": "https://other.example", "client_id": "us"}


@dataclass(frozen=True, slots=True)
class House:
    """The application with all that sign-in can stand on, and a browser of each caller."""

    app: Any
    browsers: Mapping[str, httpx.AsyncClient]

    @property
    def doors(self) -> set[str]:
        paths = {getattr(route, "path", "") for route in self.app.router.routes}
        return {path for path in paths if path.startswith(("/auth", "/help"))}

    async def told(self, who: str, method: str, door: str) -> str:
        url = door.replace("{client_id}", "x")
        response = await self.browsers[who].request(method, url, data={"a": "b"} if method == "POST" else None)
        if response.is_redirect:
            return response.headers["location"].partition("?")[0].removeprefix("/auth/")
        return str(response.status_code)


@asynccontextmanager
async def browser(app: Any, username: str | None) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, timeout=30) as http:
        if username is not None:
            password = next(each.password for each in users() if each.username == username)
            form = lxml.html.fromstring((await http.get("/auth/login?next=manage")).text).forms[0]
            sent = dict(form.form_values()) | {"username": username, "password": password}
            assert (await http.post("/auth/login", data=sent)).headers["location"] == "/auth/manage"
        yield http


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("cards")
    (folder / "roots.pem").write_text(pem(Authority.root(int(time.time())).certificate))
    app = create_app(
        Settings(
            auth="smart",
            mongodb_uri=mongodb_uri,
            mongodb_database=f"test_{uuid4().hex[:16]}",
            trusted_proxies=("127.0.0.1",),
            card_anchors=folder / "roots.pem",
            card_proxy_secret=SECRET,
            mail_url="smtp://127.0.0.1:9?starttls=off",
            providers=(PROVIDER,),
        )
    )
    async with app.router.lifespan_context(app):
        await add_demo_accounts(app.state.server.database, app.state.authorization, date(2026, 11, 22))
        browsers = {}
        opened = [(who, browser(app, username)) for who, username in CALLERS.items()]
        for who, each in opened:
            browsers[who] = await each.__aenter__()
        yield House(app, browsers)
        for _, each in opened:
            await each.__aexit__(None, None, None)
        await app.state.server.database.client.drop_database(app.state.server.database.handle.name)


async def test_every_door_is_in_the_table(house: House) -> None:
    assert house.doors == set(DOORS)


async def test_everybody_is_shown_what_the_table_says(house: House) -> None:
    found = {
        door: tuple(
            [await house.told(who, "GET", door) for who in CALLERS]
            + [await house.told(who, "POST", door) for who in ("nobody", "patient")]
        )
        for door in sorted(house.doors)
    }
    wrong = {door: (told, DOORS.get(door)) for door, told in found.items() if told != DOORS.get(door)}
    assert not wrong, wrong


async def test_no_form_that_another_site_sent_does_anything_in_anybodys_name(house: House) -> None:
    for who in CALLERS:
        for door in sorted(house.doors):
            assert (await house.told(who, "POST", door)) not in {"manage", "201", "204"}, (who, door)
