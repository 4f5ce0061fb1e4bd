"""Pages over a server put together by hand: stories, examples, another base, a database that is away."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fhir_server.core import outcome
from fhir_server.definitions.parameter_set import InForce, ParameterSet
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.interactions.context import Server
from fhir_server.rest.api_pages import ApiPages
from fhir_server.rest.html import assets_route
from fhir_server.rest.landing import Demo, landing_route
from fhir_server.rest.middleware import Surroundings
from fhir_server.rest.routes import routes
from fhir_server.store.mongo import Database
from seeds.accounts import User
from seeds.examples import Example
from seeds.stories import Link, Story
from tests.rest.pages import BROWSER, seen

STORIES = (
    Story("A <family>", "Six people & a cat.", (Link("Their names", 'Patient?family=O"Neil|x y&_sort=birthdate'),)),
)
ACCOUNTS = (User("ann <a>", "secret & more", "patient", "Ann", "What <b>Ann</b> sees"),)
EXAMPLES = (
    Example("Patient", "Read <one>", "GET", "Patient/rivera-ana"),
    Example("Patient", "Only if changed", "GET", "Patient/rivera-ana", headers=(("If-None-Match", 'W/"1"'),)),
    Example("Patient", "Change it", "PUT", "Patient/rivera-ana", body='{"resourceType": "Patient"}'),
    Example("", "All of it", "GET", "metadata"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A server without a database, as a browser on its own machine sees it."""

    app: Starlette

    async def get(self, path: str, host: str = "localhost:8080") -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080", headers=BROWSER) as client:
            return await client.get(path, headers={"host": host})


def site(
    loaded: Callable[[], bool] = lambda: True,
    *,
    signs_in: bool = False,
    base_url: str | None = None,
    parameters: InForce | None = None,
) -> Site:
    async def is_loaded(database: Database) -> bool:
        return loaded()

    landing = landing_route(Demo(STORIES, is_loaded, ACCOUNTS, is_loaded), signs_in=signs_in)
    listed = [landing, *ApiPages(EXAMPLES).routes(), assets_route()]
    app = Starlette(routes=[*routes(), *listed])
    app.add_middleware(Surroundings)
    nowhere: Any = None
    app.state.server = Server(nowhere, b"k" * 32, 3600, base_url, (), None, False, parameters or InForce())
    return Site(app)


def away() -> bool:
    raise outcome.UNAVAILABLE("The database cannot be reached.")


async def test_the_root_tells_the_stories_with_their_links_once_they_are_loaded() -> None:
    page = seen(await site().get("/"))
    (title,) = (each.text for each in page.all("h3"))
    assert title == "A <family>"
    assert page.links()["Their names"] == "/fhir/Patient?family=O%22Neil%7Cx%20y&_sort=birthdate"
    assert "not loaded" not in page.all("main")[0].text


async def test_the_root_asks_at_each_visit_whether_they_are_loaded() -> None:
    said = [False, True]
    there = site(lambda: said.pop(0))
    before, after = seen(await there.get("/")), seen(await there.get("/"))
    assert "not loaded" in before.all("main")[0].text and not before.all("h3")
    assert after.all("h3")


async def test_the_root_is_there_while_the_database_is_away() -> None:
    answer = await site(away).get("/")
    assert answer.status_code == 200
    assert "database cannot be reached" in seen(answer).all("main")[0].text


async def test_the_root_names_the_smart_configuration_where_there_is_one() -> None:
    assert not any("smart" in link for link in seen(await site().get("/")).links().values())
    page = seen(await site(signs_in=True).get("/"))
    assert "/fhir/.well-known/smart-configuration" in page.links().values()
    assert "No sign-in" not in page.all("main")[0].text


async def test_the_root_lists_the_demo_accounts_once_they_are_there() -> None:
    text = seen(await site(signs_in=True).get("/")).all("main")[0].text
    assert "ann <a>" in text and "secret & more" in text and "What <b>Ann</b> sees" in text
    without = seen(await site(lambda: False, signs_in=True).get("/")).all("main")[0].text
    assert "ann <a>" not in without and "fhir-server account add" in without


async def test_the_root_says_that_its_links_need_a_token_and_how_to_get_one() -> None:
    text = seen(await site(signs_in=True).get("/")).all("main")[0].text
    assert "without an access token they are answered 401" in text
    assert "--user grace.okafor --scope 'user/*.rs' --base" in text
    assert "access token" not in seen(await site().get("/")).all("main")[0].text


async def test_examples_that_only_read_are_links_and_others_are_shown_whole() -> None:
    page = seen(await site().get("/docs/api/Patient"))
    assert page.links()["GET /fhir/Patient/rivera-ana"] == "/fhir/Patient/rivera-ana"
    shown = [each.text for each in page.all("pre")]
    assert any(
        text.startswith("PUT /fhir/Patient/rivera-ana") and '{"resourceType": "Patient"}' in text for text in shown
    )
    assert any('If-None-Match: W/"1"' in text for text in shown)
    index = seen(await site().get("/docs/api"))
    assert index.links()["GET /fhir/metadata"] == "/fhir/metadata"
    assert not any("rivera" in link for link in index.links().values())


async def test_a_type_without_examples_has_no_heading_for_them() -> None:
    assert "Examples" not in [each.text for each in seen(await site().get("/docs/api/Basic")).all("h2")]


async def test_a_search_parameter_of_ones_own_is_listed_once_it_can_be_searched_by() -> None:
    own = SearchParameter("marital", "token", "Patient.maritalStatus", "Patient", (), "http://example.org/marital", ())
    there = site(parameters=InForce(searched=ParameterSet(1, (own,))))
    rows = {row.text.split()[0]: row.text for row in seen(await there.get("/docs/api/Patient")).all("tr")}
    assert "Patient.maritalStatus" in rows["marital"]


@pytest.mark.parametrize(
    ("base_url", "root", "fhir"),
    [
        ("http://127.0.0.1:8080/fhir", "", "/fhir"),
        ("https://health.example.org/api/fhir", "/api", "/api/fhir"),
        ("https://health.example.org/r4", "", "/r4"),
    ],
)
async def test_links_are_those_of_the_configured_base(base_url: str, root: str, fhir: str) -> None:
    there = site(base_url=base_url)
    for path in ("/", "/docs/api", "/docs/api/Patient", "/fhir/Patient?nothing=1", "/fhir/Patientt/1"):
        page = seen(await there.get(path))
        for link in (*page.links().values(), *(each.attributes["href"] for each in page.all("link"))):
            own = re.match(rf"{root}/(docs/api|assets/|readyz|$)|{fhir}(/|\?)|#|https://hl7\.org/", link)
            assert own, f"{path}: {link}"
    assert base_url in seen(await there.get("/")).all("main")[0].text


@pytest.mark.parametrize("path", ["/", "/docs/api", "/docs/api/Patient", "/assets/style.css", "/fhir/metadata"])
async def test_a_configured_base_is_no_door_for_other_names(path: str) -> None:
    there = site(base_url="http://records.example.org:8080/fhir")
    statuses = {
        host: (await there.get(path, host)).status_code
        for host in (
            "localhost:8080",
            "RECORDS.example.org:8080",
            "rebound.example.com",
            "records.example.org.x:8080",
            "",
        )
    }
    assert list(statuses.values()) == [200, 200, 400, 400, 400], statuses
