"""update, create by update and conditional update.

https://hl7.org/fhir/R4/http.html#update, https://hl7.org/fhir/R4/http.html#cond-update
"""

from typing import Any

from fhir_server.core import outcome
from fhir_server.core.etag import parse_etags
from fhir_server.core.reference import is_id
from fhir_server.core.resource import new_logical_id
from fhir_server.core.write_plan import Expect, Matched, Method, WritePlan
from fhir_server.interactions import admission
from fhir_server.interactions.conditional import MATCH_ATTEMPTS, Condition, claims, one_match, still_changing
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.interactions.written import answer_written
from fhir_server.store import resources, transactions


async def update(
    context: RequestContext, type: str, id: str, content: Any, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """200 with the next version, or 201 where nothing (or only a deletion) was at that id.

    Raises FhirError 400 or 422 for bad content, 400 where the ids differ, 412 where If-Match names another version
    or If-None-Match is `*` and the resource exists.
    """
    if not is_id(id):
        raise outcome.BAD_ID(f"'{id[:64]}' cannot be an id: letters, digits, '-' and '.', 64 at most.", f"{type}.id")
    resource = admission.admitted(context, content, type)
    if resource.get("id") != id:
        raise outcome.ID_MISMATCH(f"The body must hold the id of the URL, '{id}'.", f"{type}.id")
    if conditions.if_none_match is not None:
        await _refuse_existing(context, type, id, conditions.if_none_match)
    document = admission.put(context, resource, id, "PUT", if_version=admission.matched_version(conditions.if_match))
    (written,) = await transactions.run(context.server.database, WritePlan((document,)))
    return answer_written(context, written)


async def conditional_update(
    context: RequestContext, type: str, criteria: str, content: Any, conditions: Conditions = NO_CONDITIONS
) -> Answer:
    """An update of the one resource that matches; a create where none does.

    Raises FhirError 412 where several match, 400 where the body's id is not the match's.
    """
    resource = admission.admitted(context, content, type)
    condition = Condition.parse(context, type, criteria, "The URL")
    if_version = admission.matched_version(conditions.if_match)
    for _ in range(MATCH_ATTEMPTS):
        existing = await one_match(context, condition)
        sent_id = resource.get("id")
        if existing is not None:
            if sent_id is not None and sent_id != existing:
                raise outcome.ID_MISMATCH(
                    f"The condition matches {type}/{existing}, but the body's id differs.", f"{type}.id"
                )
            document = admission.put(context, resource, existing, "PUT", if_version=if_version)
            plan = WritePlan((document,), claims(condition, document))
        else:
            # R4: no match and an id in the body is a create by update; without one, a create.
            expect = Expect.NOTHING if sent_id is None else Expect.ANYTHING
            method: Method = "POST" if sent_id is None else "PUT"
            document = admission.put(context, resource, sent_id or new_logical_id(), method, expect, if_version)
            plan = WritePlan((document,), claims(condition, document), (condition.absence(),))
        try:
            (written,) = await transactions.run(context.server.database, plan)
        except Matched:
            continue
        return answer_written(context, written)
    raise still_changing(condition)


async def _refuse_existing(context: RequestContext, type: str, id: str, if_none_match: str) -> None:
    if parse_etags(if_none_match) != ("*",):
        raise outcome.BAD_HEADER("If-None-Match on an update can only be *.", "If-None-Match")
    row = await resources.read(context.server.database, type, id)
    if row is not None and row.body is not None:
        raise outcome.PRECONDITION_FAILED(f"{type}/{id} exists, and If-None-Match: * asks that it does not.")
