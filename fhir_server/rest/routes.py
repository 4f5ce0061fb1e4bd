"""The URL table: every path of the RESTful API and the interaction behind each of its methods.

https://hl7.org/fhir/R4/http.html#summary
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions import (
    binary,
    capabilities,
    create,
    delete,
    history,
    patch,
    read,
    search,
    transaction,
    update,
    vread,
)
from fhir_server.interactions.batch import batch
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.query import refuse_parameters
from fhir_server.rest.audited import audited, refuse_audit_change, refused
from fhir_server.rest.binaries import accepted, binary_of, brings_content, wants_content
from fhir_server.rest.context import (
    BASE_PATH,
    body_limit,
    conditions,
    content,
    form_pairs,
    open_context,
    patch_change,
    raw_query,
    request_context,
    request_pairs,
)
from fhir_server.rest.negotiate import ACCEPT_PATCH
from fhir_server.rest.operations import documents, operation
from fhir_server.rest.public_desks import is_for_everybody, public_context
from fhir_server.rest.respond import media_type, respond

Endpoint = Callable[[Request, RequestContext], Awaitable[Answer]]


class Methods:
    """One path with the interaction behind each method; any other method is a 405 that says which there are."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.endpoints = dict(endpoints)
        if "GET" in self.endpoints:
            self.endpoints["HEAD"] = self.endpoints["GET"]
        self.allow = ", ".join(self.endpoints)
        self.headers = {"Allow": f"{self.allow}, OPTIONS"} | (ACCEPT_PATCH if "PATCH" in self.endpoints else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self.respond(request)
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Run the interaction, for one who may come in; what it did is in the audit log before this returns.

        Raises FhirError 401 for others, 404 for a path that names no resource type, 405 for other methods.
        """
        endpoint = self.endpoints.get(request.method)
        request.scope["state"]["interaction"] = _INTERACTIONS.get(endpoint)
        if request.method == "OPTIONS":
            return Response(None, 204, self.headers)
        if endpoint in _OPEN:
            return await self._answered(request, open_context(request), endpoint)
        if endpoint in _PUBLIC and is_for_everybody(request):
            return await self._answered(request, await public_context(request), endpoint)
        try:
            context = await request_context(request)
        except FhirError as error:
            if error.status == 401:
                await refused(request, error.status, error.issues[0].number)
            raise
        return await audited(request, context, self._answered(request, context, endpoint))

    async def _answered(self, request: Request, context: RequestContext, endpoint: Endpoint | None) -> Response:
        type = request.path_params.get("type")
        if type is not None and not is_resource_type(type):
            raise unknown_type(type)
        refuse_audit_change(request, request.scope["state"]["interaction"] or "")
        if endpoint is None:
            error = outcome.METHOD_NOT_ALLOWED(f"{request.method} is not possible here; {self.allow} are.")
            error.headers = self.headers
            raise error
        # Refuse a client that can read no answer before anything is written for it.
        if endpoint in _OF_CONTENT and wants_content(request):
            written = ""
        else:
            written = media_type(request, documents(request) if endpoint is operation else ())
        if request.scope["query_string"] and endpoint not in _SEARCHING:
            refuse_parameters(context, request_pairs(request))
        return await respond(request, await endpoint(request, context), context, written)


def unknown_type(name: str) -> outcome.FhirError:
    """The 404 of a path whose first segment is no resource type."""
    if name.startswith("$"):
        return outcome.OPERATION_UNKNOWN(f"There is no operation {name[:64]} here.")
    return outcome.UNKNOWN_TYPE(f"'{name[:64]}' is not a resource type of R4; names are written as in Patient.")


async def _capabilities(request: Request, context: RequestContext) -> Answer:
    return capabilities.capabilities(context)


async def _bundle(request: Request, context: RequestContext) -> Answer:
    bundle = await content(request, body_limit(request))
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise outcome.BAD_BUNDLE("What is posted to the base must be a Bundle.", "Bundle")
    match bundle.get("type"):
        case "batch":
            request.scope["state"]["interaction"] = "batch"
            return await batch(context, bundle)
        case "transaction":
            return await transaction.transaction(context, bundle)
    raise outcome.BAD_BUNDLE("Bundle.type must be batch or transaction.", "Bundle.type")


async def _search(request: Request, context: RequestContext) -> Answer:
    return await search.search(context, request.path_params["type"], request_pairs(request))


async def _search_by_form(request: Request, context: RequestContext) -> Answer:
    return await search.search(context, request.path_params["type"], await form_pairs(request))


async def _search_system(request: Request, context: RequestContext) -> Answer:
    return await search.search(context, "", request_pairs(request))


async def _search_system_by_form(request: Request, context: RequestContext) -> Answer:
    return await search.search(context, "", await form_pairs(request))


async def _search_compartment(request: Request, context: RequestContext) -> Answer:
    return await _in_compartment(request, context, request_pairs(request))


async def _search_compartment_by_form(request: Request, context: RequestContext) -> Answer:
    return await _in_compartment(request, context, await form_pairs(request))


async def _in_compartment(request: Request, context: RequestContext, pairs: list[tuple[str, str]]) -> Answer:
    path = request.path_params
    type = path.get("inner", "*")
    if type != "*" and not is_resource_type(type):
        raise outcome.UNKNOWN_ROUTE(
            f"'{type[:64]}' is not a resource type of R4, as a path needs it that searches a compartment."
        )
    return await search.search_compartment(context, path["type"], path["id"], type, pairs)


async def _create(request: Request, context: RequestContext) -> Answer:
    type = request.path_params["type"]
    if brings_content(request):
        return await create.create(context, type, await binary_of(request, body_limit(request)), conditions(request))
    return await create.create(context, type, await content(request, body_limit(request)), conditions(request))


async def _conditional_update(request: Request, context: RequestContext) -> Answer:
    type, criteria = request.path_params["type"], raw_query(request)
    body = await content(request, body_limit(request))
    return await update.conditional_update(context, type, criteria, body, conditions(request))


async def _conditional_patch(request: Request, context: RequestContext) -> Answer:
    type, criteria = request.path_params["type"], raw_query(request)
    change = await patch_change(request, context, type, body_limit(request))
    return await patch.conditional_patch(context, type, criteria, change, conditions(request))


async def _conditional_delete(request: Request, context: RequestContext) -> Answer:
    criteria = raw_query(request)
    return await delete.conditional_delete(context, request.path_params["type"], criteria, conditions(request))


async def _read(request: Request, context: RequestContext) -> Answer:
    path, pairs = request.path_params, request_pairs(request)
    if wants_content(request):
        return await binary.content(context, path["id"], None, accepted(request))
    return await read.read(context, path["type"], path["id"], conditions(request), pairs)


async def _vread(request: Request, context: RequestContext) -> Answer:
    path = request.path_params
    if wants_content(request):
        return await binary.content(context, path["id"], path["version"], accepted(request))
    return await vread.vread(context, path["type"], path["id"], path["version"], request_pairs(request))


async def _update(request: Request, context: RequestContext) -> Answer:
    path = request.path_params
    if brings_content(request):
        body: Any = await binary_of(request, body_limit(request), path["id"])
    else:
        body = await content(request, body_limit(request))
    return await update.update(context, path["type"], path["id"], body, conditions(request))


async def _patch(request: Request, context: RequestContext) -> Answer:
    path = request.path_params
    change = await patch_change(request, context, path["type"], body_limit(request))
    return await patch.patch(context, path["type"], path["id"], change, conditions(request))


async def _delete(request: Request, context: RequestContext) -> Answer:
    return await delete.delete(context, request.path_params["type"], request.path_params["id"], conditions(request))


async def _history_of_instance(request: Request, context: RequestContext) -> Answer:
    path = request.path_params
    return await history.of_instance(context, path["type"], path["id"], request_pairs(request))


async def _history_of_type(request: Request, context: RequestContext) -> Answer:
    return await history.of_type(context, request.path_params["type"], request_pairs(request))


async def _history_of_system(request: Request, context: RequestContext) -> Answer:
    return await history.of_system(context, request_pairs(request))


_SEARCHING: frozenset[Endpoint] = frozenset(
    {
        _search,
        _search_by_form,
        _search_system,
        _search_system_by_form,
        _search_compartment,
        _search_compartment_by_form,
        _read,
        _vread,
        _conditional_update,
        _conditional_patch,
        _conditional_delete,
        _history_of_instance,
        _history_of_type,
        _history_of_system,
        operation,
    }
)
"""What reads the query itself; every other interaction takes none but `_format` and `_pretty`."""

_OF_CONTENT: frozenset[Endpoint] = frozenset({_read, _vread})
"""What gives the content of a file as it is to whoever accepts no FHIR."""

_OPEN: frozenset[Endpoint | None] = frozenset({_capabilities})
"""What is answered without an access token: https://hl7.org/fhir/R4/http.html#capabilities"""

_PUBLIC: frozenset[Endpoint | None] = frozenset({_read, _search})
"""What visitors may ask of the help desks."""

_INTERACTIONS: Mapping[Endpoint | None, str] = {
    _capabilities: "capabilities",
    # Until its Bundle is read, and it turns out to be a batch.
    _bundle: "transaction",
    _search: "search-type",
    _search_by_form: "search-type",
    _search_system: "search-system",
    _search_system_by_form: "search-system",
    _search_compartment: "search-compartment",
    _search_compartment_by_form: "search-compartment",
    _create: "create",
    _conditional_update: "update-conditional",
    _conditional_patch: "patch-conditional",
    _conditional_delete: "delete-conditional",
    _read: "read",
    _vread: "vread",
    _update: "update",
    _patch: "patch",
    _delete: "delete",
    _history_of_instance: "history-instance",
    _history_of_type: "history-type",
    _history_of_system: "history-system",
    operation: "operation",
}
"""What an endpoint is called in metrics, log and spans: https://hl7.org/fhir/R4/codesystem-restful-interaction.html"""

_OPERATION: Mapping[str, Endpoint] = {"GET": operation, "POST": operation}

# The first two rows are those of `MostAsked`. A `name` begins neither with `_` nor with `$`, so that no resource path
# hides an interaction's or an operation's.
TABLE: tuple[tuple[str, Mapping[str, Endpoint]], ...] = (
    ("/{type:type}/{id:name}", {"GET": _read, "PUT": _update, "PATCH": _patch, "DELETE": _delete}),
    (
        "/{type:type}",
        {
            "GET": _search,
            "POST": _create,
            "PUT": _conditional_update,
            "PATCH": _conditional_patch,
            "DELETE": _conditional_delete,
        },
    ),
    ("/metadata", {"GET": _capabilities}),
    ("", {"POST": _bundle, "GET": _search_system}),
    ("/", {"POST": _bundle, "GET": _search_system}),
    ("/{type:type}/_search", {"POST": _search_by_form}),
    ("/{type:type}/{id:name}/{inner:name}", {"GET": _search_compartment}),
    ("/{type:type}/{id:name}/_history", {"GET": _history_of_instance}),
    ("/{type:type}/{id:name}/_history/{version:name}", {"GET": _vread}),
    ("/{type:type}/_history", {"GET": _history_of_type}),
    ("/_history", {"GET": _history_of_system}),
    ("/_search", {"POST": _search_system_by_form}),
    ("/{type:type}/{id:name}/{inner:name}/_search", {"POST": _search_compartment_by_form}),
    ("/{type:type}/{id:name}/_search", {"POST": _search_compartment_by_form}),
    ("/${operation}", _OPERATION),
    ("/{type:type}/${operation}", _OPERATION),
    ("/{type:type}/{id:name}/${operation}", _OPERATION),
)


class NameConvertor(Convertor[str]):
    """A path segment that is a type, an id or a version, well-formed or not."""

    regex = "[^/_$][^/]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class TypeConvertor(NameConvertor):
    """A first segment that may be a type: none begins with a dot, as `.well-known` does, and two are documents."""

    regex = r"(?!(?:metadata|openapi\.json)$)[^/_$.][^/]*"


def routes() -> list[Route]:
    """The table as routes."""
    register_url_convertor("name", NameConvertor())
    register_url_convertor("type", TypeConvertor())
    return [Route(f"{BASE_PATH}{path}", Methods(endpoints), methods=None) for path, endpoints in TABLE]


class MostAsked:
    """The first two rows of the table, which most requests are for, by one look at the path; all others go to `app`.

    The router looks at route after route: some 350 steps of the interpreter for a search, here 60.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.of_instance, self.of_type = (Methods(endpoints) for _, endpoints in TABLE[:2])
        segments = f"(?P<type>{TypeConvertor.regex})(?:/(?P<id>{NameConvertor.regex}))?"
        self.matched = re.compile(f"^{BASE_PATH}/{segments}$").match

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.matched(scope["path"]) if scope["type"] == "http" and not scope.get("root_path") else None
        if found is None:
            await self.app(scope, receive, send)
            return
        methods = self.of_type if found["id"] is None else self.of_instance
        scope["endpoint"] = methods
        scope["path_params"] = {name: value for name, value in found.groupdict().items() if value is not None}
        await methods(scope, receive, send)
