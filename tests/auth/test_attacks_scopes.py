"""Attacks by scopes: so many, or such wide ones, that to compare them would keep the server from its work."""

import string

from smart_auth.asked_scopes import MOST_SCOPES
from smart_auth.client_metadata import MAX_SCOPE
from smart_auth.scopes import exceeding, intersect
from tests.auth.browsing import PageServer, asked
from tests.auth.oauth import OAuth
from tests.steps import counted

TYPES = [f"{first}{second}{third}" for first in string.ascii_uppercase for second in "abcdefgh" for third in "abcde"]
WILDCARDS = [
    f"patient/*.{letters}"
    for bits in range(1, 32)
    if (letters := "".join(letter for place, letter in enumerate("cruds") if bits >> place & 1))
]


def test_comparing_scopes_takes_work_in_proportion_to_their_number() -> None:
    # Where each was compared with all, it took 8 s.
    assert steps_of_comparing(TYPES) < 5 * steps_of_comparing(TYPES[: len(TYPES) // 4])


def steps_of_comparing(types: list[str]) -> int:
    allowed = [f"patient/{type}.r" for type in types]
    narrow = [f"patient/{type}.s" for type in types]
    with counted() as steps:
        assert intersect(["patient/*.rs"], allowed) == tuple(allowed)
        assert intersect(narrow, allowed) == ()
        assert exceeding(narrow, allowed) == tuple(narrow)
    return steps.count


async def test_an_app_registers_for_so_many_scopes_and_no_more(server: OAuth) -> None:
    scope = " ".join(f"user/{type}.r" for type in TYPES)
    assert len(scope) < MAX_SCOPE
    metadata = {"redirect_uris": ["https://app.test/callback"], "scope": scope}
    answer = await server.http.post("/auth/register", json=metadata)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_nobody_asks_for_any_number_of_scopes(pages: PageServer) -> None:
    client = await pages.client(scope="patient/*.rs")
    scope = " ".join(f"patient/{type}.r" for type in TYPES[: MOST_SCOPES + 1])
    assert (await pages.browser.go("/auth/authorize", **asked(client, scope))).answer["error"] == "invalid_scope"
    scope = " ".join(f"patient/{type}.r" for type in TYPES[:MOST_SCOPES])
    assert (await pages.browser.go("/auth/authorize", **asked(client, scope))).title == "Sign in"


async def test_few_wide_scopes_do_not_become_any_number_of_narrow_ones(pages: PageServer) -> None:
    taken = []
    for count in (100, 400):
        client = await pages.client(scope=" ".join(f"patient/{type}.cruds" for type in TYPES[:count]))
        with counted() as steps:
            seen = await pages.browser.go("/auth/authorize", **asked(client, " ".join(WILDCARDS)))
        assert seen.answer["error"] == "invalid_scope"
        taken.append(steps.count)
    assert taken[1] < 5 * taken[0]


async def test_the_token_endpoint_takes_no_more_either(server: OAuth) -> None:
    many = " ".join(f"patient/{type}.r" for type in TYPES)
    client = await server.public()
    tokens = await server.tokens(client)
    answer = await server.refresh(client, tokens["refresh_token"], scope=many)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    backend = await server.backend(scope="system/*.rs")
    answer = await server.by_assertion(server.assertion(backend), scope=many.replace("patient", "system"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
