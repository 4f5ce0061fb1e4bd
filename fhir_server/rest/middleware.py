"""What surrounds every request: its id, and an answer whatever happens inside. One pure ASGI layer."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_server.core.outcome import FhirError
from fhir_server.interactions.unforeseen import unforeseen
from fhir_server.rest.errors import error_response

# What also is a FHIR id, because it becomes the id of an OperationOutcome.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9\-.]{1,64}").fullmatch


class RequestIds:
    """Gives each request an id (the client's X-Request-Id where it is usable) and answers what nothing else did."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _sent_id(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        header = (b"x-request-id", request_id.encode())
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"].append(header)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except FhirError as error:
            if started:
                raise
            await error_response(request_id, error)(scope, receive, send_with_id)
        except Exception as error:
            if started:
                raise
            await error_response(request_id, unforeseen(request_id, error))(scope, receive, send_with_id)


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _REQUEST_ID(value) else None
    return None
