"""create and conditional create. https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#ccreate"""

from typing import Any

from fhir_server.core.resource import new_logical_id
from fhir_server.core.write_plan import Expect, Matched, WritePlan
from fhir_server.interactions import admission
from fhir_server.interactions.commit import commit
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, Condition, claims, one_match, still_changing
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.interactions.off_loop import computed
from fhir_server.interactions.written import answer_existing, answer_written
from fhir_server.observability import Phases


async def create(context: RequestContext, type: str, content: Any, conditions: Conditions = NO_CONDITIONS) -> Answer:
    """201 with the new resource under an id of the server's own (one in the body is ignored).

    With If-None-Exist: 200 with the one resource that matches already, if there is one.
    Raises FhirError 403 for a caller who may not, 400 or 422 for bad content, 412 where several match.
    """
    phases = Phases("create")
    admission.permit(context, type, "POST")
    resource = await computed(context, admission.admitted, context, content, type)
    phases.done("validate")
    document = await computed(context, admission.put, context, resource, new_logical_id(), "POST", Expect.NOTHING)
    phases.done("index")
    if conditions.if_none_exist is None:
        (written,) = await commit(context, WritePlan((document,)))
        phases.done("store")
        return answer_written(context, written)
    condition = Condition.parse(context, type, conditions.if_none_exist, "If-None-Exist")
    plan = WritePlan((document,), claims(condition, document), (condition.absence(),))
    for _ in range(MATCH_ATTEMPTS):
        existing = await one_match(context, condition)
        if existing is not None:
            return await answer_existing(context, type, existing.id)
        try:
            (written,) = await commit(context, plan)
        except Matched:
            continue
        return answer_written(context, written)
    raise still_changing(condition)
