"""What every write of a CommunicationRequest keeps to: patients set reminders for themselves, each due once.

care.reminders has the rules; the notice is told by fhir_server.notices. https://hl7.org/fhir/R4/communicationrequest.html
"""

from dataclasses import replace

from fhir_server.care import reminders
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Notice, Put, WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import place_of
from fhir_server.search.parameter_types.date import to_milliseconds

TYPE = "CommunicationRequest"
TYPES = frozenset({TYPE})


async def ruled(context: RequestContext, plan: WritePlan) -> WritePlan:
    """The plan with the notices of its reminders. Raises FhirError 422 for what is no reminder of the patient's own."""
    access = context.sight.access
    if access is None:
        return plan
    plan, changed = await facts.changes(context, plan, TYPES)
    for change in changed:
        document = change.document
        request = change.resource
        if isinstance(document, Put) and access.kind == "patient":
            try:
                subject = (place_of(context, document.resource.get("subject")) or "").removeprefix("Patient/")
                request = reminders.of_patient(document.resource, change.former, subject, now())
            except FhirError as error:
                raise error.at(f"{TYPE}/{document.id}") from None
            plan = facts.with_resource(context, plan, document, request)
        before = _notices(context, document.id, change.former)
        after = _notices(context, document.id, request)
        gone = tuple(each.id for each in before if each.id not in {one.id for one in after})
        plan = replace(plan, notices=plan.notices + after, withdrawn=plan.withdrawn + gone)
    return plan


def _notices(context: RequestContext, id: str, request: Resource | None) -> tuple[Notice, ...]:
    """Those of a reminder that is still to come, one for each patient it is for."""
    when = None if request is None else reminders.due(request)
    if request is None or when is None or when <= now():
        return ()
    places = [place_of(context, each) for each in request.get("recipient", ())]
    moment = to_milliseconds(when)
    return tuple(
        Notice(f"reminder/{id}/{moment}/{place}", "reminder", place, moment, f"{TYPE}/{id}", "active")
        for place in dict.fromkeys(places)
        if place is not None and place.startswith("Patient/")
    )
