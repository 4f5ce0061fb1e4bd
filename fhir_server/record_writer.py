"""How the portal's own pages write into the record: validated, committed and audited as a request of the FHIR API is.

Nothing here asks what a person may do: whoever calls this has decided it. The audit row names the person, and `portal`
as what they did it with.
https://hl7.org/fhir/R4/http.html#update, https://profiles.ihe.net/ITI/BALP/
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Document, Method, Put, WritePlan, Written
from fhir_server.interactions import admission
from fhir_server.interactions.commit import commit
from fhir_server.interactions.context import RequestContext, Server
from fhir_server.interactions.search import search
from fhir_server.policy import Sight
from fhir_server.search.page import CURSOR_PARAMETER
from fhir_server.store import resources
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_entries import Asked
from smart_auth.access import ANY_TYPE, AccessContext, ResourceScope
from smart_auth.random_secrets import new_id
from smart_auth.request_id import request_id as current_request_id

PORTAL = "portal"
"""The client that an audit row names where a page of the portal wrote."""

MOST_FOUND = 1000
_PAGE = "200"

# The pages look at all of a record to change little of it, and write whole what they read: nothing is masked.
_EVERYTHING = (ResourceScope("system", ANY_TYPE, frozenset("cruds")),)


@dataclass(frozen=True, slots=True)
class RecordWriter:
    """Writes of one worker. Without `auditor` (no sign-in) nothing is audited, as at the API."""

    server: Server
    auditor: Auditor | None
    base: str

    def context(
        self, account_id: str, fhir_user: str | None = None, patient: str | None = None, request_id: str = ""
    ) -> RequestContext:
        """A request in the name of an account, `fhir_user` relative. One context is for one thing somebody did.

        `patient` is the record it is about, for the callers' own use: it narrows nothing. Without `request_id` it is
        the page's own, so that its audit rows are found together.
        """
        access = AccessContext(account_id, PORTAL, "system", _EVERYTHING, fhir_user=fhir_user, may_see_ssn=True)
        id = request_id or current_request_id() or new_id()
        return RequestContext(self.server, id, self.base, sight=Sight(access), is_own=True)

    def put(
        self,
        context: RequestContext,
        resource: Resource,
        id: str,
        method: Method = "PUT",
        if_version: int | None = None,
        creates_only: bool = False,
    ) -> Put:
        """A document for `commit`: with `if_version` over that version alone, with `creates_only` where nothing is.

        Raises FhirError 400 or 422 for content that may not be stored.
        """
        admitted = admission.admitted(context, {**resource, "id": id}, resource["resourceType"])
        method = "POST" if creates_only else method
        put = admission.put(context, admitted, id, method, if_version=if_version, if_absent=creates_only)
        # Restricted rows too: their labels keep others out, not the portal that acts for whose record it is.
        return replace(put, within=None)

    async def commit(self, context: RequestContext, *documents: Document) -> tuple[Written, ...]:
        """Write all or nothing, and keep the audit rows; what became of each, in order.

        Raises FhirError 412 where a version is no longer current or what was to be created is there, 409 where others
        kept winning, 503 without a database or where the audit log cannot be kept.
        """
        status, number = 500, outcome.INTERNAL.number
        try:
            written = await commit(context, WritePlan(documents))
            status, number = 200, 0
        except FhirError as error:
            status, number = error.status, error.issues[0].number if error.issues else 0
            raise
        finally:
            await self._note(context, documents, status, number)
        return written

    async def read(self, type: str, id: str) -> tuple[Resource, int] | None:
        """The resource as it is stored now, with its version; None where there is none, or no more."""
        row = await resources.read(self.server.database, type, id)
        return None if row is None or row.body is None else (decode(row.body), row.version)

    async def found(self, context: RequestContext, type: str, pairs: Sequence[tuple[str, str]]) -> list[Resource]:
        """The resources that a search finds, at most MOST_FOUND; in no audit row, for nobody is shown them by this.

        Raises FhirError 400 for criteria that cannot be searched by.
        """
        matches: list[Resource] = []
        asked: Sequence[tuple[str, str]] = [*pairs, ("_count", _PAGE)]
        noted = len(context.trail.accesses)
        while asked and len(matches) < MOST_FOUND:
            answer = await search(context, type, asked)
            bundle = decode(answer.body or b"{}")
            matches += [each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"]
            asked = _next(bundle)
        del context.trail.accesses[noted:]
        return matches[:MOST_FOUND]

    async def _note(self, context: RequestContext, documents: tuple[Document, ...], status: int, number: int) -> None:
        """Raises FhirError 503 where it cannot be kept."""
        accesses = list(context.trail.accesses)
        context.trail.accesses.clear()
        if self.auditor is None:
            return
        first = documents[0] if len(documents) == 1 else None
        asked = Asked(
            context.request_id,
            "transaction" if first is None else "update" if isinstance(first, Put) else "delete",
            first.type if first is not None else "",
            f"{first.type}/{first.id}" if first is not None else "",
        )
        await self.auditor.note_request(context.sight, asked, accesses, status, number)


def _next(bundle: Resource) -> list[tuple[str, str]]:
    """The search of the next page; empty after the last."""
    links = [each["url"] for each in bundle.get("link", ()) if each["relation"] == "next"]
    return [pair for link in links for pair in parse_qsl(urlsplit(link).query) if pair[0] == CURSOR_PARAMETER]
