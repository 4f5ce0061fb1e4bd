"""What the rules of medicines look at: orders, what was dispensed on them and what is asked for, as a plan will leave
them.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fhir_server.care.medications import all_named, is_order, is_renewal, named, task_asks
from fhir_server.care.refills import Dispenses
from fhir_server.care.renewals import Requests
from fhir_server.core.codec import decode
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Delete, Document, Expect, Put
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Change, Stored, stored_many
from fhir_server.policy import Permission, row_filter, visible
from fhir_server.store import related, resources
from fhir_server.store.related import Naming

REQUEST, DISPENSE, TASK = "MedicationRequest", "MedicationDispense", "Task"

_MOST = 5_000
"""Rows of a type read for one write; no patient has so many orders."""
_ENDED = tuple(f"status|{each}|" for each in ("completed", "cancelled", "stopped", "entered-in-error"))

Found = dict[str, Stored]
"""By id."""


def orders_in(resource: Resource, bases: tuple[str, ...]) -> set[str]:
    """The ids of the MedicationRequests on which it bears what a resource says."""
    if resource["resourceType"] == REQUEST:
        prior = named(resource.get("priorPrescription"), REQUEST, bases)
        return {*all_named(resource.get("basedOn"), REQUEST, bases), *filter(None, (prior,))}
    if resource["resourceType"] == DISPENSE:
        return set(all_named(resource.get("authorizingPrescription"), REQUEST, bases))
    focus = named(resource.get("focus"), REQUEST, bases)
    return {focus} if focus is not None and task_asks(resource) is not None else set()


def own_orders(document: Document) -> set[str]:
    """The id of the MedicationRequest that a document is, where there may be one already."""
    is_fresh = isinstance(document, Put) and document.expect is Expect.NOTHING
    return {document.id} if document.type == REQUEST and not is_fresh else set()


@dataclass(frozen=True, slots=True)
class Picture:
    """Stored resources by type and id, and the changes that a plan makes of them."""

    context: RequestContext
    changes: Sequence[Change]
    stored: Mapping[str, Found]

    def before(self, id: str) -> Resource | None:
        """A MedicationRequest as the plan finds it; None where there is none."""
        for each in self.changes:
            if (each.document.type, each.document.id) == (REQUEST, id):
                return each.former
        found = self.stored[REQUEST].get(id)
        return None if found is None else found.resource

    def planned(self, type: str, id: str) -> Change | None:
        """The change that the plan itself makes of a resource."""
        return next((each for each in self.changes if (each.document.type, each.document.id) == (type, id)), None)

    def request(self, id: str) -> Resource | None:
        """A MedicationRequest as the plan leaves it; None where there is none."""
        change = self.planned(REQUEST, id)
        return change.resource if change is not None else self.before(id)

    def dispenses(self, order: str) -> Dispenses:
        """Those that name an order, by id."""
        return {
            id: each for id, each in self._after(DISPENSE).items() if order in orders_in(each, self.context.own_bases)
        }

    def tasks(self, about: str, asks: str, but: str = "") -> dict[str, Resource]:
        """The Tasks that ask for this about a MedicationRequest, `but` one, by id."""
        return {
            id: each
            for id, each in self._after(TASK).items()
            if id != but and task_asks(each) == asks and about in orders_in(each, self.context.own_bases)
        }

    def requests(self, patient: str, but: str = "") -> Requests:
        """A patient's orders that have not ended, and those of the plan, `but` one, by id."""
        return {
            id: each
            for id, each in self._after(REQUEST).items()
            if id != but and named(each.get("subject"), "Patient", self.context.own_bases) == patient
        }

    async def reachable(self, document: Document, id: str, patient: str | None) -> Resource | None:
        """A MedicationRequest as the plan leaves it, where it is this patient's and the writer of the document may
        know of it; else None, as where there is none.
        """
        found = self.request(id)
        if (
            found is None
            or patient is None
            or named(found.get("subject"), "Patient", self.context.own_bases) != patient
        ):
            return None
        if self.planned(REQUEST, id) is not None:
            return found
        letter: Permission = "c" if isinstance(document, Put) and document.method == "POST" else "u"
        reach = visible(self.context.sight, document.type, letter)
        if reach is None:
            return None
        row = await resources.read(self.context.server.database, REQUEST, id, row_filter(reach))
        return None if row is None else found

    def _after(self, type: str) -> dict[str, Resource]:
        found = {id: each.resource for id, each in self.stored[type].items() if each.resource is not None}
        for change in self.changes:
            if change.document.type == type:
                found.pop(change.document.id, None)
                if change.resource is not None:
                    found[change.document.id] = change.resource
        return found


async def picture(context: RequestContext, changes: Sequence[Change], orders: Iterable[str]) -> Picture:
    """What is known of these orders and of the patients whose orders the plan writes. Raises FhirError 503."""
    wanted = sorted(orders)
    places = [f"{REQUEST}/{id}" for id in wanted]
    found: dict[str, Found] = {REQUEST: {}, DISPENSE: {}, TASK: {}}
    if wanted:
        found[REQUEST] |= await stored_many(context, REQUEST, wanted)
        named_so = {DISPENSE: "prescription", TASK: "focus"}
        for type, parameter in named_so.items():
            tokens = tuple(f"{parameter}|{place}" for place in places)
            found[type] |= await _all(context, Naming(type, tokens))
    patients = _patients(changes, context.own_bases)
    if patients:
        naming = Naming(REQUEST, tuple(f"patient|Patient/{id}" for id in sorted(patients)), without=_ENDED)
        found[REQUEST] |= await _all(context, naming)
    return Picture(context, changes, found)


def _patients(changes: Sequence[Change], bases: tuple[str, ...]) -> set[str]:
    """Whose orders may come into the place of others, or back."""
    found = set()
    for each in changes:
        resource = each.resource
        if each.document.type != REQUEST or resource is None or isinstance(each.document, Delete):
            continue
        if (is_order(resource) or is_renewal(resource)) and ("priorPrescription" in resource or each.former):
            found.add(named(resource.get("subject"), "Patient", bases))
    return {each for each in found if each is not None}


async def _all(context: RequestContext, naming: Naming) -> Found:
    database = context.server.database
    ids = [each.id for each in await related.owned_rows(database, naming, _MOST)]
    found = await related.bodies(database, naming.type, ids) if ids else {}
    return {id: Stored(decode(body), version) for id, (version, body) in found.items()}
