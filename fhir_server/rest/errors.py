"""The one place where a failure is drawn: an OperationOutcome with its status, its numbers and the request id."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fhir_server.core.codec import encode, indented
from fhir_server.core.outcome import FhirError, operation_outcome
from fhir_server.rest.context import BASE_PATH
from fhir_server.rest.negotiate import FHIR_JSON, asks_for_indentation, asks_for_page
from fhir_server.rest.pages_answer import Shown, answer_page
from fhir_server.rest.respond import KEPT_CLOSE


def error_response(request_id: str, error: FhirError) -> Response:
    """The response of a refusal: JSON, also for a client that accepts nothing of the kind, as it still must be told;
    around it a page for a browser. Its first issue says who helps, and by which id the request is found.
    """
    return _Refusal(request_id, error)


class _Refusal(Response):
    """Decides what it is when it is sent, because what went wrong may be that nothing of the request could be read."""

    def __init__(self, request_id: str, error: FhirError) -> None:
        headers = {**KEPT_CLOSE, **error.headers}
        super().__init__(None, error.status, headers, media_type=f"{FHIR_JSON}; charset=utf-8")
        self.request_id = request_id
        self.issues = error.issues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = operation_outcome(self.issues, self.request_id)
        for first in outcome["issue"][:1]:
            first["diagnostics"] = _help(scope, self.request_id)
        self.body = encode(outcome)
        if asks_for_page(scope):
            kept = {name: self.headers[name] for name in self.headers if not name.startswith("content-")}
            shown = Shown(scope, _base(scope), (), bytes(self.body), self.status_code, kept)
            response = await answer_page(shown)
            await response(scope, receive, send)
            return
        if asks_for_indentation(scope):
            self.body = indented(bytes(self.body))
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def _help(scope: Scope, request_id: str) -> str:
    """Who helps with this refusal, and what they want to know; there may be no server yet to say who."""
    server = getattr(scope["app"].state, "server", None) if "app" in scope else None
    desk = server.help_desk if server is not None else ""
    return f"Help: {desk}. Request id: {request_id}." if desk else f"Request id: {request_id}."


def _base(scope: Scope) -> str:
    """The FHIR base for the links of the page: the configured one, else its path, whatever the Host header says."""
    server = getattr(scope["app"].state, "server", None)
    return (server.base_url if server is not None else None) or BASE_PATH
