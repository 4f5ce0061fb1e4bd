"""A system client gets the system/ scopes it is registered for, for everybody or for one patient."""

import base64
import json

import pytest

from smart_auth.access import AccessContext
from tests.auth.oauth import OAuth


async def admitted(server: OAuth, launch: str | None = None) -> AccessContext:
    client = await server.backend(agency="https://www.va.gov", purposes=("TREAT",))
    response = await server.by_assertion(server.assertion(client), launch=launch)
    assert response.status_code == 200, response.text
    return await server.parts.guard.admitted(f"Bearer {response.json()['access_token']}")


async def test_a_system_gets_a_short_token_and_nothing_else(server: OAuth) -> None:
    client = await server.backend()
    response = await server.by_assertion(server.assertion(client))
    answer = response.json()
    assert answer.pop("access_token")
    assert answer == {"token_type": "Bearer", "expires_in": 900, "scope": "system/*.rs"}
    assert response.headers["cache-control"] == "no-store"


async def test_its_token_says_which_agency_asks_and_why(server: OAuth) -> None:
    access = await admitted(server)
    assert (access.kind, access.subject == access.client_id, access.patient) == ("system", True, None)
    assert (access.agency, access.purposes) == ("https://www.va.gov", ("TREAT",))


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.read", "system/Patient.read"),
        ("system/Patient.cruds", "system/Patient.rs"),
        ("system/Patient.rs openid patient/*.rs nonsense", "system/Patient.rs"),
    ],
)
async def test_what_is_registered_bounds_what_is_granted(server: OAuth, asked: str, granted: str) -> None:
    client = await server.backend()
    assert (await server.by_assertion(server.assertion(client), scope=asked)).json()["scope"] == granted


@pytest.mark.parametrize("asked", ["system/*.cud", "patient/*.rs", "user/*.rs", "openid", "nonsense", "system/"])
async def test_where_nothing_can_be_granted_the_scope_is_invalid(server: OAuth, asked: str) -> None:
    client = await server.backend(scope="system/*.rs openid patient/*.rs user/*.rs")
    response = await server.by_assertion(server.assertion(client), scope=asked)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_without_a_scope_the_request_is_invalid(server: OAuth) -> None:
    response = await server.by_assertion(server.assertion(await server.backend()), scope=None)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "launch",
    [
        "p1",
        "Patient/p1",
        base64.b64encode(b'{"patient":"p1"}').decode(),
        base64.urlsafe_b64encode(json.dumps({"patient": "Patient/p1", "x": "??>"}).encode()).rstrip(b"=").decode(),
    ],
)
async def test_a_launch_makes_a_token_for_one_patient(server: OAuth, launch: str) -> None:
    assert (await admitted(server, launch)).patient == "p1"


@pytest.mark.parametrize(
    "launch",
    [
        "p2",
        "Group/g1",
        "p1 p2",
        "../p1",
        base64.b64encode(b'{"patient":7}').decode(),
        base64.b64encode(b'{"patient":""}').decode(),
        "é",
    ],
)
async def test_a_launch_that_names_no_patient_gives_no_token_for_everybody(server: OAuth, launch: str) -> None:
    response = await server.by_assertion(server.assertion(await server.backend()), launch=launch)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_an_app_of_people_gets_no_token_of_its_own(server: OAuth) -> None:
    client = await server.backend(grant_types=("authorization_code",))
    response = await server.by_assertion(server.assertion(client))
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")
