"""1.10 Backend services: a system asks in its own name."""

import pytest

from tests.conformance.smart_kit.app import App, by_assertion
from tests.conformance.smart_kit.kit import Kit, Launched, bearer

pytestmark = pytest.mark.slow

FORM = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
@pytest.mark.parametrize("kind", ["backend", "backend-by-url"])
async def test_a_registered_system_is_given_a_token(kit: Kit, apps: dict[str, App], kind: str, algorithm: str) -> None:
    response = await kit.token(App(apps[kind].client_id, "private_key_jwt", algorithm=algorithm), FORM)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["access_token"] and answer["token_type"].lower() == "bearer"
    assert isinstance(answer["expires_in"], int) and answer["expires_in"] >= 900
    assert answer["scope"] == "system/Patient.rs" and "refresh_token" not in answer
    read = await kit.http.get(f"{kit.base}/Patient?_count=1", headers=bearer(answer))
    assert read.status_code == 200 and read.json()["entry"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "not_a_grant_type"}, "unsupported_grant_type"),
        ({"client_assertion_type": "not_an_assertion_type"}, "invalid_client"),
        ({"client_assertion": "not.an.assertion"}, "invalid_client"),
        ({"scope": "system/Condition.rs"}, "invalid_scope"),
        ({"scope": "patient/Patient.rs"}, "invalid_scope"),
        ({"scope": ""}, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused(kit: Kit, apps: dict[str, App], changed: dict[str, str], error: str) -> None:
    endpoint = kit.smart["token_endpoint"]
    form = {**FORM, **by_assertion(apps["backend"].assertion(endpoint)), **changed}
    refused = await kit.http.post(endpoint, data=form)
    assert refused.status_code == 400 and refused.json()["error"] == error, refused.text


async def test_no_more_than_was_registered_is_granted(kit: Kit, apps: dict[str, App]) -> None:
    response = await kit.token(apps["backend"], {**FORM, "scope": "system/*.cruds"})
    assert set(response.json()["scope"].split()) == {"system/Patient.rs", "system/Observation.rs"}
    refused = await kit.http.get(f"{kit.base}/Condition", headers=bearer(response.json()))
    assert refused.status_code == 403


async def test_an_app_with_a_person_has_no_system_token(kit: Kit, apps: dict[str, App], asymmetric: Launched) -> None:
    refused = await kit.token(asymmetric.app, FORM)
    assert refused.status_code == 400 and refused.json()["error"] == "unauthorized_client"
