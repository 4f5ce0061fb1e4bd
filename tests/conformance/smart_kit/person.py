"""Somebody with a browser without scripts, who stays signed in and answers whatever page is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
import lxml.html

from seeds.accounts import users

Fields = dict[str, list[str]]
Choice = Callable[[Sequence[str]], Sequence[str]]
"""The boxes that stay ticked on the page of consent, of all that can be ticked there."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the server."""

    response: httpx.Response

    @property
    def html(self) -> Any:
        return lxml.html.fromstring(self.response.text)

    @property
    def text(self) -> str:
        return " ".join(self.html.text_content().split())

    def form(self, *names: str) -> Any:
        """The first form that has fields of all these names. Raises StopIteration where there is none."""
        forms = [(form, {each.get("name") for each in form.xpath(".//*[@name]")}) for form in self.html.forms]
        return next(form for form, found in forms if found.issuperset(names))

    def has(self, *names: str) -> bool:
        """Whether there is such a form."""
        try:
            return self.form(*names) is not None
        except StopIteration:
            return False

    @property
    def boxes(self) -> list[str]:
        """The scopes that can be ticked, the narrower ones among them."""
        return self.html.xpath("//input[@type='checkbox'][@name='scope']/@value")


@dataclass(frozen=True, slots=True)
class Person:
    """A demo user at a browser of their own; `origin` is that of the server."""

    http: httpx.AsyncClient
    origin: str
    username: str

    async def get(self, address: str) -> httpx.Response:
        return await self.http.get(urljoin(self.origin, address))

    async def send(self, page: Page, form: Any, **fields: str | Sequence[str]) -> httpx.Response:
        """Send a form as it stands, with these fields in place of what is in them."""
        values: Fields = {}
        for name, value in form.form_values():
            values.setdefault(name, []).append(value)
        for name, given in fields.items():
            values[name] = [given] if isinstance(given, str) else list(given)
        return await self.http.post(urljoin(str(page.response.url), form.get("action")), data=values)

    async def sent_on(self, response: httpx.Response, choice: Choice | None = None, patient: str | None = None) -> str:
        """Where the browser is sent in the end, off this server, once every page is answered: let the app in."""
        for _ in range(12):
            if response.is_redirect:
                address = urljoin(str(response.url), response.headers["location"])
                if not address.startswith(f"{self.origin}/"):
                    return address
                response = await self.http.get(address)
            else:
                assert response.status_code == 200, response.text
                response = await self._answered(Page(response), choice, patient)
        raise AssertionError(f"no end at {response.url}")

    async def page(self, address: str) -> Page:
        """A page for people who are signed in."""
        response = await self.get(address)
        for _ in range(5):
            if response.is_redirect:
                response = await self.get(urljoin(str(response.url), response.headers["location"]))
            elif Page(response).has("password"):
                response = await self._answered(Page(response), None, None)
            else:
                assert response.status_code == 200, response.text
                return Page(response)
        raise AssertionError(f"no end at {response.url}")

    async def _answered(self, page: Page, choice: Choice | None, patient: str | None) -> httpx.Response:
        if page.has("password"):
            password = next(each.password for each in users() if each.username == self.username)
            return await self.send(page, page.form("password"), username=self.username, password=password)
        if page.has("decision"):
            kept = {} if choice is None else {"scope": choice(page.boxes)}
            return await self.send(page, page.form("decision"), decision="allow", **kept)
        form = page.form("patient")
        chosen = patient or form.xpath(".//input[@name='patient']")[0].get("value")
        return await self.send(page, form, patient=chosen)
