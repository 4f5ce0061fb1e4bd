"""How a WritePlan is stored: with what it changes of the search parameters in force, and by those now in force.

https://hl7.org/fhir/R4/searchparameter.html
"""

from fhir_server.core import outcome
from fhir_server.core.write_plan import WritePlan, Written
from fhir_server.interactions import admission, search_parameter
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import computed
from fhir_server.store import in_force, transactions

_ATTEMPTS = 5


async def commit(context: RequestContext, plan: WritePlan) -> tuple[Written, ...]:
    """Store a plan whole or not at all; what became of each document, in the plan's order.

    Raises what `transactions.run` raises but Fenced: then the index values are made anew and the plan is run again.
    Raises FhirError 422 where a SearchParameter defines what another one does.
    """
    database, parameters = context.server.database, context.server.parameters
    besides = search_parameter.changes(plan)
    for _ in range(_ATTEMPTS):
        try:
            written = await transactions.run(database, plan, besides)
        except transactions.Fenced:
            await in_force.refresh(database, parameters)
            plan = await computed(context, admission.indexed_again, context, plan)
            continue
        if besides is not None:
            await in_force.refresh(database, parameters)
        return written
    raise outcome.UNAVAILABLE("The search parameters in force kept changing. Send the request again.")
