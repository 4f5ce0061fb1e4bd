"""uvicorn's HTTP protocol with three manners more: bounded headers, an OperationOutcome for what is no HTTP, answers in
one piece.

RFC 9112 section 3, RFC 6585 section 5
"""

import asyncio
import secrets
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.core.codec import encode
from fhir_server.core.outcome import HEAD_TOO_LARGE, NOT_HTTP, FhirError, operation_outcome
from fhir_server.rest.negotiate import FHIR_JSON

MAX_HEAD_BYTES = 128 * 1024
"""Request line and headers together. httptools itself has no bound: a header line of 150 MB was taken in."""

_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Bytes are counted from the end of one message to the end of the next one's headers."""

    head_bytes = 0
    in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        if self.in_head:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE(f"The request line and headers are over {MAX_HEAD_BYTES} bytes together."))

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.in_head, self.head_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(NOT_HTTP("The request is not HTTP that this server reads. Percent-encode the path and query."))

    def _refuse(self, error: FhirError) -> None:
        request_id = secrets.token_hex(8)
        body = encode(operation_outcome(error.issues, request_id))
        head = (
            b"HTTP/1.1 %d %b\r\ncontent-type: %b; charset=utf-8\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
            b"cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        named = _REASONS[error.status], FHIR_JSON.encode(), len(body), request_id.encode()
        self.transport.write(head % (error.status, *named) + body)
        self.transport.close()


class GatheringTransport:
    """A transport that sends together what is written before the loop goes round.

    uvicorn writes head and body of an answer one after the other, each by a system call that wakes the reader.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send the bytes soon, after those of earlier calls."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.writelines(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
