"""How answers leave: in one piece, whole and in their order, whatever the connection does next."""

import socket
from urllib.parse import urlsplit

import pytest

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
