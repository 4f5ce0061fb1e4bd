"""How answers leave: in one piece, whole and in their order, whatever the connection does next."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from fhir_server.rest import protocol
from fhir_server.rest.protocol import BoundedHttpProtocol
from tests.conftest import RunningServer


def _asked(server: RunningServer, request: bytes) -> socket.socket:
    address = urlsplit(server.base)
    connection = socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30)
    connection.sendall(request)
    return connection


def _request(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def test_head_and_body_of_an_answer_arrive_together(shared_server: RunningServer) -> None:
    with _asked(shared_server, _request("GET", "/fhir/Patient/nobody-of-this-name")) as connection:
        first = connection.recv(65536)
    assert first.startswith(b"HTTP/1.1 404 ")
    assert first.rstrip().endswith(b"}")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_is_whole_where_the_client_asks_to_close_after_it(shared_server: RunningServer, method: str) -> None:
    with _asked(shared_server, _request(method, "/fhir/metadata", "Connection: close")) as connection:
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(body) == (0 if method == "HEAD" else int(lengths[0].split(b":")[1]))


def test_answers_to_requests_sent_at_once_come_in_their_order(shared_server: RunningServer) -> None:
    names = [f"nobody-{number}" for number in range(5)]
    requests = b"".join(_request("GET", f"/fhir/Patient/{name}") for name in names[:-1])
    last = _request("GET", f"/fhir/Patient/{names[-1]}", "Connection: close")
    with _asked(shared_server, requests + last) as connection:
        received = b""
        while piece := connection.recv(65536):
            received += piece
    places = [received.index(name.encode()) for name in names]
    assert received.count(b"HTTP/1.1 404 ") == 5
    assert places == sorted(places)


def _chunked(path: str, body: bytes, trailers: bytes) -> bytes:
    head = _request(
        "PUT", path, "Content-Type: application/fhir+json", "Transfer-Encoding: chunked", "Connection: close"
    )
    return head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


def _received(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def test_what_stands_behind_a_chunked_body_sets_no_conditions(shared_server: RunningServer) -> None:
    body = b'{"resourceType":"Basic","id":"trailing","code":{"text":"x"}}'
    with _asked(
        shared_server, _chunked("/fhir/Basic/trailing", body, b'If-Match: W/"99"\r\nHost: x\r\n')
    ) as connection:
        assert _received(connection)[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 201")


def test_trailers_are_bounded_as_headers_are(shared_server: RunningServer) -> None:
    with _asked(shared_server, _chunked("/fhir/Basic/x", b"{}", b"X: ")[:-2]) as connection:
        connection.settimeout(10)
        with pytest.raises(OSError):
            for _ in range(200):
                connection.sendall(b"a" * 100_000)


def test_a_body_in_many_chunks_is_not_taken_for_headers(shared_server: RunningServer) -> None:
    body = b'{"resourceType":"Basic","id":"pieces","code":{"text":"' + b"x" * 400_000 + b'"}}'
    pieces = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in (body[n : n + 10] for n in range(0, len(body), 10))
    )
    head = _chunked("/fhir/Basic/pieces", b"", b"").partition(b"\r\n\r\n")[0]
    with _asked(shared_server, head + b"\r\n\r\n" + pieces + b"0\r\n\r\n") as connection:
        assert _received(connection)[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 201")


async def _served(reads: Callable[[socket.socket], Awaitable[int]], request: bytes = b"") -> int:
    """What a client comes to that asks for 8 MB, or sends these bytes, and reads so."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % _LARGE)]})
        await send({"type": "http.response.body", "body": b"x" * _LARGE})

    config = Config(answer, http=BoundedHttpProtocol, lifespan="off")
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    made = await loop.create_server(lambda: BoundedHttpProtocol(config, state, {}), "127.0.0.1", 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.setblocking(False)
        await loop.sock_connect(client, made.sockets[0].getsockname())
        await loop.sock_sendall(client, request or _request("GET", "/"))
        size = await reads(client)
    made.close()
    return size


_LARGE = 8 * 1024 * 1024


async def _read_all(client: socket.socket, pause_seconds: float = 0.0) -> int:
    size = 0
    try:
        while size < _LARGE and (piece := await asyncio.get_running_loop().sock_recv(client, 256 * 1024)):
            size += len(piece)
            await asyncio.sleep(pause_seconds)
    except ConnectionResetError:
        pass
    return size


async def test_who_takes_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.2)

    async def reads(client: socket.socket) -> int:
        await asyncio.sleep(3)
        return await _read_all(client)

    assert await _served(reads) < _LARGE


async def test_who_takes_an_answer_slowly_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 3.0)
    assert await _served(lambda client: _read_all(client, 0.05)) >= _LARGE


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTTP/1.1\r\nHost: loc"], ids=["nothing", "half of its headers"])
async def test_who_does_not_end_its_headers_is_cut_off(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    assert await asyncio.wait_for(_served(_read_all, sent), 5) == 0


async def test_who_ended_its_headers_in_time_is_answered_later_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)

    async def reads(client: socket.socket) -> int:
        loop, size = asyncio.get_running_loop(), await _read_all(client)
        await asyncio.sleep(0.5)
        for half in (_request("GET", "/")[:20], _request("GET", "/")[20:]):
            await loop.sock_sendall(client, half)
            await asyncio.sleep(0.05)
        return size + await _read_all(client)

    assert await _served(reads) >= 2 * _LARGE
