"""The rules of medicines, for every write of an order, of what is dispensed on it, and of a Task that asks for it.

Whatever bears on an order takes the order's turn, so that of two who saw the same refills left one looks again.

docs/adr/0034-medicines.md
"""

from dataclasses import replace

from fhir_server.care.medications import named
from fhir_server.care.renewals import hidden_as
from fhir_server.core.instant import format_instant, now
from fhir_server.core.write_plan import ANY_VERSION, Expect, Put, WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import Change
from fhir_server.interactions.medicine_facts import DISPENSE, REQUEST, TASK, orders_in, own_orders, picture
from fhir_server.interactions.medicine_work import Work
from fhir_server.interactions.refills import check_dispense, check_task
from fhir_server.interactions.renewals import check_request
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.store import resources, turns

TYPES = frozenset({REQUEST, DISPENSE, TASK})
_CHECKS = {REQUEST: check_request, DISPENSE: check_dispense, TASK: check_task}


async def medicines(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan with the turns of the orders it bears on, and with what follows from it.

    Raises FhirError 422 or 403 where a rule of refills, dispensing or renewals is broken, 503 as the store does.
    """
    database, bases, access = context.server.database, context.own_bases, context.sight.access
    orders: set[str] = set()
    for each in plan.documents:
        if each.type in TYPES:
            orders |= own_orders(each) | (orders_in(each.resource, bases) if isinstance(each, Put) else set())
    found: list[Change] = []
    if access is not None:
        plan, found = await facts.changes(context, plan, TYPES)
        for change in found:
            orders |= set() if change.former is None else orders_in(change.former, bases)
    if orders:
        taken = await turns.seen(database, [f"medicines of {REQUEST}/{id}" for id in orders])
        plan = replace(plan, turns=(*plan.turns, *taken))
    if access is None:
        return plan
    moment = now()
    look = await picture(context, found, orders)
    work = Work(context, access, look, to_milliseconds(moment), format_instant(moment))
    for change in found:
        if await _is_met(context, change):
            await _CHECKS[change.document.type](work, change)
            await _hide(work, change)
    return work.completed(plan)


async def _hide(work: Work, change: Change) -> None:
    """Give what is asked for, ordered or dispensed on an order the labels that hide that, once it names it: whoever
    does not see the order must not see the medicine beside it.
    """
    document, resource = change.document, change.resource
    if not isinstance(document, Put) or resource is None or document.type == TASK:
        # A Task is hidden as all that is about another resource.
        return
    bases, hidden = work.context.own_bases, resource
    known = set() if change.former is None else orders_in(change.former, bases)
    patient = named(resource.get("subject"), "Patient", bases)
    for id in sorted(orders_in(resource, bases) - known):
        order = await work.picture.reachable(document, id, patient)
        if order is not None:
            hidden = hidden_as(hidden, order)
    if hidden is not resource:
        work.contents.append((document, hidden))


async def _is_met(context: RequestContext, change: Change) -> bool:
    """Whether the document will be written over what was looked at; what the store is to refuse, as out of reach or as
    another version than the writer's, is its to refuse.
    """
    document = change.document
    if isinstance(document, Put) and document.if_absent and change.former is not None:
        return False
    if document.if_version not in (None, ANY_VERSION, document.seen) and document.seen is not None:
        return False
    if isinstance(document, Put) and document.expect is Expect.NOTHING:
        return True
    if not document.seen:
        return isinstance(document, Put) and document.creates
    if not document.within:
        return True
    row = await resources.read(context.server.database, document.type, document.id, document.within)
    return row is not None
