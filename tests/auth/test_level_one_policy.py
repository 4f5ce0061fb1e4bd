"""From a sign-in of level 1 to what its token lets the FHIR server show: nothing of a patient, whatever it says.

https://www.rfc-editor.org/rfc/rfc9470
"""

from collections.abc import AsyncIterator

import pytest

from fhir_server.policy import Permission, Sight, visible
from smart_auth.access import OPEN_TYPES, AccessContext
from smart_auth.records import Account, Client, Grant
from tests.auth.browsing import PageServer, asked, page_server
from tests.auth.oauth import BASE


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server() as running:
        await running.person("one", fhir_user="Patient/p1", patients=("p1",), level="level1")
        yield running


async def access_of(server: PageServer, acr: str) -> AccessContext:
    """The bearer of a token with scopes on everything, as if the pages had let them through."""
    client = Client(id="app", name="App", scope="patient/*.cruds user/*.cruds")
    account = Account(id="a", username="a", login="a", password_hash="", kind="patient", patients=("p1",))
    grant = Grant(
        id="g",
        client_id="app",
        account="a",
        scopes=("patient/*.cruds", "user/*.cruds"),
        base=BASE,
        patient="p1",
        created_at=0,
        acr=acr,  # type: ignore[arg-type]
    )
    token, _ = await server.parts.tokens.mint(grant, client, account, BASE)
    return await server.parts.tokens.read(token)


@pytest.mark.parametrize("type", ["Patient", "Observation", "Consent", "Task", "AuditEvent", "Binary"])
async def test_a_token_of_level_one_opens_no_record_whatever_its_scopes(server: PageServer, type: str) -> None:
    sight = Sight(await access_of(server, "level1"))
    letters: tuple[Permission, ...] = ("c", "r", "u", "d", "s")
    for letter in letters:
        assert visible(sight, type, letter) is None


@pytest.mark.parametrize("type", sorted(OPEN_TYPES))
async def test_it_opens_what_tells_nothing_of_patients(server: PageServer, type: str) -> None:
    found = visible(Sight(await access_of(server, "level1")), type, "s")
    assert found is not None and found.reaches


@pytest.mark.parametrize("acr", ["level2", "card"])
async def test_surer_sign_ins_open_the_record(server: PageServer, acr: str) -> None:
    found = visible(Sight(await access_of(server, acr)), "Observation", "s")
    assert found is not None and found.reaches[0].owners == ("p1",)


async def test_the_pages_grant_a_sign_in_of_level_one_no_record_either(server: PageServer) -> None:
    client = await server.client(scope="launch/patient patient/Observation.rs")
    seen = await server.browser.go("/auth/authorize", **asked(client, "launch/patient patient/Observation.rs"))
    back = await server.browser.sign_in(seen, "one")
    assert back.answer["error"] == "access_denied"
    assert "/auth/logon/upgrade" in back.answer["error_description"]
