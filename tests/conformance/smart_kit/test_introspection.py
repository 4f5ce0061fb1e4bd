"""1.7 Introspection: what a resource server is told of a token."""

import json
import time
from typing import Any

import httpx
import pytest
from joserfc import jws

from tests.conformance.smart_kit.app import Json
from tests.conformance.smart_kit.kit import Kit, Launched

pytestmark = pytest.mark.slow

RESOURCE_SERVER = httpx.BasicAuth("demo-introspection", "try-demo-introspection-secret")


async def _told(kit: Kit, token: str) -> Json:
    answer = await kit.http.post(kit.smart["introspection_endpoint"], data={"token": token}, auth=RESOURCE_SERVER)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_active_token_is_described_as_it_was_granted(kit: Kit, each_launch: Launched) -> None:
    granted, told = each_launch.answer, await _told(kit, each_launch.answer["access_token"])
    assert told["active"] is True
    assert told["client_id"] == each_launch.app.client_id
    assert sorted(told["scope"].split()) == sorted(each_launch.scopes)
    assert isinstance(told["exp"], int) and told["exp"] > time.time() - 600
    for name in ("patient", "encounter"):
        assert told.get(name) == granted.get(name)


async def test_it_says_the_same_person_as_the_id_token(kit: Kit, each_launch: Launched) -> None:
    told = await _told(kit, each_launch.answer["access_token"])
    claims = _claims(each_launch.answer["id_token"])
    assert {name: told[name] for name in ("iss", "sub", "fhirUser")} == {
        name: claims[name] for name in ("iss", "sub", "fhirUser")
    }


async def test_anything_else_is_inactive_and_no_more_is_said(kit: Kit) -> None:
    assert await _told(kit, "invalid_token_value") == {"active": False}


async def test_an_app_asks_about_its_own_tokens_alone(kit: Kit, standalone: Launched, public: Launched) -> None:
    _, own = standalone.app.proof(kit.smart["introspection_endpoint"])
    assert own is not None
    for launched, is_told in ((standalone, True), (public, False)):
        form = {"token": launched.answer["access_token"]}
        answer = await kit.http.post(kit.smart["introspection_endpoint"], data=form, auth=own)
        assert answer.status_code == 200 and answer.json()["active"] is is_told


async def test_nobody_asks_without_saying_who(kit: Kit, standalone: Launched) -> None:
    form = {"token": standalone.answer["access_token"]}
    refused = await kit.http.post(kit.smart["introspection_endpoint"], data=form)
    assert refused.status_code in (400, 401) and "active" not in refused.json()


def _claims(token: str) -> Any:
    return json.loads(jws.extract_compact(token.encode()).payload)
