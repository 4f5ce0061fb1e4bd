"""Records of two patients, callers of every kind, and what these find; for the tests of narrowing.

https://hl7.org/fhir/R4/security.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import structs

from fhir_server.core.trail import Trail
from fhir_server.interactions import batch, delete
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.policy import Sight
from smart_auth.access import AccessContext, ResourceScope
from tests.rest.bundles import next_link, places
from tests.rest.conftest import observation, patient
from tests.rest.in_process import BASE, opened, put

CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY, VITALS = f"{CATEGORIES}|laboratory", f"{CATEGORIES}|vital-signs"


def category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": CATEGORIES, "code": code}]}]


def scope(text: str) -> ResourceScope:
    place, _, query = text.partition("?")
    level, _, rest = place.partition("/")
    type, _, letters = rest.partition(".")
    filters = tuple((name, value) for name, _, value in (each.partition("=") for each in query.split("&") if each))
    return ResourceScope(level, type, frozenset(letters), filters)  # type: ignore[arg-type]


def seen_by(
    context: RequestContext, kind: str, *scopes: str, related: tuple[str, ...] = (), **more: Any
) -> RequestContext:
    access = AccessContext(more.pop("subject", kind), "app", kind, tuple(map(scope, scopes)), **more)  # type: ignore[arg-type]
    return structs.replace(context, sight=Sight(access, frozenset(related)), trail=Trail())


def of_patient(context: RequestContext, id: str, *scopes: str) -> RequestContext:
    return seen_by(context, "patient", *(scopes or ("patient/*.rs",)), patient=id, patients=(id,), subject=id)


def practitioner(context: RequestContext, *related: str, **more: Any) -> RequestContext:
    return seen_by(context, "practitioner", "user/*.rs", related=related, **more)


def body(answer: Answer) -> dict[str, Any]:
    assert answer.body is not None
    decoded: dict[str, Any] = msgspec.json.decode(answer.body)
    return decoded


async def get(context: RequestContext, url: str) -> dict[str, Any]:
    """The answer to a GET below the base: a read, a vread, a history or a search, in any of their places."""
    path, _, query = url.removeprefix(BASE).lstrip("/").replace(" ", "%20").partition("?")
    entry = {"request": {"method": "GET", "url": path + (f"?{query}" if query else "")}}
    answer = body(await batch.batch(context, {"resourceType": "Bundle", "type": "batch", "entry": [entry]}))
    response = answer["entry"][0]
    if "resource" in response:
        found: dict[str, Any] = response["resource"]
        return found
    return {"status": response["response"]["status"], "outcome": response["response"].get("outcome")}


async def found(context: RequestContext, url: str, mode: str = "match") -> set[str]:
    """The places of the entries of a mode on all pages."""
    together: set[str] = set()
    following: str | None = url
    while following:
        bundle = await get(context, following)
        assert bundle.get("resourceType") == "Bundle", bundle
        together |= set(places(bundle, mode))
        following = next_link(bundle)
    return together


async def refused(context: RequestContext, url: str) -> tuple[str, str]:
    """Status and words of a refusal."""
    answer = await get(context, url)
    assert "status" in answer, answer
    return answer["status"], answer["outcome"]["issue"][0]["details"]["text"]


@asynccontextmanager
async def records(uri: str, name: str) -> AsyncIterator[RequestContext]:
    """The records of two patients, a and b, and what belongs to neither."""
    async with opened(uri, name) as context:
        shared: list[dict[str, Any]] = [
            {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Healer"}]},
            {"resourceType": "Organization", "id": "org", "name": "House"},
            {"resourceType": "Organization", "id": "secret", "name": "House", "meta": {"security": [restricted()]}},
            {"resourceType": "Group", "id": "both", "type": "person", "actual": True},
            {"resourceType": "Medication", "id": "pill", "status": "active"},
        ]
        for each in shared:
            await put(context, each)
        for id in "ab":
            await put(context, patient(id=id, name=[{"family": f"Family-{id}"}], gender="female"))
            for number, code in enumerate(("laboratory", "vital-signs")):
                date = f"2024-01-0{number + 1}"
                content = {"category": category(code), "effectiveDateTime": date, "valueString": f"told of {id}"}
                await put(
                    context, observation(id, id=f"{id}-{code}", performer=[{"reference": "Practitioner/dr"}], **content)
                )
            held = {"resourceType": "Medication", "id": "m", "status": "active", "code": {"text": f"Held-{id}"}}
            order = {
                "resourceType": "MedicationRequest",
                "id": f"{id}-order",
                "status": "active",
                "intent": "order",
                "subject": {"reference": f"Patient/{id}"},
                "contained": [held],
                "medicationReference": {"reference": "#m"},
            }
            await put(context, order)
            entries = [{"item": {"reference": f"Observation/{each}-laboratory"}} for each in "ab"]
            await put(
                context,
                {
                    "resourceType": "List",
                    "id": f"{id}-list",
                    "status": "current",
                    "mode": "working",
                    "subject": {"reference": f"Patient/{id}"},
                    "entry": entries,
                },
            )
        await put(context, observation("a", id="a-restricted", meta={"security": [restricted()]}))
        await put(context, observation("a", id="nobody", subject={"reference": "Group/both"}))
        actors = [{"actor": {"reference": f"Patient/{id}"}, "status": "accepted"} for id in "ab"]
        await put(context, {"resourceType": "Appointment", "id": "visit", "status": "booked", "participant": actors})
        # It was a's and is b's now.
        await put(context, observation("a", id="moved", valueString="first of a"))
        await put(context, observation("b", id="moved", valueString="then of b"))
        await put(context, observation("b", id="deleted"))
        await delete.delete(context, "Observation", "deleted")
        yield context


def restricted() -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


A_OBSERVATIONS = {"Observation/a-laboratory", "Observation/a-vital-signs", "Observation/a-restricted"}
B_OBSERVATIONS = {"Observation/b-laboratory", "Observation/b-vital-signs", "Observation/moved"}
