"""The kit, its registered apps, the demo users at their browsers, and the launches that many tests look at."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conformance.smart_kit.app import App, Json, key_set, registered
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED, FIXED_OF_EHR, SET_1, SET_2, granular, resources
from tests.conftest import RunningServer

PATIENT = "walker-james"


@pytest_asyncio.fixture(scope="session")
async def kit(smart_server: RunningServer) -> AsyncIterator[Kit]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        smart = (await http.get(f"{smart_server.base}/.well-known/smart-configuration")).json()
        yield Kit(http, smart_server.base, smart)


class _KeySet(BaseHTTPRequestHandler):
    """The kit's own JWK Set, at any path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(key_set()).encode())

    def log_message(self, *said: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def jwks_site() -> Iterator[str]:
    """The origin under which the kit serves its keys."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _KeySet)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest_asyncio.fixture(scope="session")
async def apps(kit: Kit, jwks_site: str) -> dict[str, App]:
    """The kit's apps: public, symmetric, asymmetric by JWK Set and by its address, and a backend service of each."""
    register = partial(registered, kit.http, kit.smart["registration_endpoint"])
    backend = {
        "redirect_uris": None,
        "initiate_login_uri": None,
        "grant_types": ["client_credentials"],
        "scope": "system/Patient.rs system/Observation.rs",
    }
    at = f"{jwks_site}/jwks.json"
    return {
        "public": await register("Kit, public", "none"),
        "symmetric": await register("Kit, with a secret", "client_secret_basic"),
        "asymmetric": await register("Kit, with a key", "private_key_jwt", jwks=key_set()),
        "asymmetric-by-url": await register("Kit, with a key at an address", "private_key_jwt", jwks_uri=at),
        "backend": await register("Kit, backend", "private_key_jwt", jwks=key_set(), **backend),
        "backend-by-url": await register("Kit, backend by address", "private_key_jwt", jwks_uri=at, **backend),
    }


People = Callable[[str], Awaitable[Person]]


@pytest_asyncio.fixture(scope="session")
async def people(kit: Kit) -> AsyncIterator[People]:
    """The demo users, each at a browser of their own, in which they stay signed in."""
    known: dict[str, Person] = {}
    async with AsyncExitStack() as browsers:

        async def person(username: str) -> Person:
            if username not in known:
                http = await browsers.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
                known[username] = Person(http, kit.base.removesuffix("/fhir"), username)
            return known[username]

        yield person


@pytest_asyncio.fixture(scope="session")
async def patient(people: People) -> Person:
    """James Walker, a veteran, who acts for himself alone."""
    return await people("james.walker")


@pytest_asyncio.fixture(scope="session")
async def practitioner(people: People) -> Person:
    """Monica Salazar, a physician of the VA, in whose care James Walker is."""
    return await people("monica.salazar")


@pytest_asyncio.fixture(scope="session")
async def chart(kit: Kit, apps: dict[str, App], practitioner: Person) -> None:
    """What the patient's chart lacks of the granular sets' categories, written down by the physician in an app."""
    scope = "openid user/Condition.cs user/Observation.cs"
    launched = await kit.launch(apps["symmetric"], practitioner, scope)
    for resource in (_health_concern(), _housing()):
        url = f"{kit.base}/{resource['resourceType']}"
        made = await kit.http.post(url, json=resource, headers=launched.bearer)
        assert made.status_code == 201, made.text


@pytest_asyncio.fixture(scope="session")
async def standalone(kit: Kit, apps: dict[str, App], patient: Person, chart: None) -> Launched:
    """The (g)(10) standalone launch: 26 types, a confidential app."""
    return await kit.launch(apps["symmetric"], patient, " ".join((*FIXED, *resources("patient"))))


@pytest_asyncio.fixture(scope="session")
async def public(kit: Kit, apps: dict[str, App], patient: Person) -> Launched:
    """A public app's launch, as a web page's own."""
    return await kit.launch(apps["public"], patient, " ".join((*FIXED, "patient/Patient.rs", "patient/Observation.rs")))


@pytest_asyncio.fixture(scope="session")
async def asymmetric(kit: Kit, apps: dict[str, App], patient: Person) -> Launched:
    return await kit.launch(apps["asymmetric"], patient, " ".join((*FIXED, "patient/Patient.rs")))


@pytest_asyncio.fixture(scope="session")
async def ehr(kit: Kit, apps: dict[str, App], practitioner: Person) -> Launched:
    """The (g)(10) EHR launch by a practitioner, for a patient and an encounter, authorized by POST."""
    app = apps["symmetric"]
    told = await kit.opened(app, practitioner, PATIENT, intent="reconcile", fhir_context="CareTeam/of-the-day")
    assert told["iss"] == kit.base
    scope = " ".join((*FIXED_OF_EHR, *resources("user")))
    return await kit.launch(app, practitioner, scope, by_post=True, launch=told["launch"])


@pytest_asyncio.fixture(scope="session", params=["public", "standalone", "asymmetric", "ehr"])
async def each_launch(
    request: pytest.FixtureRequest, public: Launched, standalone: Launched, asymmetric: Launched, ehr: Launched
) -> Launched:
    """Each of the launches."""
    return {"public": public, "standalone": standalone, "asymmetric": asymmetric, "ehr": ehr}[request.param]


@pytest_asyncio.fixture(scope="session", params=[SET_1, SET_2], ids=["set 1", "set 2"])
async def granular_launch(
    request: pytest.FixtureRequest, kit: Kit, apps: dict[str, App], patient: Person, chart: None
) -> tuple[Any, Launched]:
    """A launch with a set of granular scopes, and the set."""
    scope = " ".join((*FIXED, "patient/Patient.rs", *granular(request.param)))
    return request.param, await kit.launch(apps["symmetric"], patient, scope)


def _health_concern() -> Json:
    core = "http://hl7.org/fhir/us/core/CodeSystem"
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": status, "code": "active"}]},
        "category": [{"coding": [{"system": f"{core}/condition-category", "code": "health-concern"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "32911000", "display": "Homeless"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "onsetDateTime": "2026-03-02",
        "recordedDate": "2026-03-02",
    }


def _housing() -> Json:
    core = "http://hl7.org/fhir/us/core/CodeSystem"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": f"{core}/us-core-category", "code": "sdoh"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "71802-3", "display": "Housing status"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": "2026-03-02T09:00:00Z",
        "valueCodeableConcept": {"text": "Stays with friends"},
    }
