"""delete and conditional delete. https://hl7.org/fhir/R4/http.html#delete"""

from fhir_server.core.write_plan import Matched, WritePlan
from fhir_server.interactions import admission
from fhir_server.interactions.commit import commit
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, Condition, one_match, still_changing
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext


async def delete(context: RequestContext, type: str, id: str, conditions: Conditions = NO_CONDITIONS) -> Answer:
    """204 once no live resource is at that id; its versions stay readable.

    Raises FhirError 403 for a caller who may not, 404 for one who cannot see it, 412 where If-Match names another
    version.
    """
    document = admission.tombstone(context, type, id, admission.matched_version(conditions.if_match))
    (written,) = await commit(context, WritePlan((document,)))
    if written.version == 0:
        return Answer(204, None)
    return Answer(204, None, written.version, written.updated)


async def conditional_delete(
    context: RequestContext, type: str, criteria: str, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """204 once the one match, if there was one, is deleted.

    Raises FhirError 403 for a caller who may not, 412 where several match.
    """
    admission.permit(context, type, "DELETE")
    condition = Condition.parse(context, type, criteria, "The URL")
    if_version = admission.matched_version(conditions.if_match)
    for _ in range(MATCH_ATTEMPTS):
        match = await one_match(context, condition)
        if match is None:
            return Answer(204, None)
        document = admission.tombstone(context, type, match.id, if_version)
        plan = WritePlan((document,), presences=(condition.presence(match.id),))
        try:
            (written,) = await commit(context, plan)
        except Matched:
            continue
        return Answer(204, None, written.version, written.updated)
    raise still_changing(condition)
