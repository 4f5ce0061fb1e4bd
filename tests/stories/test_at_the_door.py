"""Stories 2 and 5: a sign-in of level 1 is stopped and upgraded; conditions and contact data come before a code.

On a demo server of their own, because they change who may come in.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import lxml.html
import pytest
import pytest_asyncio

from seeds.accounts import clients
from tests.auth.visitor import LaunchRequest, Visitor
from tests.conftest import RunningServer, start_server
from tests.require import ROOT
from tests.stories.conftest import World
from tests.vaults import environment_without_settings

CONDITIONS = "2099-01"


@dataclass(frozen=True, slots=True)
class Reader(Visitor):
    """Somebody who is asked for the conditions of use, and answers so."""

    decision: str = "accept"

    async def _answered(
        self, response: httpx.Response, username: str, patient: str | None, allow: Sequence[str] | None
    ) -> httpx.Response:
        forms = [each for each in lxml.html.fromstring(response.text).forms if each.get("action") == "/auth/conditions"]
        if not forms:
            return await Visitor._answered(self, response, username, patient, allow)
        form = forms[0]
        fields = dict(form.form_values()) | {"decision": self.decision}
        return await self.http.post(urljoin(str(response.url), "/auth/conditions"), data=fields)


@pytest.fixture(scope="module")
def settings(mongodb_uri: str) -> dict[str, str]:
    return {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": "test_at_the_door",
        "FHIR_DEMO": "true",
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
async def visitor(door: RunningServer) -> AsyncIterator[Reader]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Reader(http, door.base)


async def test_2_level_one_sees_no_record_until_it_is_upgraded(
    visitor: Reader, door: RunningServer, settings: dict[str, str]
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


async def test_5_no_code_before_the_conditions_are_accepted_and_contact_data_are_the_patients(
    visitor: Reader, door: RunningServer
) -> None:
    app = next(each for each in clients() if each.client_id == "demo-public")
    request = LaunchRequest(app, "launch/patient patient/*.cruds", door.base)
    declining = Reader(visitor.http, visitor.base, "decline")
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
