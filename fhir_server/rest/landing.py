"""`GET /`: what this server is, for a person who has just found it, and where to go from here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_server.core.outcome import FhirError
from fhir_server.interactions.context import RequestContext
from fhir_server.rest.html import Page, page
from fhir_server.store.mongo import Database


class StoryLink(Protocol):
    """A link of a story; `path` is relative to the FHIR base."""

    @property
    def text(self) -> str: ...
    @property
    def path(self) -> str: ...


class Story(Protocol):
    """Something the demo population shows, in a sentence or two."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def links(self) -> Sequence[StoryLink]: ...


class Account(Protocol):
    """Somebody who can sign in to try the server."""

    @property
    def username(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def shows(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Demo:
    """The stories of the demo population and the accounts to try it with, and how to learn whether each is there."""

    stories: Sequence[Story]
    is_loaded: Callable[[Database], Awaitable[bool]]
    accounts: Sequence[Account]
    has_accounts: Callable[[Database], Awaitable[bool]]


def landing_route(demo: Demo, *, signs_in: bool, shows_mailbox: bool = False) -> Route:
    """The route of the page; `signs_in` says whether apps can sign in here, `shows_mailbox` whether letters are shown
    in place of being sent.
    """

    async def answer(request: Request, context: RequestContext) -> Response:
        database = context.server.database
        values = {
            "base": context.base,
            "stories": demo.stories,
            "is_loaded": await _answer(demo.is_loaded, database),
            "signs_in": signs_in,
            "shows_mailbox": signs_in and shows_mailbox,
            "accounts": demo.accounts if signs_in and await _answer(demo.has_accounts, database) else (),
        }
        return page("landing.html", context.base, values, headers={"cache-control": "no-cache"})

    return Route("/", Page(answer), methods=None)


async def _answer(question: Callable[[Database], Awaitable[bool]], database: Database) -> bool | None:
    """What the database says; None where it does not."""
    try:
        return await question(database)
    except FhirError:
        # The page is of use while the database is away, too.
        return None
