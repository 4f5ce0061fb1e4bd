"""No single request takes the server's memory, its time, or its other callers with it."""

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import RunningServer
from tests.rest.conftest import created, numbers, patient
from tests.rest.test_transaction import bundle, entry


def test_a_resource_in_too_many_records_is_refused_before_it_is_multiplied(api: httpx.Client) -> None:
    participants = [{"actor": {"reference": f"Patient/p{n}"}, "status": "accepted"} for n in range(2_000)]
    response = api.post(
        "Appointment", json={"resourceType": "Appointment", "status": "booked", "participant": participants}
    )
    assert (response.status_code, numbers(response)) == (413, ["1005"])


def test_a_row_too_large_for_its_search_values_is_a_413_alone_and_in_its_batch_entry(
    api: httpx.Client, unique: str
) -> None:
    wide = patient(identifier=[{"system": "urn:example:of-some-length", "value": f"{n:050}"} for n in range(60_000)])
    response = api.post("Patient", json=wide)
    assert (response.status_code, numbers(response)) == (413, ["1005"])
    sent = bundle(entry("PUT", f"Patient/{unique}", patient(id=unique)), entry("POST", "Patient", wide), type="batch")
    statuses = [row["response"]["status"][:3] for row in api.post("", json=sent).json()["entry"]]
    assert statuses == ["201", "413"]
    assert api.get(f"Patient/{unique}").status_code == 200


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("Provenance", "&".join(f"target={','.join(f'x{n}' for n in range(200))}" for _ in range(10))),
        ("Patient", "&".join(f"name={','.join(f'n{n}' for n in range(200))}" for _ in range(5))),
    ],
)
def test_a_search_for_too_much_is_refused_and_says_what_would_help(api: httpx.Client, path: str, query: str) -> None:
    for response in (api.get(f"{path}?{query}"), api.post("Basic", json={}, headers={"if-none-exist": "code=x"})):
        assert 400 <= response.status_code < 500
    response = api.get(f"{path}?{query}")
    assert numbers(response) == ["4006"]
    assert "Patient/p1" in response.text


def test_a_page_of_too_many_bytes_is_refused_and_says_what_would_help(api: httpx.Client, unique: str) -> None:
    large = {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" * (3 * 1024 * 1024)}
    tagged = large | {"meta": {"tag": [{"system": "urn:run", "code": unique}]}}
    ids = [
        api.post("Binary", json=tagged, headers={"prefer": "return=minimal"}).headers["location"].split("/")[-3]
        for _ in range(6)
    ]
    response = api.get(f"Binary?_tag={unique}")
    assert (response.status_code, numbers(response)) == (400, ["4006"])
    assert "_count" in response.text
    fewer = api.get(f"Binary?_tag={unique}&_count=3").json()
    assert len(fewer["entry"]) == 3
    for id in ids:
        api.delete(f"Binary/{id}")


def test_a_form_of_megabytes_is_refused(api: httpx.Client) -> None:
    response = api.post("Patient/_search", data={"name": "x" * 200_000})
    assert (response.status_code, numbers(response)) == (413, ["1005"])


def test_the_longest_search_that_is_taken_has_a_next_link_that_works(api: httpx.Client, unique: str) -> None:
    for _ in range(2):
        created(api, patient(meta={"tag": [{"system": "urn:run", "code": unique}]}))
    padding = [f"http://example.org/{unique}/{'x' * 60}/{n}" for n in range(190)]
    form = {"_tag": ",".join([*padding, f"urn:run|{unique}"]), "_count": "1"}
    first = api.post("Patient/_search", data=form)
    link = next(link["url"] for link in first.json()["link"] if link["relation"] == "next")
    assert len(api.get(link).json()["entry"]) == 1


def test_other_requests_are_answered_while_a_large_body_is_checked(
    api: httpx.Client, shared_server: RunningServer
) -> None:
    names = [{"family": f"Å{n}", "given": ["é" * 10]} for n in range(60_000)]
    with httpx.Client(trust_env=False, timeout=60) as other:
        other.get(f"{shared_server.base}/metadata")
        body = httpx.Request("POST", "http://x", json=patient(name=names)).read()
        target = urlsplit(shared_server.base)
        with socket.create_connection((target.hostname or "", target.port or 0)) as slow:
            head = f"POST /fhir/Patient HTTP/1.1\r\nhost: {target.netloc}\r\ncontent-type: application/fhir+json\r\n"
            slow.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            answered = 0
            slow.setblocking(False)
            while not _has_answered(slow):
                assert other.get(f"{shared_server.base}/Patient/never-was").status_code == 404
                answered += 1
    # On the loop itself at most one or two would come through before the large one is done.
    assert answered > 3


def _has_answered(connection: socket.socket) -> bool:
    time.sleep(0.005)
    try:
        return bool(connection.recv(65536))
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    ("raw", "status", "number"),
    [
        (b"GET /fhir/metadata HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 400_000 + b"\r\n\r\n", 431, "1015"),
        (b"GET /fhir/Patient?name=\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n", 400, None),
        (b"nonsense\r\n\r\n", 400, "1014"),
        (b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, "1014"),
        (b"GET /fhir/metadata HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "1011"),
    ],
)
def test_what_is_no_sound_http_is_answered_by_an_outcome(
    shared_server: RunningServer, raw: bytes, status: int, number: str | None
) -> None:
    target = urlsplit(shared_server.base)
    with socket.create_connection((target.hostname or "", target.port or 0), timeout=10) as connection:
        connection.sendall(raw)
        received = b""
        while b"OperationOutcome" not in received and (part := _received(connection)):
            received += part
    head = received.split(b"\r\n", 1)[0]
    assert head.startswith(f"HTTP/1.1 {status}".encode()), received[:300]
    assert b"application/fhir+json" in received
    assert number is None or f'"{number}"'.encode() in received


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00", "20260101T000000Z", "2026-01-01T00:00:00,5Z"]
)
def test_an_instant_outside_the_calendar_is_a_400(api: httpx.Client, since: str) -> None:
    for path in ("Patient/_history", "_history"):
        assert numbers(api.get(f"{path}?_since={since}")) == ["4003"]


def test_a_date_header_outside_the_calendar_is_ignored(api: httpx.Client) -> None:
    stored = created(api, patient())
    headers = {"if-modified-since": "Fri, 31 Dec 9999 23:59:59 -1200"}
    assert api.get(f"Patient/{stored['id']}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "number"),
    [
        ("GET", "Patient/{id}?foo=bar", "4001"),
        ("GET", "metadata?_elements=id", "2014"),
        ("GET", "Patient/{id}/_history/1?foo=bar", "4001"),
        ("GET", "metadata?foo=bar", "4001"),
        ("PUT", "Patient/{id}?foo=bar", "4001"),
        ("DELETE", "Patient/{id}?foo=bar", "4001"),
        ("POST", "Patient?foo=bar", "4001"),
        ("GET", "Patient/{id}?_pretty=banana", "4003"),
        ("GET", "Patient/_history?_count=1&_count=2", "4003"),
        ("GET", "Patient?_cursor=x&name=y", "4001"),
    ],
)
def test_no_parameter_is_silently_ignored(api: httpx.Client, method: str, path: str, number: str) -> None:
    stored = created(api, patient())
    response = api.request(method, path.format(id=stored["id"]), json=stored if method in ("PUT", "POST") else None)
    assert (response.status_code, numbers(response)) == (400, [number])
    lenient = {"prefer": "handling=lenient"}
    if number == "4001" and "_cursor" not in path:
        answer = api.request(
            method, path.format(id=stored["id"]), json=stored if method in ("PUT", "POST") else None, headers=lenient
        )
        assert answer.is_success


def test_format_and_pretty_count_in_a_form_too(api: httpx.Client) -> None:
    assert api.post("Patient/_search", data={"_format": "xml"}).status_code == 406
    assert api.post("Patient/_search", data={"_count": "1", "_pretty": "true"}).text.startswith("{\n")


def test_entries_that_name_no_type_fail_alone(api: httpx.Client) -> None:
    sent: dict[str, Any] = bundle(entry("GET", "metadata"), type="batch")
    assert api.post("", json=sent).status_code == 200
    for wrong in (entry("DELETE", "metadata?a=b"), entry("DELETE", "metadata/1"), entry("GET", "metadata/_history")):
        rows = api.post("", json=bundle(wrong, entry("GET", "metadata"), type="batch")).json()["entry"]
        assert [row["response"]["status"][:3] for row in rows] == ["404", "200"]
        assert rows[0]["response"]["outcome"]["issue"][0]["details"]["coding"][0]["code"] == "1010"


def test_a_stored_outcome_is_read_as_a_resource_in_a_batch(api: httpx.Client) -> None:
    issue = {"severity": "information", "code": "informational"}
    stored = created(api, {"resourceType": "OperationOutcome", "issue": [issue]})
    row = api.post("", json=bundle(entry("GET", f"OperationOutcome/{stored['id']}"), type="batch")).json()["entry"][0]
    assert row["resource"] == stored


def test_references_under_each_name_of_loopback_are_ours(api: httpx.Client, shared_server: RunningServer) -> None:
    port = urlsplit(shared_server.base).port
    own = created(api, patient())["id"]
    code = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}
    sent = {"resourceType": "Observation", "status": "final", "code": code}
    for name in ("localhost", "127.0.0.1", "[::1]"):
        created(api, sent | {"subject": {"reference": f"http://{name}:{port}/fhir/Patient/{own}"}})
    created(api, sent | {"subject": {"reference": f"http://other.example/fhir/Patient/{own}"}})
    assert api.get(f"Observation?patient={own}").json()["total"] == 3


@pytest.mark.parametrize(
    "host", ["other.example", "localhost.other.example", "127.0.0.1@other.example", "10.0.0.1:8080"]
)
def test_a_host_that_somebodys_web_page_made_up_gets_nothing(api: httpx.Client, host: str) -> None:
    response = api.get("Patient", headers={"host": host})
    assert (response.status_code, numbers(response)) == (400, ["1011"])
    assert api.get("Patient", headers={"host": "localhost:9999"}).status_code == 200
