"""1.2 Launches: standalone and from the EHR, by each kind of app, and what must not lead to a code."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.conformance.smart_kit.app import SITE, App
from tests.conformance.smart_kit.conftest import PATIENT
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED, FIXED_OF_EHR

pytestmark = pytest.mark.slow


async def test_the_patient_of_the_launch_is_read(kit: Kit, each_launch: Launched) -> None:
    assert each_launch.patient == PATIENT
    read = await kit.get(f"Patient/{each_launch.patient}", each_launch)
    assert read.status_code == 200 and read.json()["resourceType"] == "Patient"


async def test_the_encounter_of_the_ehr_is_read(kit: Kit, ehr: Launched) -> None:
    read = await kit.get(f"Encounter/{ehr.answer['encounter']}", ehr)
    assert read.status_code == 200 and read.json()["subject"]["reference"].endswith(PATIENT)


async def test_the_ehr_offers_the_encounters_that_the_practitioner_may_read(
    kit: Kit, apps: dict[str, App], practitioner: Person, ehr: Launched
) -> None:
    page = await kit.chosen(practitioner, PATIENT)
    offered = page.html.xpath("//select[@name='encounter']/option/@value")[1:]
    found = await kit.search(ehr, "Encounter", {"patient": PATIENT})
    assert offered and set(offered) == set(found)


@pytest.mark.parametrize("kind", ["public", "symmetric", "asymmetric", "asymmetric-by-url"])
async def test_an_app_may_authorize_by_post(kit: Kit, apps: dict[str, App], patient: Person, kind: str) -> None:
    launched = await kit.launch(apps[kind], patient, " ".join((*FIXED, "patient/Patient.rs")), by_post=True)
    assert launched.answer["id_token"] and launched.answer["refresh_token"]


async def test_what_the_server_does_not_know_is_ignored(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    asked = await kit.authorize(apps["public"], patient, "launch/patient patient/Patient.rs", tenant="7")
    assert (await kit.exchange(asked, tenant="7")).status_code == 200


async def test_the_style_is_json_without_a_token(kit: Kit, ehr: Launched) -> None:
    style = await kit.http.get(ehr.answer["smart_style_url"])
    assert style.status_code == 200 and isinstance(style.json(), dict)


async def test_the_ehr_says_whether_a_banner_is_needed(ehr: Launched) -> None:
    assert ehr.answer["need_patient_banner"] is True


async def test_an_app_is_told_that_no_banner_is_needed(kit: Kit, apps: dict[str, App], practitioner: Person) -> None:
    told = await kit.opened(apps["public"], practitioner, PATIENT, need_patient_banner="")
    launched = await kit.launch(apps["public"], practitioner, "launch patient/Patient.rs", launch=told["launch"])
    assert launched.answer["need_patient_banner"] is False


async def test_the_ehr_tells_its_address_as_the_app_knows_it(
    kit: Kit, apps: dict[str, App], practitioner: Person
) -> None:
    told = await kit.opened(apps["symmetric"], practitioner, PATIENT)
    assert told["iss"] == kit.base and told["launch"]


async def test_the_ehr_launches_with_patient_scopes(kit: Kit, apps: dict[str, App], practitioner: Person) -> None:
    told = await kit.opened(apps["symmetric"], practitioner, PATIENT)
    scope = " ".join((*FIXED_OF_EHR, "patient/Patient.rs"))
    launched = await kit.launch(apps["symmetric"], practitioner, scope, launch=told["launch"])
    assert set(launched.scopes) == set(scope.split())
    assert (await kit.get(f"Patient/{launched.patient}", launched)).status_code == 200


async def test_a_browser_app_may_read_the_token_response(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    launched = await kit.launch(apps["public"], patient, "launch/patient patient/Patient.rs", origin=SITE)
    assert launched.response.headers["access-control-allow-origin"] == SITE


async def test_without_a_token_nothing_is_read(kit: Kit) -> None:
    answer = await kit.get(f"Patient/{PATIENT}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_another_audience_gets_no_code(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    asked = kit.request(apps["public"], "launch/patient patient/Patient.rs", aud="https://bad.example.org/fhir")
    response = await patient.get(f"{kit.smart['authorization_endpoint']}?{urlencode(asked.sent)}")
    answer = parse_qs(urlsplit(response.headers["location"]).query)
    assert "code" not in answer and answer["error"] == ["invalid_request"]
    assert answer["state"] == [asked.sent["state"]]


async def test_a_launch_of_another_app_gets_no_code(kit: Kit, apps: dict[str, App], practitioner: Person) -> None:
    told = await kit.opened(apps["symmetric"], practitioner, PATIENT)
    scope = "launch patient/Patient.rs"
    asked = await kit.authorize(apps["public"], practitioner, scope, launch=told["launch"])
    assert "code" not in asked.answer and asked.answer["error"] == "invalid_request"
