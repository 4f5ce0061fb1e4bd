"""The whole: apps that people let in read records by what was granted, and everything says the same of how to."""

import asyncio

import httpx
import pytest

from tests.auth.visitor import Visitor, bearer
from tests.conftest import RunningServer

pytestmark = pytest.mark.slow


async def test_a_patient_reads_the_own_record_and_no_other(visitor: Visitor) -> None:
    answer = await visitor.token_for("miguel.rivera", "openid fhirUser launch/patient patient/*.rs")
    assert answer["patient"] == "rivera-miguel"
    http, base, header = visitor.http, visitor.base, bearer(answer)
    own = await http.get(f"{base}/Patient/rivera-miguel", headers=header)
    assert own.status_code == 200, own.text
    assert (await http.get(f"{base}/Patient/rivera-ana", headers=header)).status_code == 404
    found = (await http.get(f"{base}/Patient", headers=header)).json()
    assert [each["resource"]["id"] for each in found["entry"]] == ["rivera-miguel"]


@pytest.mark.parametrize("client", ["demo-public", "demo-confidential", "demo-asymmetric", "demo-asymmetric-es384"])
async def test_every_demo_app_can_be_let_in(visitor: Visitor, client: str) -> None:
    answer = await visitor.token_for("james.walker", "launch/patient patient/Patient.rs offline_access", client)
    assert answer["refresh_token"]
    read = await visitor.http.get(f"{visitor.base}/Patient/{answer['patient']}", headers=bearer(answer))
    assert read.status_code == 200


async def test_who_acts_for_children_picks_one(visitor: Visitor) -> None:
    answer = await visitor.token_for("ana.rivera", "launch/patient patient/Immunization.rs", patient="rivera-tomas")
    assert answer["patient"] == "rivera-tomas"
    found = await visitor.http.get(f"{visitor.base}/Immunization?patient=rivera-tomas", headers=bearer(answer))
    assert found.json()["entry"]


async def test_a_clinician_sees_patients_in_care_and_no_others(visitor: Visitor) -> None:
    answer = await visitor.token_for("sean.gallagher", "openid fhirUser user/*.rs")
    header = bearer(answer)
    assert (await visitor.http.get(f"{visitor.base}/Patient/lindqvist-erik", headers=header)).status_code == 200
    assert (await visitor.http.get(f"{visitor.base}/Patient/brooks-denise", headers=header)).status_code == 404


async def test_a_system_reads_what_it_is_registered_for(visitor: Visitor) -> None:
    answer = await visitor.system_token("system-va", "system/Patient.rs")
    header = bearer(answer)
    found = await visitor.http.get(f"{visitor.base}/Patient?_total=accurate&_count=1", headers=header)
    assert found.json()["total"] > 40
    assert (await visitor.http.get(f"{visitor.base}/Observation", headers=header)).status_code == 403


async def test_a_system_token_for_one_patient_shows_that_one(visitor: Visitor) -> None:
    answer = await visitor.system_token("system-dod", "system/Patient.rs", patient="rivera-ana")
    found = await visitor.http.get(f"{visitor.base}/Patient", headers=bearer(answer))
    assert [each["resource"]["id"] for each in found.json()["entry"]] == ["rivera-ana"]


async def test_a_revoked_token_is_refused_by_every_worker_within_a_second(visitor: Visitor) -> None:
    answer = await visitor.token_for("nora.fairchild", "launch/patient patient/Patient.rs")
    url, header = f"{visitor.base}/Patient/fairchild-nora", bearer(answer)
    assert (await visitor.http.get(url, headers=header)).status_code == 200
    form = {"token": answer["access_token"], "client_id": "demo-public"}
    assert (await visitor.http.post(f"{visitor.origin}/auth/revoke", data=form)).status_code == 200
    await asyncio.sleep(1.0)
    for _ in range(10):
        async with httpx.AsyncClient(trust_env=False) as another:
            assert (await another.get(url, headers=header)).status_code == 401


def test_discovery_and_capability_statement_say_the_same(smart_server: RunningServer) -> None:
    smart = httpx.get(f"{smart_server.base}/.well-known/smart-configuration", trust_env=False).json()
    stated = httpx.get(f"{smart_server.base}/metadata", trust_env=False).json()["rest"][0]["security"]
    assert stated["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    uris = {each["url"]: each["valueUri"] for each in stated["extension"][0]["extension"]}
    assert uris == {
        "authorize": smart["authorization_endpoint"],
        "token": smart["token_endpoint"],
        "register": smart["registration_endpoint"],
        "manage": smart["management_endpoint"],
        "introspect": smart["introspection_endpoint"],
        "revoke": smart["revocation_endpoint"],
    }


def test_every_address_in_the_discovery_is_there(smart_server: RunningServer) -> None:
    smart = httpx.get(f"{smart_server.base}/.well-known/smart-configuration", trust_env=False).json()
    for name, url in smart.items():
        if name.endswith(("_endpoint", "_uri")):
            assert httpx.get(url, trust_env=False).status_code != 404, name


def test_the_openapi_document_says_how_apps_sign_in(smart_server: RunningServer) -> None:
    described = httpx.get(f"{smart_server.base}/openapi.json", trust_env=False, timeout=30).json()
    flows = described["components"]["securitySchemes"]["smart"]["flows"]
    assert flows["authorizationCode"]["authorizationUrl"].endswith("/auth/authorize")
    assert flows["clientCredentials"]["tokenUrl"].endswith("/auth/token")
    assert described["security"] == [{"smart": []}]
    assert described["paths"]["/metadata"]["get"]["security"] == []


def test_the_first_page_lists_the_accounts(smart_server: RunningServer) -> None:
    page = httpx.get(smart_server.base.removesuffix("fhir"), trust_env=False, headers={"accept": "text/html"}).text
    assert "ana.rivera" in page and "try-ana-rivera" in page
    assert "smart-configuration" in page


def test_every_page_may_read_the_discovery(smart_server: RunningServer) -> None:
    for path in ("metadata", ".well-known/smart-configuration"):
        answer = httpx.get(
            f"{smart_server.base}/{path}", headers={"origin": "https://any.example.org"}, trust_env=False
        )
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_a_page_of_a_registered_app_may_read_records(visitor: Visitor) -> None:
    answer = await visitor.token_for("erik.lindqvist", "launch/patient patient/Patient.rs")
    url, origin = f"{visitor.base}/Patient/lindqvist-erik", "http://localhost:3000"
    read = await visitor.http.get(url, headers={**bearer(answer), "origin": origin})
    assert read.headers["access-control-allow-origin"] == origin
    other = await visitor.http.get(url, headers={**bearer(answer), "origin": "http://localhost:3999"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("path", ["auth/jwks", "auth/style", "auth/token", "fhir/.well-known/smart-configuration"])
def test_no_answer_is_taken_for_something_else(smart_server: RunningServer, path: str) -> None:
    answer = httpx.get(smart_server.base.removesuffix("fhir") + path, trust_env=False)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
