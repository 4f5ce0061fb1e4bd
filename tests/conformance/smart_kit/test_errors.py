"""1.12 The error matrix: exactly the statuses that every generation of the kits takes."""

from uuid import uuid4

import httpx
import pytest

from tests.conformance.smart_kit.app import SITE, App
from tests.conformance.smart_kit.conftest import PATIENT
from tests.conformance.smart_kit.kit import Asked, Kit, Launched
from tests.conformance.smart_kit.person import Person

pytestmark = pytest.mark.slow

KINDS = ["public", "symmetric", "asymmetric", "asymmetric-by-url"]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_code_is_400(kit: Kit, apps: dict[str, App], kind: str) -> None:
    form = {"grant_type": "authorization_code", "code": "BAD_CODE", "code_verifier": "v" * 73}
    refused = await kit.token(apps[kind], {**form, "redirect_uri": f"{SITE}/redirect"})
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"


async def test_an_unknown_client_with_basic_is_401(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    asked = await kit.authorize(apps["symmetric"], patient, "launch/patient patient/Patient.rs")
    nobody = httpx.BasicAuth("INVALID_CLIENT_ID", apps["symmetric"].secret)
    form = {"grant_type": "authorization_code", "code": asked.code, "code_verifier": asked.verifier}
    form |= {"redirect_uri": asked.sent["redirect_uri"]}
    refused = await kit.http.post(kit.smart["token_endpoint"], data=form, auth=nobody)
    assert refused.status_code == 401 and refused.json()["error"] == "invalid_client"
    assert refused.headers["www-authenticate"].startswith("Basic")


async def test_an_unknown_public_client_is_400(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    asked = await kit.authorize(apps["public"], patient, "launch/patient patient/Patient.rs")
    unknown = Asked(App("INVALID_CLIENT_ID", "none"), asked.sent, asked.verifier, asked.answer)
    refused = await kit.exchange(unknown)
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_client"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_grant_type_is_400(kit: Kit, apps: dict[str, App], kind: str) -> None:
    refused = await kit.token(apps[kind], {"grant_type": "not_a_grant_type"})
    assert refused.status_code == 400 and refused.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_refresh_token_is_400(kit: Kit, apps: dict[str, App], kind: str) -> None:
    assert (await kit.refresh(apps[kind], str(uuid4()))).status_code == 400


@pytest.mark.parametrize("token", [None, "not-a-token", "a.b.c"])
async def test_a_read_without_a_good_token_is_401(kit: Kit, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    refused = await kit.http.get(f"{kit.base}/Patient/{PATIENT}", headers=headers)
    assert refused.status_code == 401
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert ('error="invalid_token"' in refused.headers["www-authenticate"]) is (token is not None)


@pytest.mark.parametrize("path", ["Group/1/$export", "Patient/$export", "$export"])
async def test_an_export_without_a_token_is_401(kit: Kit, path: str) -> None:
    answer = await kit.get(path, Accept="application/fhir+json", Prefer="respond-async")
    assert answer.status_code == 401


async def test_a_type_outside_the_scope_is_403(kit: Kit, public: Launched) -> None:
    for path in ("Encounter?_count=1", "Encounter/1", "Encounter/_history"):
        refused = await kit.get(path, public)
        assert refused.status_code == 403 and refused.json()["resourceType"] == "OperationOutcome", path


async def test_a_code_is_exchanged_once_and_what_it_gave_ends(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    launched = await kit.launch(apps["public"], patient, "launch/patient patient/Patient.rs offline_access")
    again = await kit.exchange(launched.asked)
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant"
    assert (await kit.refresh(launched.app, launched.answer["refresh_token"])).status_code == 400
