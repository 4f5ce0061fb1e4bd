"""Facilities that have not gone live: their patients sign in and find nothing yet, and are told so. It is a success.

The text is the one that people were told to expect (docs/people/after-login.md).
"""

from time import monotonic

from fhir_server.care import visit_places
from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.outcome import Issue
from fhir_server.definitions.owners import owner_rule
from fhir_server.interactions import facts
from fhir_server.interactions.context import RequestContext

NO_RECORDS_AVAILABLE = "No Records Available"

_KEPT_SECONDS = 60.0
_DEEP = 6
"""Organizations of which one is part of the other."""


async def no_records(context: RequestContext, type: str) -> tuple[Issue, ...]:
    """What a patient is told whose search found nothing, as the facility keeps its records elsewhere up to now.

    `type` is empty for a search of several types. Nothing to others, and once the facility has gone live.
    """
    access = context.sight.access
    if access is None or access.kind != "patient" or (type and owner_rule(type).kind not in ("paths", "rule")):
        return ()
    patient = access.patient or (access.patients[0] if access.patients else None)
    if patient is None or await _is_live(context, patient):
        return ()
    return (outcome.NO_RECORDS.issue(NO_RECORDS_AVAILABLE, severity="information"),)


async def _is_live(context: RequestContext, patient: str) -> bool:
    noted, key = context.server.database.noted, ("facility is live", patient)
    kept = noted.get(key)
    if kept is not None and monotonic() < kept[0]:
        return bool(kept[1])
    found = await _went_live(context, patient)
    noted[key] = (monotonic() + _KEPT_SECONDS, found)
    return found


async def _went_live(context: RequestContext, patient: str) -> bool:
    """Whether the facility where a patient is enrolled, or one that it is part of, has a day to go live that has come;
    one that says nothing keeps its records here.
    """
    resource = await facts.at(context, f"Patient/{patient}")
    place = facts.place_of(context, (resource or {}).get("managingOrganization"))
    moment = now()
    for _ in range(_DEEP):
        organization = None if place is None else await facts.at(context, place)
        if organization is None:
            return True
        is_live = visit_places.is_live(organization, moment)
        if is_live is not None:
            return is_live
        place = facts.place_of(context, organization.get("partOf"))
    return True
