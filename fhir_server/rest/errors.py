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
    around it a page for a browser.
    """
    body = encode(operation_outcome(error.issues, request_id))
    headers = {**KEPT_CLOSE, **error.headers}
    return _Refusal(body, error.status, headers, media_type=f"{FHIR_JSON}; charset=utf-8")


class _Refusal(Response):
    """Decides what it is when it is sent, because what went wrong may be that nothing of the request could be read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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


def _base(scope: Scope) -> str:
    """The FHIR base for the links of the page: the configured one, else its path, whatever the Host header says."""
    server = getattr(scope["app"].state, "server", None)
    return (server.base_url if server is not None else None) or BASE_PATH
