"""Callers of every kind, and their requests run in the test's own process, over a database of its own."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from msgspec import structs

from fhir_server.core.codec import encode
from fhir_server.core.outcome import FhirError
from fhir_server.core.trail import Accessed, Trail
from fhir_server.interactions.batch import batch, entry_answer
from fhir_server.interactions.bundle_entry import Entry
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext, ReturnPreference
from fhir_server.interactions.transaction import transaction
from fhir_server.policy import OPERATOR, Sight
from smart_auth.access import AccessContext
from tests.rest.access import scopes

VA, DOD = "urn:agency:va", "urn:agency:dod"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
X: dict[str, Any] = {"identifier": [{"system": "urn:x", "value": "x"}]}
Y: dict[str, Any] = {"identifier": [{"system": "urn:x", "value": "y"}]}


def patient_of(*patients: str, granted: str = "patient/*.cruds", **more: Any) -> Sight:
    """The token of an account for these patients, launched for the first of them."""
    access = AccessContext("account-" + patients[0], "app", "patient", scopes(granted), patients=patients)
    return Sight(replace(access, patient=patients[0], **more))


def practitioner(*related: str, granted: str = "user/*.cruds", **more: Any) -> Sight:
    """The token of somebody who treats these patients."""
    access = AccessContext("account-p7", "chart", "practitioner", scopes(granted), fhir_user="Practitioner/p7")
    return Sight(replace(access, **more), frozenset(related))


def system(granted: str = "system/*.cruds", **more: Any) -> Sight:
    """The token of a system client."""
    return Sight(replace(AccessContext("feed", "feed", "system", scopes(granted)), **more))


def admin() -> Sight:
    return Sight(AccessContext("account-root", "console", "admin", scopes("user/*.cruds")))


def officer() -> Sight:
    return Sight(AccessContext("account-officer", "console", "officer", scopes("user/*.cruds")))


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller was told, and what was noted of it."""

    status: int
    body: Any = None
    numbers: tuple[int, ...] = ()
    text: str = ""
    element: str | None = None
    version: int | None = None
    location: str | None = None
    noted: tuple[Accessed, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        assert self.location is not None
        return self.location.split("/")[1]


@dataclass(frozen=True, slots=True)
class Writers:
    """Runs requests by whoever is named."""

    context: RequestContext

    async def ask(
        self,
        sight: Sight,
        method: str,
        url: str,
        content: Any = None,
        conditions: Conditions = NO_CONDITIONS,
        prefer: ReturnPreference | None = None,
        only_changes: bool = False,
    ) -> Told:
        """One request; `content` of a PATCH is a pair of media type and document."""
        path, _, query = url.partition("?")
        if method == "PATCH":
            content = patch_in_binary(*content)
        entry = Entry(0, method, url, tuple(path.split("/")), query, None, content, conditions)
        context = self._context(sight, prefer, only_changes)
        return await told_of(context, lambda: entry_answer(context, entry))

    async def bundle(
        self, sight: Sight, type: str, entries: Sequence[dict[str, Any]], prefer: ReturnPreference | None = None
    ) -> Told:
        """A batch or transaction of these entries."""
        bundle = {"resourceType": "Bundle", "type": type, "entry": list(entries)}
        context, run = self._context(sight, prefer), batch if type == "batch" else transaction
        return await told_of(context, lambda: run(context, bundle))

    async def stored(self, *resources: dict[str, Any]) -> None:
        """Resources put there by the operator."""
        for resource in resources:
            told = await self.ask(OPERATOR, "PUT", f"{resource['resourceType']}/{resource['id']}", resource)
            assert told.status in (200, 201), told

    async def now(self, place: str) -> dict[str, Any]:
        """What is there now, as the operator sees it."""
        told = await self.ask(OPERATOR, "GET", place)
        assert told.status == 200, told
        resource: dict[str, Any] = told.body
        return resource

    async def rows(self, type: str) -> list[dict[str, Any]]:
        """The rows of a type, behind the server's back."""
        found: list[dict[str, Any]] = await self.context.server.database.handle[type].find({}).to_list(None)
        return found

    def _context(
        self, sight: Sight, prefer: ReturnPreference | None = None, only_changes: bool = False
    ) -> RequestContext:
        return structs.replace(
            self.context, sight=sight, trail=Trail(), prefer_return=prefer, only_changes=only_changes
        )


async def told_of(context: RequestContext, run: Any) -> Told:
    """What a caller was told by whatever is run."""
    try:
        answer: Answer = await run()
    except FhirError as error:
        numbers = tuple(issue.number for issue in error.issues)
        text = " ".join(issue.text for issue in error.issues)
        return Told(error.status, None, numbers, text, error.issues[0].expression, noted=tuple(context.trail.accesses))
    body = msgspec.json.decode(answer.body) if answer.body else None
    noted = tuple(context.trail.accesses)
    return Told(answer.status, body, version=answer.version, location=answer.location, noted=noted)


def patch_in_binary(media_type: str, document: Any) -> dict[str, Any]:
    """A patch as an entry of a Bundle has it."""
    return {
        "resourceType": "Binary",
        "contentType": media_type,
        "data": base64.b64encode(encode(document)).decode(),
    }


def entry(method: str, url: str, resource: Any = None, **request: Any) -> dict[str, Any]:
    """An entry of a Bundle."""
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return made if resource is None else made | {"resource": resource}


ANNA, BEN = patient_of("anna"), patient_of("ben")


def person(id: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": "Testpatient"}], **elements}


def goal(subject: str | None, id: str | None = None, **elements: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"}}
    if id is not None:
        made["id"] = id
    if subject is not None:
        made["subject"] = {"reference": f"Patient/{subject}"}
    return made | elements


def observation(subject: str, id: str | None = None, **elements: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "steps"},
        "subject": {"reference": f"Patient/{subject}"},
        **elements,
    }
    return made if id is None else made | {"id": id}


def patches(path: str, value: str) -> list[tuple[str, Any]]:
    """The same change in three forms: a text of the description, or the reference of the subject."""
    first, last = path.split("/")
    operation = {
        "name": "operation",
        "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": f"Goal.{first}.{last}"},
            {"name": "value", "valueString": value},
        ],
    }
    return [
        ("application/json-patch+json", [{"op": "replace", "path": f"/{path}", "value": value}]),
        ("application/merge-patch+json", {first: {last: value}}),
        ("application/fhir+json", {"resourceType": "Parameters", "parameter": [operation]}),
    ]


def as_told(told: Told, hidden: str, free: str) -> Told:
    """What was told of a hidden id, as it would be told of a free one."""
    return replace(told, text=told.text.replace(hidden, free))
