"""uvicorn's HTTP protocol with more manners: bounded headers, trailers that are no headers, an OperationOutcome for
what is no HTTP, answers in one piece, no patience with who does not take them.

RFC 9110 section 6.5.1, RFC 9112 sections 3 and 7.1, RFC 6585 section 5
"""

import asyncio
import secrets
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fhir_server.core.codec import encode
from fhir_server.core.outcome import HEAD_TOO_LARGE, NOT_HTTP, FhirError, operation_outcome
from fhir_server.rest.negotiate import FHIR_JSON

MAX_HEAD_BYTES = 128 * 1024
"""Request line and headers together. httptools itself has no bound: a header line of 150 MB was taken in."""

HEAD_SECONDS = 60.0
"""For how long a connection may wait for the end of a request's headers; uvicorn waits for ever."""

STALLED_SECONDS = 60.0
"""A client that takes nothing of its answer for this long is cut off: up to 64 MB would wait for it."""

_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Bytes are counted that are no content: from one message, or piece of content, to the next."""

    head_bytes = 0
    in_head = True
    stalled: asyncio.TimerHandle | None = None
    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport, self.loop)))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._expect_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.head_bytes += len(data)
        super().data_received(data)
        if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE(f"The request line and headers are over {MAX_HEAD_BYTES} bytes together."))
        elif self.in_head and self.head_bytes and self.late is None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The fields behind chunked content: as headers they would set conditions that nobody on the way saw.
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_head = False
        if self.late is not None:
            self._expect_no_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.in_head, self.head_bytes = True, 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client takes less than it is sent: see from now on that it takes something."""
        super().pause_writing()
        self._wait_no_more()
        self._wait_for_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has caught up."""
        self._wait_no_more()
        super().resume_writing()

    def _expect_head(self) -> None:
        self.late = self.loop.call_later(HEAD_SECONDS, self._end_if_late)

    def _expect_no_head(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None

    def _end_if_late(self) -> None:
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and not cycle.response_complete:
            # An earlier request is still being answered.
            self._expect_head()
        else:
            self.transport.close()

    def _wait_for_reader(self, left: int) -> None:
        self.stalled = self.loop.call_later(STALLED_SECONDS, self._end_if_stalled, left)

    def _wait_no_more(self) -> None:
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None

    def _end_if_stalled(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        else:
            self._wait_for_reader(left)

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
