"""`Appointment/$book` (ITI-117): a proposed or held visit is booked, and a booked one moved or cancelled.

https://profiles.ihe.net/ITI/Scheduling/ITI-117.html
"""

from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import Call
from fhir_server.operations import appointments


async def book(context: RequestContext, call: Call) -> Answer:
    """201 with a searchset of the new Appointment, or 200 with the stored one as it was confirmed, moved or cancelled.

    A sent Appointment of status `cancelled` cancels the stored one; any other is booked as it stands. Raises FhirError
    400 for a call that names none or several, 409 where the slot is taken, 412 where the sent `meta.versionId` is not
    current, 422 as the rules of visits say.
    """
    context = appointments.acting(context)
    who = appointments.patient(context, call)
    wanted = await appointments.asked(context, call)
    if wanted.stored is not None and wanted.sent and wanted.resource.get("status") == "cancelled":
        return await appointments.stored(context, wanted, wanted.resource)
    resource = appointments.attended(wanted.resource, who, call.one("comment"))
    return await appointments.stored(context, wanted, resource | {"status": "booked"})
