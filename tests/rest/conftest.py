"""What the tests of the RESTful API share: a client of the run's server, and small resources."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningServer
from tests.rest.in_process import opened
from tests.rest.writers import Writers, person

FHIR_JSON = {"content-type": "application/fhir+json"}


@pytest.fixture(scope="session")
def api(shared_server: RunningServer) -> Iterator[httpx.Client]:
    """A client whose paths are relative to the FHIR base."""
    with httpx.Client(base_url=f"{shared_server.base}/", timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def writers(mongodb_uri: str, database_name: str) -> AsyncIterator[Writers]:
    """Callers of every kind, over a database with two patients."""
    async with opened(mongodb_uri, database_name) as context:
        made = Writers(context)
        await made.stored(person("anna"), person("ben"))
        yield made


@pytest.fixture
def unique() -> str:
    """A value that no other test uses."""
    return uuid4().hex


def patient(**elements: Any) -> dict[str, Any]:
    """A small synthetic Patient."""
    return {"resourceType": "Patient", "name": [{"family": "Testpatient", "given": ["Synthia"]}], **elements}


def observation(patient_id: str, **elements: Any) -> dict[str, Any]:
    """A small Observation of a patient."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        **elements,
    }


def created(api: httpx.Client, resource: dict[str, Any]) -> dict[str, Any]:
    """The resource as the server created it."""
    response = api.post(resource["resourceType"], json=resource)
    assert response.status_code == 201, response.text
    answered: dict[str, Any] = response.json()
    return answered


def numbers(response: httpx.Response) -> list[str]:
    """The stable numbers of an OperationOutcome's issues."""
    body = response.json()
    assert body["resourceType"] == "OperationOutcome", body
    return [issue["details"]["coding"][0]["code"] for issue in body["issue"]]


def texts(response: httpx.Response) -> str:
    """All that an OperationOutcome says, as one text."""
    return " ".join(issue["details"]["text"] for issue in response.json()["issue"])
