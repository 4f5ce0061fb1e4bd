"""uvicorn's HTTP protocol with two manners more: bounded headers, and an OperationOutcome for what is no HTTP.

RFC 9112 section 3, RFC 6585 section 5
"""

import secrets

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
