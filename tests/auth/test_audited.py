"""The audit log of a server that people really sign in to: their sign-in is in it, and what they then saw."""

from typing import Any

import pytest

from fhir_server.core import codec
from fhir_server.validation.validate import validate
from tests.auth.conftest import IN_PROCESS_BASE, SmartApp

Json = dict[str, Any]
PATIENT = {"resourceType": "Patient", "id": "rivera-miguel", "name": [{"family": "Rivera"}]}


async def _asked(app: SmartApp, token: str, query: str) -> list[Json]:
    response = await app.http.get(f"/AuditEvent?{query}", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 200, response.text
    found = [entry["resource"] for entry in codec.decode(response.content).get("entry", ())]
    for event in found:
        assert validate(event, "AuditEvent") == ()
    return found


def _subtypes(found: list[Json]) -> set[str]:
    return {coding["code"] for event in found for coding in event["subtype"]}


async def test_an_officer_sees_a_sign_in_and_what_was_done_with_its_token(smart_app: SmartApp) -> None:
    system = (await smart_app.visitor.system_token("system-va", "system/*.cruds"))["access_token"]
    put = await smart_app.http.put(
        "/Patient/rivera-miguel", json=PATIENT, headers={"authorization": f"Bearer {system}"}
    )
    assert put.status_code in (200, 201), put.text
    granted = await smart_app.visitor.token_for("miguel.rivera", "launch/patient patient/*.rs openid fhirUser")
    read = await smart_app.http.get(
        "/Patient/rivera-miguel", headers={"authorization": f"Bearer {granted['access_token']}"}
    )
    assert read.status_code == 200, read.text
    officer = await smart_app.visitor.token_for("security.officer", "user/AuditEvent.rs openid fhirUser")
    found = await _asked(smart_app, officer["access_token"], "_count=200")
    assert {"login", "grant", "token", "read"} <= _subtypes(found)
    own = await _asked(smart_app, granted["access_token"], "_count=200")
    assert own
    for event in own:
        patients = [each["what"]["reference"] for each in event["entity"] if each["type"]["code"] == "1"]
        assert patients == ["Patient/rivera-miguel"]
    assert "read" in _subtypes(own)


async def test_a_login_that_fails_and_a_token_that_is_none_are_refusals_in_the_log(smart_app: SmartApp) -> None:
    response = await smart_app.http.get(
        "/Patient/rivera-miguel", headers={"authorization": "Bearer none", "x-request-id": "bad-token-1"}
    )
    assert response.status_code == 401
    officer = await smart_app.visitor.token_for("security.officer", "user/AuditEvent.rs openid fhirUser")
    (refusal,) = await _asked(smart_app, officer["access_token"], "entity:identifier=bad-token-1")
    assert (refusal["outcome"], refusal["outcomeDesc"]) == ("4", "HTTP 401, outcome 6010")


async def test_every_endpoints_refusals_are_in_the_log(smart_app: SmartApp) -> None:
    refused = [
        await smart_app.http.post(
            f"{IN_PROCESS_BASE.removesuffix('/fhir')}/auth/{name}", data={"token": "x", "client_id": "nobody"}
        )
        for name in ("introspect", "revoke", "register", "userinfo", "token")
    ]
    assert all(each.status_code in (400, 401, 403, 415) for each in refused)
    officer = await smart_app.visitor.token_for("security.officer", "user/AuditEvent.rs openid fhirUser")
    found = await _asked(smart_app, officer["access_token"], "outcome=4&_count=200")
    said = " ".join(event.get("outcomeDesc", "") for event in found)
    for name in ("introspect", "revoke", "register", "userinfo", "no grant_type of ours"):
        assert name in said, name


async def test_a_client_over_its_limit_is_in_the_log_as_one_row_and_a_count(
    smart_app: SmartApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = await smart_app.visitor.system_token("system-va", "system/*.rs")
    officer = await smart_app.visitor.token_for("security.officer", "user/AuditEvent.rs openid fhirUser")
    with monkeypatch.context() as patched:
        patched.setattr(smart_app.authorization.limits, "fhir_request", lambda client_id: 7)
        bearer = {"authorization": f"Bearer {system['access_token']}"}
        assert {(await smart_app.http.get("/Patient", headers=bearer)).status_code for _ in range(5)} == {429}
    await smart_app.authorization.floods.end()
    found = await _asked(smart_app, officer["access_token"], "subtype=throttled&_count=200")
    said = [event["outcomeDesc"] for event in found]
    assert said == [
        "429: too many requests with access tokens: 4 more within 60 s",
        "429: too many requests with access tokens",
    ]
    assert all(event["agent"][0]["who"]["identifier"]["value"] == "system-va" for event in found)
    assert all(event["outcome"] == "4" for event in found)


async def test_what_a_page_refuses_is_in_the_log_once_for_an_address(smart_app: SmartApp) -> None:
    origin = IN_PROCESS_BASE.removesuffix("/fhir")
    for _ in range(3):
        assert (await smart_app.http.get(f"{origin}/auth/authorize?client_id=nobody")).status_code == 400
    officer = await smart_app.visitor.token_for("security.officer", "user/AuditEvent.rs openid fhirUser")
    [event] = await _asked(smart_app, officer["access_token"], "subtype=page-refused&_count=200")
    assert event["outcomeDesc"] == "authorize: unauthorized_client"
