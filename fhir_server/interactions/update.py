"""update, create by update and conditional update.

https://hl7.org/fhir/R4/http.html#update, https://hl7.org/fhir/R4/http.html#cond-update
"""

from typing import Any

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import Expect, Matched, Method, WritePlan
from fhir_server.interactions import admission
from fhir_server.interactions.commit import commit
from fhir_server.interactions.conditional import (
    MATCH_ATTEMPTS,
    Condition,
    claims,
    one_match,
    still_changing,
)
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.interactions.off_loop import computed
from fhir_server.interactions.withheld import with_withheld
from fhir_server.interactions.written import answer_written
from fhir_server.observability import Phases


async def update(
    context: RequestContext, type: str, id: str, content: Any, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """200 with the next version, or 201 where nothing (or only a deletion) was at that id.

    Raises FhirError 403 for a caller who may not, 404 for one who cannot see what is there and may not choose ids, 400
    or 422 for bad content, 400 where the ids differ, 412 where If-Match names another version or If-None-Match is `*`
    and the resource exists.
    """
    admission.permit(context, type, "PUT")
    if not is_id(id):
        raise outcome.BAD_ID(f"'{id[:64]}' cannot be an id: letters, digits, '-' and '.', 64 at most.", f"{type}.id")
    phases = Phases("update")
    resource = await computed(context, admission.admitted, context, content, type)
    if resource.get("id") != id:
        raise outcome.ID_MISMATCH(f"The body must hold the id of the URL, '{id}'.", f"{type}.id")
    if_version = admission.matched_version(conditions.if_match)
    if_absent = admission.must_be_absent(conditions.if_none_match)
    resource = await with_withheld(context, type, id, resource)
    phases.done("validate")
    document = await computed(
        context, admission.put, context, resource, id, "PUT", if_version=if_version, if_absent=if_absent
    )
    phases.done("index")
    (written,) = await commit(context, WritePlan((document,)))
    phases.done("store")
    return answer_written(context, written)


async def conditional_update(
    context: RequestContext, type: str, criteria: str, content: Any, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """An update of the one resource that matches; a create where none does.

    Raises FhirError 403 for a caller who may not, 412 where several match, 400 where the body's id is not the match's.
    """
    admission.permit(context, type, "PUT")
    resource = await computed(context, admission.admitted, context, content, type)
    condition = Condition.parse(context, type, criteria, "The URL")
    if_version = admission.matched_version(conditions.if_match)
    if_absent = admission.must_be_absent(conditions.if_none_match)
    for _ in range(MATCH_ATTEMPTS):
        plan = await _conditional_plan(context, resource, condition, if_version, if_absent)
        try:
            (written,) = await commit(context, plan)
        except Matched:
            continue
        return answer_written(context, written)
    raise still_changing(condition)


async def _conditional_plan(
    context: RequestContext, resource: Resource, condition: Condition, if_version: int | None, if_absent: bool
) -> WritePlan:
    """An update of the match for as long as it matches, or a create that no match may precede."""
    match, sent_id = await one_match(context, condition), resource.get("id")
    if match is not None:
        if sent_id not in (None, match.id):
            raise outcome.ID_MISMATCH(
                f"The condition matches {condition.type}/{match.id}, but the body's id differs.", f"{condition.type}.id"
            )
        resource = await with_withheld(context, condition.type, match.id, resource)
        document = admission.put(context, resource, match.id, "PUT", if_version=if_version, if_absent=if_absent)
        return WritePlan((document,), claims(condition, document), presences=(condition.presence(match.id),))
    # R4: no match and an id in the body is a create by update; without one, a create.
    expect = Expect.NOTHING if sent_id is None else Expect.ANYTHING
    method: Method = "POST" if sent_id is None else "PUT"
    document = admission.put(context, resource, sent_id or new_logical_id(), method, expect, if_version)
    return WritePlan((document,), claims(condition, document), (condition.absence(),))
