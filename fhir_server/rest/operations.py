"""Operations over HTTP: what is called by a path with `$`, and how its parameters come.

https://hl7.org/fhir/R4/operations.html#executing
"""

from starlette.requests import Request

from fhir_server.core import outcome
from fhir_server.definitions.own_operations import OwnOperation, called
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import call_by_body, call_by_query, run
from fhir_server.rest.context import body_limit, content, has_body, request_pairs


async def operation(request: Request, context: RequestContext) -> Answer:
    """Run the operation that the path names.

    Raises FhirError 404 where there is none of its name at this level, 405 for GET of one that changes what is stored.
    """
    path = request.path_params
    type, id, code = path.get("type", ""), path.get("id", ""), path["operation"]
    operation = _called(request)
    if operation is None:
        raise outcome.OPERATION_UNKNOWN(f"There is no operation ${code[:63]} here.")
    if request.method == "POST":
        sent = await content(request, body_limit(request)) if has_body(request) else None
        call = call_by_body(operation, type, id, request_pairs(request), sent)
    elif operation.changes:
        error = outcome.METHOD_NOT_ALLOWED(f"${code} changes what is stored: call it by POST.")
        error.headers = {"Allow": "POST, OPTIONS"}
        raise error
    else:
        call = call_by_query(operation, type, id, request_pairs(request))
    return await run(context, call)


def documents(request: Request) -> tuple[str, ...]:
    """The media types of the documents that the operation writes."""
    operation = _called(request)
    return operation.writes if operation is not None else ()


def _called(request: Request) -> OwnOperation | None:
    path = request.path_params
    type, id = path.get("type", ""), path.get("id", "")
    return called(type, "instance" if id else "type" if type else "system", path["operation"])
