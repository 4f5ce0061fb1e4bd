"""`Appointment/$hold` (ITI-116): a slot is kept for somebody while they make up their mind.

https://profiles.ihe.net/ITI/Scheduling/ITI-116.html
"""

from fhir_server.care import scheduling, visit_times
from fhir_server.core.instant import now
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.operations import appointments
from fhir_server.search.parameter_types.date import to_milliseconds


async def hold(context: RequestContext, call: Call) -> Answer:
    """201, or 200 for a stored proposal, with a searchset of the pending Appointment, held for ten minutes.

    Raises FhirError 400 for a call that names none or several, 409 where the slot is taken, 422 as the rules of visits
    say.
    """
    context = appointments.acting(context)
    who = appointments.patient(context, call)
    wanted = await appointments.asked(context, call)
    resource = appointments.attended(wanted.resource, who, call.one("comment"))
    until = to_milliseconds(now()) + scheduling.HOLD_MINUTES * visit_times.MINUTE
    if isinstance(resource.get("extension", []), list):
        resource = scheduling.with_held_until(resource, until)
    return await appointments.stored(context, wanted, resource | {"status": "pending"})
