"""The rules of care that every write keeps, by whatever interaction: which of them look at which types.

The rules themselves are pure functions of fhir_server.care; the modules named here read what they need to know, and
say what is written besides.
"""

from collections.abc import Awaitable, Callable

from fhir_server.core.write_plan import WritePlan
from fhir_server.interactions import file_holders, medicines, messages, reminders, visits
from fhir_server.interactions.context import RequestContext

Rule = Callable[[RequestContext, WritePlan], Awaitable[WritePlan]]
"""The plan with what it must leave as it was seen, and with what is written because of it. Raises FhirError."""

RULES: tuple[tuple[frozenset[str], Rule], ...] = (
    (messages.TYPES, messages.ruled),
    (file_holders.TYPES, file_holders.ruled),
    (reminders.TYPES, reminders.ruled),
    (medicines.TYPES, medicines.medicines),
    (visits.TYPES, visits.ruled),
)
"""In their order: each sees what those before it have added."""


async def ruled(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan as the rules complete it. Raises FhirError 422, 409 or 403 where it breaks one."""
    for types, rule in RULES:
        if any(document.type in types for document in plan.documents):
            plan = await rule(context, plan)
    return plan
