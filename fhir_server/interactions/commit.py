"""How a WritePlan is stored: with what it changes of the search parameters in force, and by those now in force; with
the Provenances of an agency's client; and noted for the audit log.

https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/provenance.html
"""

import asyncio
import random
import time
from dataclasses import replace

from fhir_server.core import outcome
from fhir_server.core.trail import Accessed, AuditAction
from fhir_server.core.write_plan import Document, Matched, Method, Overtaken, Put, WritePlan, Written
from fhir_server.interactions import admission, agency, registration, search_parameter
from fhir_server.interactions.about import hide_what_was_written, with_labels, with_owners
from fhir_server.interactions.accesses import is_audited
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import computed
from fhir_server.interactions.rules import ruled
from fhir_server.store import in_force, transactions

_ATTEMPTS = 5
_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 0.05
_INTERACTIONS: dict[Method, tuple[AuditAction, str]] = {
    "POST": ("C", "create"),
    "PUT": ("U", "update"),
    "PATCH": ("U", "patch"),
    "DELETE": ("D", "delete"),
}


async def commit(context: RequestContext, plan: WritePlan) -> tuple[Written, ...]:
    """Store a plan, and what the rules of care add to it, whole or not at all; what became of each document of the plan
    as it was given, in its order.

    Raises what `transactions.run` raises but Fenced and Overtaken: then index values are made or rules asked anew, and
    the plan is run again. Raises FhirError 422 or 409 as the rules of messages, visits and medicines say.
    Raises FhirError 422 where a SearchParameter defines what another one does, 422 or 403 for a registration's Task
    that is not to be written so, and 403 as `with_owners` does.
    """
    asked, plan = plan, await registration.checked(context, plan)
    besides = search_parameter.changes(plan)
    deadline, fences = time.monotonic() + _SECONDS, 0
    while True:
        whole = await _whole(context, plan)
        try:
            written = await transactions.run(context.server.database, whole, besides)
        except transactions.Fenced:
            fences += 1
            if fences == _ATTEMPTS:
                text = "The search parameters in force kept changing. Send the request again."
                raise outcome.UNAVAILABLE(text) from None
            await in_force.refresh(context.server.database, context.server.parameters)
            plan = await computed(context, admission.indexed_again, context, plan)
        except Overtaken:
            # Whoever comes late meets what the others have made of it, which its rules then say.
            if time.monotonic() > deadline:
                raise outcome.WRITE_CONFLICT("Other writes to the same things kept winning. Try again.") from None
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
        except Matched:
            # Where the same registration was begun meanwhile, this says so.
            await registration.checked(context, asked)
            raise
        else:
            break
    if besides is not None:
        await in_force.refresh(context.server.database, context.server.parameters)
    await hide_what_was_written(context, whole, written)
    _note(context, whole, written)
    return written[: len(written) - whole.added]


async def _whole(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan with what the rules of care add to it, and whose record all of it is."""
    plan = await ruled(context, plan)
    plan = replace(plan, effects=agency.effects(context, plan.documents))
    return await with_labels(context, await with_owners(context, plan))


def _note(context: RequestContext, plan: WritePlan, written: tuple[Written, ...]) -> None:
    if not is_audited(context):
        return
    for document, each in zip(plan.documents, written, strict=True):
        context.trail.note(_accessed(document, each))


def _accessed(document: Document, written: Written) -> Accessed:
    action, interaction = _INTERACTIONS[document.method if isinstance(document, Put) else "DELETE"]
    if written.created:
        action = "C"
    place = f"{written.type}/{written.id}"
    if written.version:
        place += f"/_history/{written.version}"
    status = 204 if written.body is None else 201 if written.created else 200
    patients = written.owners + written.former_owners
    return Accessed(action, interaction, written.type, (place,), patients, status=status)
