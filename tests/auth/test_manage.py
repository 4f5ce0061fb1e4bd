"""People see what they granted to whom, and end it: within a second, whoever holds the tokens."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from smart_auth.access import NotAdmitted
from smart_auth.identity.providers import Provider
from smart_auth.portal import Portal
from smart_auth.records import Client
from tests.auth.browsing import Browser, PageServer, Seen, asked, page_server

SCOPE = "openid launch/patient offline_access patient/Patient.rs patient/Observation.cruds"


async def granted(pages: PageServer, browser: Browser, username: str, id: str = "growth") -> tuple[Client, Any]:
    """A launch from beginning to end; the token response."""
    client = await pages.client(id, name=f"App {id}", scope=SCOPE)
    seen = await browser.go("/auth/authorize", **asked(client, SCOPE))
    seen = await browser.sign_in(seen, username) if seen.title == "Sign in" else seen
    seen = await browser.send(seen, patient="p2") if seen.path == "/auth/patient" else seen
    return client, await pages.exchanged(client, (await browser.allow(seen)).answer["code"])


def buttons(seen: Seen) -> list[Any]:
    return [form for form in seen.html.forms if "grant" in form.fields]


async def refused(pages: PageServer, token: str) -> bool:
    try:
        await pages.parts.guard.admitted(f"Bearer {token}")
    except NotAdmitted as error:
        assert error.status == 401
        return True
    return False


async def refreshed(pages: PageServer, client: Client, token: str) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client.id}
    return (await pages.browser.http.post("/auth/token", data=form)).status_code


async def test_what_was_granted_is_shown_in_words(pages: PageServer) -> None:
    await granted(pages, pages.browser, "ann")
    seen = await pages.browser.go("/auth/manage")
    assert "App growth" in seen.text
    assert "record of Ann Example" in seen.text
    assert "Measurements, test results and answers: see, add, change and delete" in seen.text
    assert "Stay connected when you are away" in seen.text


async def test_what_is_ended_is_over_within_a_second(pages: PageServer) -> None:
    client, tokens = await granted(pages, pages.browser, "ann")
    assert not await refused(pages, tokens["access_token"])
    seen = await pages.browser.go("/auth/manage")
    done = await pages.browser.send(seen, form=buttons(seen)[0])
    async with asyncio.timeout(1):
        while not await refused(pages, tokens["access_token"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "The access has ended." in done.text and "No app has access" in done.text
    assert await refreshed(pages, client, tokens["refresh_token"]) == 400
    assert pages.trail.kinds()[-2:] == ["revoke", "token-refused"]


async def test_other_access_lasts(pages: PageServer) -> None:
    await granted(pages, pages.browser, "ann", "first")
    _, second = await granted(pages, pages.browser, "ann", "second")
    seen = await pages.browser.go("/auth/manage")
    done = await pages.browser.send(seen, form=buttons(seen)[0])
    assert "App second" in done.text and "App first" not in done.text
    assert not await refused(pages, second["access_token"])


async def test_all_access_of_an_app_ends_at_once(pages: PageServer) -> None:
    for _ in range(3):
        await granted(pages, pages.browser, "ann")
    seen = await pages.browser.go("/auth/manage")
    assert len(buttons(seen)) == 3
    everything = next(form for form in seen.html.forms if "client" in form.fields)
    assert "No app has access" in (await pages.browser.send(seen, form=everything)).text


async def test_nobody_sees_or_ends_what_another_granted(pages: PageServer) -> None:
    _, tokens = await granted(pages, pages.browser, "ann")
    grant = (await pages.parts.grants.of_account("id-ann"))[0]
    sam = pages.another_browser()
    await granted(pages, sam, "sam", "other")
    seen = await sam.go("/auth/manage")
    assert "App growth" not in seen.text
    for fields in ({"grant": grant.id}, {"grant": "x", "client": "growth"}, {"grant": "never-was"}):
        stolen = await sam.send(seen, form=buttons(seen)[0], **fields)
        assert stolen.status == 400
    await asyncio.sleep(0.05)
    assert not await refused(pages, tokens["access_token"])


async def test_who_clicks_twice_hears_the_same(pages: PageServer) -> None:
    await granted(pages, pages.browser, "ann")
    seen = await pages.browser.go("/auth/manage")
    for _ in range(2):
        assert "The access has ended." in (await pages.browser.send(seen, form=buttons(seen)[0])).text


@pytest.mark.parametrize("csrf", ["", "forged", None])
async def test_an_end_that_another_page_sent_is_refused(pages: PageServer, csrf: str | None) -> None:
    await granted(pages, pages.browser, "ann")
    seen = await pages.browser.go("/auth/manage")
    assert (await pages.browser.send(seen, form=buttons(seen)[0], csrf=csrf)).status == 403
    assert len(await pages.parts.grants.of_account("id-ann")) == 1


async def test_who_is_not_signed_in_is_asked_to_and_comes_back(pages: PageServer) -> None:
    seen = await pages.browser.go("/auth/manage")
    assert seen.title == "Sign in"
    assert (await pages.browser.sign_in(seen)).path == "/auth/manage"
    post = await pages.another_browser().http.post("/auth/manage", data={"grant": "x"})
    assert (post.status_code, post.headers["location"]) == (303, "/auth/login?next=manage")


async def test_an_app_that_is_gone_can_still_be_ended(pages: PageServer) -> None:
    await granted(pages, pages.browser, "ann")
    await pages.parts.documents.remove("clients", "growth")
    seen = await pages.browser.go("/auth/manage")
    assert "growth" in seen.text
    assert "The access has ended." in (await pages.browser.send(seen, form=buttons(seen)[0])).text


async def test_practitioners_find_the_way_to_open_an_app(pages: PageServer) -> None:
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"), "doctor")
    assert seen.html.xpath("//a[@href='/auth/launch']")


async def test_people_find_the_pages_of_their_logon_and_none_that_is_not_there(pages: PageServer) -> None:
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    links = seen.html.xpath("//section[@aria-labelledby='logon']//a/@href")
    assert links == ["/auth/logon/password", "/auth/one-time-codes", "/auth/logon/deactivate"]
    for link in links:
        assert (await pages.browser.go(link)).status == 200


async def test_what_leads_nowhere_is_no_link() -> None:
    trust: Any = object()
    async with page_server(portal=Portal(cards=trust)) as pages:
        seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"))
        assert not seen.html.xpath("//a[starts-with(@href, '/auth/card/register')]")


@pytest.mark.parametrize(
    ("username", "links"),
    [
        ("ann", ["/auth/provider/peer?next=manage", "/auth/family", "/auth/family/enroll"]),
        ("low", ["/auth/provider/peer?next=manage"]),
        ("doctor", ["/auth/provider/peer?next=manage", "/auth/registrations"]),
    ],
)
async def test_each_finds_what_they_may_do_for_others(username: str, links: list[str]) -> None:
    anything: Any = SimpleNamespace(run=nothing)
    provider = Provider("peer", "The other place", "https://peer.test/fhir", "here")
    portal = Portal(proxies=anything, registry=anything, registrar=anything, providers=(provider,))
    async with page_server(portal=portal) as pages:
        await pages.person("low", fhir_user="Patient/p1", patients=("p1",), level="level1")
        seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"), username)
        found = seen.html.xpath("//section[@aria-labelledby='logon']//a/@href")
        own = ("/auth/logon/", "/auth/one-time-codes")
        assert [each for each in found if not each.startswith(own)] == links


async def nothing() -> None:
    """What goes on beside requests: nothing."""
