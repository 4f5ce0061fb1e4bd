"""A real browser: Debian's chromium, driven by Playwright, and axe-core for the rules of accessibility.

https://playwright.dev/python/, https://github.com/dequelabs/axe-core
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Request, async_playwright

from tests.conftest import RunningServer
from tests.require import require, require_npm
from tests.rest.conftest import created, observation, patient

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = require("chromium")
    # chromium's own sandbox refuses to work for root, as which tests run in a container.
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=as_root)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return (require_npm("axe-core", "browser") / "axe.min.js").read_text(encoding="utf-8")


@dataclass(slots=True)
class Visit:
    """A page in a browser with all that it complained about, and what it asked of other hosts."""

    page: Page
    root: str
    complaints: list[str] = field(default_factory=list)
    strayed: list[str] = field(default_factory=list)

    def asked(self, request: Request) -> None:
        if not request.url.startswith(self.root):
            self.strayed.append(request.url)

    async def go(self, path: str) -> None:
        await self.page.goto(self.root + path)

    async def broken_rules(self, axe: str) -> list[str]:
        """The rules that the page breaks, with the elements that do."""
        # Evaluated by the debugger, as the page itself lets no script run.
        await self.page.evaluate(axe)
        found: dict[str, Any] = await self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", RULES
        )
        return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found["violations"]]


@dataclass(frozen=True, slots=True)
class OpenPage:
    """Opens pages of the run's server, each in a window of its own."""

    browser: Browser
    root: str
    opened: list[Visit]

    async def __call__(self, path: str, **options: Any) -> Visit:
        """`options` are those of Playwright's `new_context`."""
        context = await self.browser.new_context(**options)
        visit = Visit(await context.new_page(), self.root)
        visit.page.on("console", lambda said: visit.complaints.append(said.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("dialog", lambda dialog: visit.complaints.append(f"dialog: {dialog.message}"))
        visit.page.on(
            "request", lambda asked: None if asked.url.startswith(self.root) else visit.strayed.append(asked.url)
        )
        self.opened.append(visit)
        await visit.go(path)
        return visit


@pytest.fixture
async def visit(browser: Browser, shared_server: RunningServer) -> AsyncIterator[OpenPage]:
    opened: list[Visit] = []
    yield OpenPage(browser, shared_server.base.removesuffix("/fhir"), opened)
    for each in opened:
        await each.page.context.close()


@dataclass(frozen=True, slots=True)
class Record:
    """A patient with three observations, and the family name that only this one has."""

    patient: str
    observation: str
    family: str


@pytest.fixture(scope="session")
def record(shared_server: RunningServer) -> Record:
    with httpx.Client(base_url=f"{shared_server.base}/", timeout=30, trust_env=False) as api:
        who = created(api, patient(name=[{"family": "Browserpatient", "given": ["Synthia"]}], active=True))
        made = [created(api, observation(who["id"], valueQuantity={"value": 178, "unit": "cm"})) for _ in range(3)]
        api.put(f"Patient/{who['id']}", json=who | {"active": False})
    return Record(who["id"], made[0]["id"], "Browserpatient")
