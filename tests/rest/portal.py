"""What the portal's pages write with, over a database of the test's own, and what is audited of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fhir_server.core.resource import Resource
from fhir_server.core.trail import Accessed
from fhir_server.interactions import history
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from fhir_server.record_writer import RecordWriter
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_entries import Asked
from smart_auth.records import Account
from tests.rest.in_process import BASE, opened, put

DOD_ID_SYSTEM = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
SSN = "900123456"

ANN = Account(
    id="id-ann",
    username="ann",
    login="ann",
    password_hash="",
    kind="patient",
    fhir_user="Patient/ann",
    patients=("ann",),
)


@dataclass(frozen=True, slots=True)
class Noted:
    """One answer that the audit log was told of."""

    sight: Sight
    asked: Asked
    accesses: tuple[Accessed, ...]
    status: int

    @property
    def who(self) -> tuple[str, str, str | None]:
        assert self.sight.access is not None
        return self.sight.access.subject, self.sight.access.client_id, self.sight.access.fhir_user

    @property
    def done(self) -> list[tuple[str, str]]:
        """Interactions and types."""
        return [(each.interaction, each.type) for each in self.accesses]


class TellingAuditor(Auditor):
    """The audit log as it is, which also says here what it was told."""

    noted: list[Noted]

    async def note_request(
        self, sight: Sight, asked: Asked, accesses: Sequence[Accessed], status: int, number: int = 0
    ) -> None:
        await super().note_request(sight, asked, accesses, status, number)
        self.noted.append(Noted(sight, asked, tuple(accesses), status))


@dataclass(frozen=True, slots=True)
class Portal:
    """A writer, the operator's own context, and the audit log."""

    writer: RecordWriter
    operator: RequestContext
    auditor: TellingAuditor
    others: list[RecordWriter] = field(default_factory=list)

    @property
    def noted(self) -> list[Noted]:
        return self.auditor.noted

    async def stored(self, *resources: Resource) -> None:
        for resource in resources:
            await put(self.operator, resource)

    async def kept(self, place: str) -> Resource:
        """The resource as it is now."""
        type, _, id = place.partition("/")
        found = await self.writer.read(type, id)
        assert found is not None, place
        return found[0]

    async def all(self, type: str, **criteria: str) -> list[Resource]:
        return await self.writer.found(self.operator, type, list(criteria.items()))

    async def versions(self, place: str) -> list[Resource]:
        """All versions of a resource, the latest first."""
        type, _, id = place.partition("/")
        answer = await history.of_instance(self.operator, type, id, [])
        assert answer.body is not None
        return [each["resource"] for each in msgspec.json.decode(answer.body)["entry"]]


@asynccontextmanager
async def portal(uri: str, name: str) -> AsyncIterator[Portal]:
    async with opened(uri, name) as context:
        auditor = TellingAuditor(context.server.database, "test")
        auditor.noted = []
        yield Portal(RecordWriter(context.server, auditor, BASE), context, auditor)
        await auditor.end(says_anchor=False)


def ann(**elements: Any) -> Resource:
    """A Patient with what a portal must leave as it is: numbers, names, extensions."""
    return {
        "resourceType": "Patient",
        "id": "ann",
        "identifier": [{"system": DOD_ID_SYSTEM, "value": "9900000017"}, {"system": SSN_SYSTEM, "value": SSN}],
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Ann"]}],
        "telecom": [
            {"system": "phone", "value": "202-555-0100", "use": "mobile"},
            {"system": "email", "value": "ann@example.org", "use": "home", "period": {"start": "2020-01-01"}},
            {"system": "phone", "value": "202-555-0000", "use": "old"},
        ],
        "gender": "female",
        "birthDate": "1984-03-12",
        "address": [
            {
                "use": "home",
                "line": ["1 Main St"],
                "city": "Norfolk",
                "state": "VA",
                "postalCode": "23510",
                "country": "US",
            }
        ],
        "contact": [{"name": {"family": "Kin"}, "period": {"start": "2019-01-01"}}],
        **elements,
    }
