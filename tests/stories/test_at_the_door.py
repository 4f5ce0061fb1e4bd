"""Stories 2, 4 and 5: a sign-in of level 1 is stopped and upgraded; a retiree registers; conditions and contact data
come before a code.

On a demo server of their own, because they change who may come in.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.auth.browsing import Browser, Seen
from tests.conftest import RunningServer, start_server
from tests.require import ROOT
from tests.stories.conftest import (
    PASSWORD,
    Guest,
    Post,
    World,
    claims_of,
    known,
    link_to,
    person_of,
    request_of,
    said_of,
)
from tests.vaults import environment_without_settings

CONDITIONS = "2099-01"
OWN_RECORD = "openid fhirUser launch/patient patient/*.rs"


@pytest.fixture(scope="module")
def settings(mongodb_uri: str, post: Post) -> dict[str, str]:
    return {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": "test_at_the_door",
        "FHIR_DEMO": "true",
        "FHIR_MAIL_URL": post.url,
    }


@pytest.fixture(scope="module")
def door(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("door")
    # With it come accounts of which nothing is due; the conditions change afterwards.
    start_server(folder / "first.log", 1, settings, 180.0, auth="smart").stop()
    newer = settings | {"FHIR_CONDITIONS_VERSION": CONDITIONS}
    running = start_server(folder / "server.log", 1, newer, 180.0, auth="smart")
    yield running
    running.stop()


@pytest_asyncio.fixture
async def visitor(door: RunningServer) -> AsyncIterator[Guest]:
    origin = door.base.removesuffix("/fhir")
    async with httpx.AsyncClient(base_url=origin, timeout=60, trust_env=False) as http:
        yield Guest(http, door.base)


async def test_2_level_one_sees_no_record_until_it_is_upgraded(
    visitor: Guest, door: RunningServer, settings: dict[str, str]
) -> None:
    siobhan = await World(visitor).person("siobhan.oconnor", "openid fhirUser user/*.rs")
    refused = await siobhan.ask("GET", "Observation")
    assert refused.status_code == 403, refused.text
    codes = [each["code"] for each in refused.json()["issue"][0]["details"]["coding"]]
    assert "insufficient-assurance" in codes
    command = [sys.executable, "-m", "fhir_server.cli", "account", "upgrade", "siobhan.oconnor"]
    port = str(urlsplit(door.base).port)
    upgraded = await asyncio.to_thread(
        subprocess.run,
        [*command, "--patient", "oconnor-siobhan"],
        cwd=ROOT,
        env=environment_without_settings() | settings | {"FHIR_PORT": port},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    siobhan = await World(visitor).person("siobhan.oconnor", "openid fhirUser user/*.rs")
    assert (await siobhan.ask("GET", "Observation")).status_code == 200


async def asked(browser: Browser, email: str, username: str, said: dict[str, str]) -> Seen:
    """What a retiree is shown who came to sign in, has no account, and fills in the form."""
    browser.http.cookies.clear()
    seen = await browser.go("/auth/login")
    seen = await browser.go(link_to(seen.html, "/auth/registration"))
    seen = await browser.go(link_to(seen.html, "/auth/registration/retiree"))
    return await browser.send(seen, **said, email=email, username=username, password=PASSWORD, again=PASSWORD)


async def confirmed(browser: Browser, post: Post, email: str) -> str:
    """The title of the page past the link in the letter."""
    link = await post.link(email, "Confirm your registration")
    return (await browser.send(await browser.go(link), password=PASSWORD)).title


async def is_let_in(browser: Browser, username: str) -> bool:
    """Whether name and password open a session."""
    browser.http.cookies.clear()
    seen = await browser.sign_in(await browser.go("/auth/login"), username, PASSWORD)
    assert (seen.status, seen.path) in ((200, "/auth/manage"), (401, "/auth/login")), seen.text
    return seen.status == 200


async def test_4_a_retiree_whose_numbers_match_confirms_the_address_and_reads_their_record(
    visitor: Guest, post: Post
) -> None:
    email, patient, tasks = "kenji@example.net", "nakamura-kenji", "Task?patient=nakamura-kenji&code=registration"
    administrator = await World(visitor).person("administrator", "user/*.rs")
    kenji = Guest(visitor.http, visitor.base, password=PASSWORD)
    seen = await asked(kenji.browser, email, "kenji", said_of(known(patient), "dod_id", "ssn"))
    assert seen.title == "Check your mail"
    assert not await is_let_in(kenji.browser, "kenji")
    assert await administrator.found(tasks) == [], "nothing stands in the record before the link is used"

    assert await confirmed(kenji.browser, post, email) == "Thank you"
    assert "You can sign in now" in await post.letter(email, "Registration complete")
    answer = await kenji.token_for("kenji", OWN_RECORD)
    claims = await claims_of(kenji, answer)
    assert (claims["acr"], claims["fhirUser"]) == ("level2", f"{visitor.base}/Patient/{patient}")
    reader = person_of(kenji, answer)
    (task,) = await reader.found(tasks)
    assert task["status"] == "completed"
    assert [each["type"]["text"] for each in task["output"]] == ["Confirmed"]
    notices = await reader.found(f"Communication?patient={patient}&category=notification&_count=100")
    assert [each["id"] for each in notices if each["id"].startswith(task["id"])] == [f"{task['id']}-notice"]
    assert await reader.found(f"Condition?patient={patient}")
    assert (await reader.ask("GET", "Patient/nakamura-emi")).status_code == 404
    # Letters about the sign-in go to an address that was confirmed, and to no other.
    await kenji.browser.send(await kenji.browser.go("/auth/reset"), name=email)
    assert await post.link(email, "A new password for your DS Logon")


async def test_4_one_wrong_digit_looks_the_same_and_leads_to_nothing(visitor: Guest, post: Post) -> None:
    email, tasks = "mistyped@example.net", "Task?patient=foster-daniel&code=registration"
    right = said_of(known("foster-daniel"), "dod_id", "ssn")
    wrong = right | {"ssn": f"{right['ssn'][:-1]}{(int(right['ssn'][-1]) + 1) % 10}"}
    maja = await World(visitor).person("maja.lindgren", "openid fhirUser user/*.rs")
    before = await maja.found(tasks)
    seen = await asked(visitor.browser, email, "daniel.mistyped", wrong)
    assert seen.title == "Check your mail"
    assert await confirmed(visitor.browser, post, email) == "Thank you"
    assert "could not be completed" in await post.letter(email, "Your registration")
    assert not await is_let_in(visitor.browser, "daniel.mistyped")
    assert await maja.found(tasks) == before


async def test_4_where_the_registry_differs_it_is_on_hold_until_staff_confirm_the_person(
    visitor: Guest, post: Post
) -> None:
    email, tasks = "daniel@example.net", "Task?patient=foster-daniel&code=registration"
    differs = said_of(known("foster-daniel"), "dod_id", "ssn") | {"birth_date": "1970-01-01"}
    daniel = Guest(visitor.http, visitor.base, password=PASSWORD)
    assert (await asked(daniel.browser, email, "daniel", differs)).title == "Check your mail"
    assert await confirmed(daniel.browser, post, email) == "Thank you"
    assert "could not be completed" in await post.letter(email, "Your registration")
    assert not await is_let_in(daniel.browser, "daniel")

    maja = await World(visitor).person("maja.lindgren", "openid fhirUser user/*.rs")
    (held,) = await maja.found(tasks)
    assert held["status"] == "on-hold"
    assert held["statusReason"]["text"].startswith("deers-discrepancy")
    (check,) = await maja.found("VerificationResult?target=Patient/foster-daniel")
    assert check["status"] == "val-fail"
    elsewhere = await World(visitor).person("monica.salazar", "openid fhirUser user/*.rs")
    assert (await elsewhere.ask("GET", f"Task/{held['id']}")).status_code == 404

    browser = Browser(visitor.http)
    browser.http.cookies.clear()
    seen = await browser.go("/auth/login?next=registrations")
    seen = await browser.sign_in(seen, "maja.lindgren", visitor.password_of("maja.lindgren"))
    assert email in seen.text
    form = next(each for each in seen.html.forms if each.fields.get("task") == held["id"])
    seen = await browser.send(seen, form=form, decision="confirm-person")
    assert "Your decision was recorded." in seen.text
    await post.letter(email, "Registration complete")
    answer = await daniel.token_for("daniel", OWN_RECORD)
    assert (await claims_of(daniel, answer))["fhirUser"] == f"{visitor.base}/Patient/foster-daniel"
    reader = person_of(daniel, answer)
    (task,) = await reader.found(tasks)
    assert (task["id"], task["status"]) == (held["id"], "completed")
    assert await reader.found("Condition?patient=foster-daniel")


async def test_5_no_code_before_the_conditions_are_accepted_and_contact_data_are_the_patients(
    visitor: Guest,
) -> None:
    request = request_of(visitor, "launch/patient patient/*.cruds")
    declining = Guest(visitor.http, visitor.base, decision="decline")
    address = f"{visitor.origin}/auth/authorize?{httpx.QueryParams(request.parameters)}"
    sent_back = parse_qs(urlsplit(await declining.walked(address, "miguel.rivera")).query)
    assert sent_back["error"] == ["access_denied"]
    assert "code" not in sent_back
    miguel = await World(visitor).person("miguel.rivera", "launch/patient patient/*.cruds")
    consents = await miguel.found("Consent?patient=rivera-miguel&_count=50")
    accepted = [each for each in consents if CONDITIONS in str(each.get("policy")) + str(each.get("policyRule"))]
    assert [each["status"] for each in accepted] == ["active"]
    patient = await miguel.get("Patient/rivera-miguel")
    telecom = [{"system": "phone", "value": "210-555-0199", "use": "mobile"}]
    reached = await miguel.ask("PUT", "Patient/rivera-miguel", patient | {"telecom": telecom})
    assert reached.status_code == 200, reached.text
    renamed = await miguel.ask("PUT", "Patient/rivera-miguel", reached.json() | {"birthDate": "1980-01-01"})
    assert renamed.status_code == 422
    events = await miguel.found("AuditEvent?patient=rivera-miguel&_count=100")
    said = str(events)
    assert "conditions" in said
    assert "Patient/rivera-miguel/_history/" in said
