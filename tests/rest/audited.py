"""A server whose every access is audited, callers of every kind, and what its log says of them.

https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/auditevent.html
"""

from typing import Any

import httpx

from fhir_server.core import codec
from fhir_server.validation.validate import validate
from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, scopes
from tests.rest.conftest import observation, patient

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

DCM = "http://dicom.nema.org/resources/ontology/DCM"

BEARERS = {
    "a": AccessContext(
        "account-a", "portal", "patient", scopes("patient/*.rs"), fhir_user="Patient/a", patients=("a",), patient="a"
    ),
    "mother": AccessContext(
        "account-m", "portal", "patient", scopes("user/*.rs"), fhir_user="Patient/m", patients=("m", "a")
    ),
    "va": AccessContext(
        "va-system",
        "va-system",
        "system",
        scopes("system/*.cruds"),
        agency="https://va.example.org",
        purposes=("TREAT",),
        token_id="token-va",
    ),
    "clinician": AccessContext(
        "account-7",
        "ehr",
        "practitioner",
        scopes("user/*.rs"),
        fhir_user="Practitioner/p7",
        patient="a",
        emergency=True,
        token_id="token-7",
    ),
    "officer": AccessContext("account-o", "security", "officer", scopes("user/AuditEvent.rs")),
    "other officer": AccessContext("account-o2", "security", "officer", scopes("user/AuditEvent.rs")),
    "blind officer": AccessContext("account-o3", "security", "officer", scopes("user/Patient.rs")),
    "admin": AccessContext("account-x", "console", "admin", scopes("user/*.cruds")),
}

Event = dict[str, Any]

App = httpx.AsyncClient


async def put_records(app: App) -> None:
    for id in ("a", "b", "m"):
        await send(app, "admin", "PUT", f"Patient/{id}", patient(id=id))
    for id in ("a", "b"):
        await send(app, "admin", "PUT", f"Observation/o{id}", observation(id, id=f"o{id}"))


async def send(
    app: App, bearer: str, method: str, url: str, body: Any = None, status: int | None = None, request: str = ""
) -> httpx.Response:
    headers = as_bearer(bearer) | ({"x-request-id": request} if request else {})
    response = await app.request(method, url, json=body, headers=headers)
    assert status in (None, response.status_code), response.text
    return response


async def events(app: App, query: str, bearer: str = "officer") -> list[Event]:
    """The AuditEvents of the first page, each of which is valid R4."""
    response = await app.get(f"AuditEvent?{query}", headers=as_bearer(bearer))
    assert response.status_code == 200, response.text
    bundle = codec.decode(response.content)
    found = [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]
    for event in found:
        assert validate(event, "AuditEvent") == ()
    return found


def codes(event: Event, *path: str) -> list[Any]:
    found: list[Any] = [event]
    for name in path:
        found = [each[name] for each in found if name in each]
        found = [inner for each in found for inner in (each if isinstance(each, list) else [each])]
    return found


def agent(event: Event, code: str) -> Event:
    """The agent of this type."""
    (found,) = [each for each in event["agent"] if code in codes(each, "type", "coding", "code")]
    assert isinstance(found, dict)
    return found


def references(event: Event) -> list[str]:
    return codes(event, "entity", "what", "reference")
