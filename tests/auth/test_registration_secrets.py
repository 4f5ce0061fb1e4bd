"""A Social Security number typed wherever it can be stands afterwards in no document, no resource and no log line.

The pages are served by uvicorn with its access log, over a real database whose collections are read behind everybody's
back, once everything has ended.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from smart_auth import registration_pages
from smart_auth.records import REGISTRATIONS
from tests.auth.browsing import ORIGIN, Browser, PageServer
from tests.auth.registering import PASSWORD, RETIREE, VETERAN, Registering, registering, sent_with_file

NUMBERS = ("912345678", "923456789", "934567890")
KIM = {"name": "Kim Example", "birth_date": "2020-05-05", "relationship": "child", "proof": "birth-certificate"}


def dashed(number: str) -> str:
    return f"{number[:3]}-{number[3:5]}-{number[5:]}"


class Through(httpx.AsyncHTTPTransport):
    """Sends everything to a port of this machine, whatever the name asked for."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = request.url.copy_with(host="127.0.0.1", port=self.port)
        sent = httpx.Request(request.method, there, headers=request.headers, stream=request.stream)
        sent.extensions = request.extensions
        return await super().handle_async_request(sent)


@asynccontextmanager
async def served(pages: PageServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The pages behind a socket, for every browser opened meanwhile."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(pages.app, log_config=None, log_level="trace", lifespan="off"))
    # What comes before it serves waits in the socket.
    running = asyncio.create_task(server.serve([listening]))

    def another_browser(self: PageServer) -> Browser:
        http = httpx.AsyncClient(transport=Through(port), base_url=ORIGIN)
        self.others.append(http)
        return Browser(http)

    with monkeypatch.context() as changed:
        changed.setattr(PageServer, "another_browser", another_browser)
        yield
    server.should_exit = True
    await running


async def database_text(desk: Registering) -> str:
    """Every document of every collection."""
    handle, found = desk.record.context.server.database.handle, list[str]()
    for name in await handle.list_collection_names():
        async for document in handle[name].find({}):
            found.append(f"{name} {document!r}")
    return "\n".join(found)


async def typed_everywhere(desk: Registering) -> None:
    """Rightly, wrongly, and where nobody asked for it; with dashes and without."""
    plain, other, nobodys = NUMBERS
    await desk.register("retiree")
    await desk.confirm()
    await desk.register("veteran", username="jose", email="jose@example.org", ssn=other)
    await desk.confirm()
    for ssn in (plain, dashed(plain), nobodys, dashed(nobodys), f" {plain[:3]} {plain[3:5]} {plain[5:]} "):
        desk.pages.clock.seconds += 3600
        fields = {"birth_date": "1955-02-04", "username": "third", "email": "third@example.org"}
        await desk.register("retiree", None, ssn=ssn, **fields)
        await desk.register("veteran", None, **VETERAN | {"ssn": ssn, "birth_date": "1955-02-05", "username": "fourth"})
        await desk.register("retiree", username=ssn)
        browser = desk.pages.another_browser()
        await browser.sign_in(await browser.go("/auth/login"), ssn, ssn)
        await browser.send(await browser.go("/auth/reset"), username=ssn)
        await browser.sign_in(await browser.go("/auth/login"), "ann")
        form = await browser.go("/auth/family/enroll")
        for field in ("card_number", "relationship", "birth_date"):
            await sent_with_file(browser, form, b"%PDF-1.7", **KIM | {field: ssn})


async def test_a_number_typed_everywhere_stands_nowhere(
    mongodb_uri: str,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    # The driver's own log holds each command that is sent, and is never on: the database is looked at itself.
    for name in ("pymongo", "motor", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.WARNING)
    caplog.set_level(logging.DEBUG)
    async with registering(mongodb_uri, database_name, is_kept=True) as desk:
        async with served(desk.pages, monkeypatch):
            await typed_everywhere(desk)
            between = await database_text(desk)
            staff = await desk.staff()
            seen = await staff.go("/auth/registrations")
            await staff.send(seen, decision="accept-proof")
            desk.pages.clock.seconds += 100 * 86_400
            for _ in range(2):
                await desk.registrations.sweep()
                await desk.registrar.sweep()
        kept = await desk.parts.documents.find(REGISTRATIONS, {})
        assert kept and all(each["sealed"] is None and each["decided_at"] is not None for each in kept)
        texts = {
            "the database meanwhile": between,
            "the database at the end": await database_text(desk),
            "the log": "\n".join(f"{each.name} {each.getMessage()} {each.args!r}" for each in caplog.records),
            "the audit log": repr(desk.pages.trail),
            "the letters": "\n".join(f"{each.to} {each.subject} {each.text}" for each in desk.letters.sent),
        }
    assert 'POST /auth/registration/veteran HTTP/1.1" 303' in texts["the log"]
    assert "Patient" in texts["the database at the end"]
    for where, text in texts.items():
        for number in NUMBERS:
            for written in (number, dashed(number), f"{number[:3]} {number[3:5]} {number[5:]}"):
                assert written not in text, (where, text[max(0, text.index(written) - 200) : text.index(written) + 50])
        assert PASSWORD not in text, where
    assert RETIREE["ssn"] == dashed(NUMBERS[0])
