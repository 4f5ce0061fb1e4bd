"""Two servers that differ in one thing: the first also holds the records of patient b, and what is nobody's. One who
may see none of that must not be able to tell which of the two answered.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from fhir_server.interactions import delete
from fhir_server.store.mongo import Database
from smart_auth.access import AccessContext, ResourceScope
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.conftest import FHIR_JSON, observation
from tests.rest.in_process import opened, put

SECRET = "onlybmayknow"
A, B = "zann", "zben"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC = "http://loinc.org"

PATIENT_A = AccessContext("account-a", "app", "patient", scopes("patient/*.cruds"), patients=(A,), patient=A)
CALLERS: Mapping[str, AccessContext] = {
    "patient": PATIENT_A,
    "account": AccessContext("account-a", "app", "patient", scopes("user/*.cruds"), patients=(A,)),
    "reader": AccessContext("account-a", "reader", "patient", scopes("patient/*.rs"), patients=(A,), patient=A),
    "granular": AccessContext(
        "account-a",
        "lab app",
        "patient",
        (
            ResourceScope("patient", "Observation", frozenset("rs"), (("category", f"{CATEGORIES}|laboratory"),)),
            *scopes("patient/Patient.rs"),
        ),
        patients=(A,),
        patient=A,
    ),
    "agency for one": AccessContext("feed", "feed", "system", scopes("system/*.cruds"), patient=A, agency="urn:va"),
    "launched": AccessContext(
        "dr", "chart", "practitioner", scopes("patient/*.cruds"), fhir_user="Practitioner/dr", patient=A
    ),
}


def _told(of: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "category": [{"coding": [{"system": CATEGORIES, "code": code}]}],
        "effectiveDateTime": "2024-05-01",
        "performer": [{"reference": "Practitioner/dr"}],
        **more,
    }


def of_a() -> list[dict[str, Any]]:
    """What both servers hold: what is shared, and the record of a."""
    pill = {"resourceType": "Medication", "id": "m", "status": "active", "code": {"text": "Held"}}
    subject = {"reference": f"Patient/{A}"}
    return [
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Healer"}]},
        {"resourceType": "Organization", "id": "house", "name": "House"},
        {"resourceType": "Medication", "id": "pill", "status": "active", "code": {"text": "Pill"}},
        {
            "resourceType": "Patient",
            "id": A,
            "name": [{"family": "Anna"}],
            "gender": "female",
            "birthDate": "1980-01-01",
            "identifier": [{"system": "urn:mrn", "value": "a1"}],
            "generalPractitioner": [{"reference": "Practitioner/dr"}],
        },
        observation(A, id="za-1", **_told(A, "laboratory", valueQuantity={"value": 5, "unit": "cm"})),
        observation(A, id="za-2", **_told(A, "vital-signs", effectiveDateTime="2024-05-02", valueString="mine")),
        # These refer to what is b's.
        observation(
            A,
            id="za-3",
            effectiveDateTime="2024-05-03",
            hasMember=[{"reference": "Observation/zb-1"}],
            derivedFrom=[{"reference": "Observation/zgone"}],
            focus=[{"reference": f"Patient/{B}"}],
            note=[{"text": "mine alone"}],
        ),
        {
            "resourceType": "MedicationRequest",
            "id": "za-order",
            "status": "active",
            "intent": "order",
            "subject": subject,
            "contained": [pill],
            "medicationReference": {"reference": "#m"},
        },
        {
            "resourceType": "List",
            "id": "za-list",
            "status": "current",
            "mode": "working",
            "subject": subject,
            "entry": [{"item": {"reference": f"Observation/{each}"}} for each in ("za-1", "zb-1", "zgone")],
        },
        {"resourceType": "Goal", "id": "za-goal", "lifecycleStatus": "active", "description": {"text": "walk"}}
        | {"subject": subject, "addresses": [{"reference": "Condition/zb-condition"}]},
        {
            "resourceType": "CareTeam",
            "id": "za-team",
            "status": "active",
            "subject": subject,
            "participant": [{"member": {"reference": "Practitioner/dr"}}],
        },
        {
            "resourceType": "Provenance",
            "id": "za-provenance",
            "target": [{"reference": "Observation/za-1"}],
            "recorded": "2024-05-04T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/dr"}}],
        },
    ]


def of_b() -> list[dict[str, Any]]:
    """What one of them holds besides; `zgone` is deleted afterwards."""
    subject = {"reference": f"Patient/{B}"}
    held = {"resourceType": "Medication", "id": "m", "status": "active", "code": {"text": SECRET}}
    note = [{"text": SECRET}]
    return [
        {
            "resourceType": "Patient",
            "id": B,
            "name": [{"family": SECRET}],
            "gender": "female",
            "birthDate": "1980-01-01",
            "identifier": [{"system": "urn:mrn", "value": "b1"}, {"system": "urn:mrn", "value": "a1"}],
            "generalPractitioner": [{"reference": "Practitioner/dr"}],
            "link": [{"other": {"reference": f"Patient/{A}"}, "type": "seealso"}],
            "contact": [{"name": {"family": "Anna"}}],
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{SECRET} mine</div>',
            },
        },
        observation(B, id="zb-1", **_told(B, "laboratory", valueString=SECRET, note=note)),
        observation(B, id="zb-2", **_told(B, "vital-signs", focus=[{"reference": f"Patient/{A}"}])),
        observation(B, id="zb-3", hasMember=[{"reference": "Observation/za-1"}], note=[{"text": "mine alone"}]),
        observation(B, id="znobody", valueString=SECRET, subject={"reference": "Group/zall"}),
        observation(B, id="zgone", valueString=SECRET),
        {"resourceType": "Group", "id": "zall", "type": "person", "actual": True, "name": SECRET}
        | {"member": [{"entity": {"reference": f"Patient/{A}"}}]},
        {"resourceType": "Condition", "id": "zb-condition", "subject": subject, "code": {"text": SECRET}}
        | {"asserter": {"reference": f"Patient/{A}"}},
        {"resourceType": "AllergyIntolerance", "id": "zb-allergy", "patient": subject, "code": {"text": SECRET}}
        | {"asserter": {"reference": f"Patient/{A}"}},
        {"resourceType": "Encounter", "id": "zb-visit", "status": "finished", "subject": subject}
        | {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}
        | {"participant": [{"individual": {"reference": "Practitioner/dr"}}]},
        {"resourceType": "MedicationRequest", "id": "zb-order", "status": "active", "intent": "order"}
        | {"subject": subject, "contained": [held], "medicationReference": {"reference": "#m"}},
        {
            "resourceType": "List",
            "id": "zb-list",
            "status": "current",
            "mode": "working",
            "title": SECRET,
            "subject": subject,
            "entry": [{"item": {"reference": f"Observation/{each}"}} for each in ("za-1", "zb-1")],
        },
        {"resourceType": "Goal", "id": "zb-goal", "lifecycleStatus": "active", "description": {"text": SECRET}}
        | {"subject": subject, "addresses": [{"reference": "Observation/za-1"}]},
        {
            "resourceType": "Provenance",
            "id": "zb-provenance",
            "target": [{"reference": "Observation/zb-1"}],
            "recorded": "2024-05-04T00:00:00Z",
            "agent": [{"who": {"reference": f"Patient/{A}"}}],
        },
        {"resourceType": "Task", "id": "zb-task", "status": "draft", "intent": "order", "for": subject}
        | {"focus": {"reference": "Observation/za-1"}, "owner": {"reference": f"Patient/{A}"}},
        {"resourceType": "Communication", "id": "zb-message", "status": "completed", "subject": subject}
        | {"recipient": [{"reference": f"Patient/{A}"}], "sender": {"reference": f"Patient/{A}"}},
        {"resourceType": "Person", "id": "zperson", "link": [{"target": {"reference": f"Patient/{A}"}}]},
        {"resourceType": "RelatedPerson", "id": "zb-parent", "patient": subject, "name": [{"family": SECRET}]},
        {"resourceType": "Device", "id": "zb-device", "patient": subject, "serialNumber": SECRET},
    ]


HIDDEN = tuple(f"{each['resourceType']}/{each['id']}" for each in of_b())
OWN = tuple(f"{each['resourceType']}/{each['id']}" for each in of_a() if each["id"].startswith(("za", A)))


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of one caller; `url` is relative to the base, its query percent-encoded or not."""

    method: str
    url: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: str | None = None

    def arguments(self, bearer: str) -> dict[str, Any]:
        """What httpx takes."""
        headers = {**as_bearer(bearer), **self.headers}
        made: dict[str, Any] = {"method": self.method, "url": self.url, "headers": headers}
        if self.form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
            made["content"] = self.form
        elif self.body is not None:
            headers.setdefault("content-type", FHIR_JSON["content-type"])
            made["content"] = msgspec.json.encode(self.body)
        return made


_NORMAL: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), "<new>"),
    # The chain of the audit log that an event is in, and its place there.
    (re.compile(r'audit-chain","value":"[0-9a-f]{12}"'), "<chain>"),
    (re.compile(r"[0-9a-f]{12}-\d{12}-\d+"), "<event>"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<request>"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "<instant>"),
    (re.compile(r"\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT"), "<instant>"),
)
_CURSOR = re.compile(r"_cursor=([\w-]+)")
# The length is that of instants and new ids too, which differ; that of the body below does not.
_PER_REQUEST = frozenset({"x-request-id", "date", "server-timing", "content-length"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets: status, headers and body, without what differs between any two answers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        """The length of a page link stays: it must not tell anything either."""
        request_id = response.headers.get("x-request-id") or "<none>"
        text = _CURSOR.sub(lambda found: f"_cursor={len(found[1])}", response.text.replace(request_id, "<request>"))
        headers = sorted(
            (name, _normal(value)) for name, value in response.headers.multi_items() if name not in _PER_REQUEST
        )
        return cls(response.status_code, tuple(headers), _normal(text))


def _normal(text: str) -> str:
    for pattern, mark in _NORMAL:
        text = pattern.sub(mark, text)
    return text


@dataclass(frozen=True, slots=True)
class Worlds:
    """Clients of the server that holds b's records too, and of the one that does not; the database of the first."""

    whole: httpx.AsyncClient
    without: httpx.AsyncClient
    rows: Database

    async def answers(self, bearer: str, sent: Sent) -> tuple[Answer, Answer]:
        """What both say to the same request."""
        arguments = sent.arguments(bearer)
        # At the same time: each waits for its audit log to be on disk.
        whole, without = await asyncio.gather(self.whole.request(**arguments), self.without.request(**arguments))
        return Answer.of(whole), Answer.of(without)


async def ready(api: httpx.AsyncClient, bearer: str) -> None:
    """Wait until a server that has just started has looked through its rows, and answers searches."""
    async with asyncio.timeout(30):
        while (await api.get("Patient?_count=1", headers=as_bearer(bearer))).status_code == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def two_worlds(uri: str) -> AsyncIterator[Worlds]:
    """Both, over databases of their own."""
    names = [f"test_{uuid4().hex[:16]}" for _ in range(2)]
    async with AsyncExitStack() as open_until:
        apis, databases = [], []
        for name, more in zip(names, (of_b(), ()), strict=True):
            operator = await open_until.enter_async_context(opened(uri, name))
            databases.append(operator.server.database)
            open_until.push_async_callback(operator.server.database.client.drop_database, name)
            for resource in (*of_a(), *more):
                await put(operator, resource)
                # Two of the same millisecond would stand in the order of their types or ids, in this world alone.
                await asyncio.sleep(0.002)
            if more:
                await delete.delete(operator, "Observation", "zgone")
            api = await open_until.enter_async_context(guarded(uri, name, CALLERS))
            await ready(api, "patient")
            apis.append(api)
        yield Worlds(apis[0], apis[1], databases[0])
