"""The way it is run in earnest: nginx speaks TLS in front of a server on loopback, and everything goes through it.

https://nginx.org/en/docs/http/ngx_http_proxy_module.html, docs/operations.md
"""

import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymongo import MongoClient

from tests.auth.visitor import Visitor, bearer
from tests.conftest import RunningServer, _end, free_port, start_server
from tests.require import require

pytestmark = pytest.mark.slow

HOST = "localhost"
LOADING_SECONDS = 180.0

CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server_tokens off;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {host};
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        client_max_body_size 20m;
        add_header Strict-Transport-Security "max-age=31536000" always;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxied:
    """A server behind nginx: its base as clients write it, and the file with the CA that they trust."""

    base: str
    port: int
    ca: Path
    server: RunningServer

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(self.ca)), timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def proxied(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    nginx = require("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    ca = certificates(folder)
    port = free_port()
    name = f"test_{os.getpid()}_nginx"
    base = f"https://{HOST}:{port}/fhir"
    settings = {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": name,
        "FHIR_DEMO": "true",
        "FHIR_BASE_URL": base,
        "FHIR_TRUSTED_PROXIES": '["127.0.0.1"]',
    }
    server = start_server(folder / "server.log", 1, settings, LOADING_SECONDS, auth="smart")
    behind = int(server.base.split(":")[2].split("/")[0])
    written = CONFIGURATION.format(folder=folder, port=port, host=HOST, behind=behind)
    (folder / "nginx.conf").write_text(written)
    # Its workers are somebody without rights, who may enter no folder of root's.
    as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), *as_root]
    with (folder / "nginx.log").open("wb") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(port, running, folder / "nginx.log")
        yield Proxied(base, port, ca, server)
    finally:
        running.terminate()
        running.wait(20)
        _end(server)
        mongodb.drop_database(name)


def wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Until somebody listens on the port. Raises AssertionError with the log where nginx ends or does not begin."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nginx did not come up:\n{log.read_text(errors='replace')}")


def certificates(folder: Path) -> Path:
    """Make a CA and, signed by it, what nginx shows; the path of the CA's certificate."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test CA")])
    now = datetime.datetime.now(datetime.UTC)

    def builder(name: x509.Name, public: Any) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(name).issuer_name(ca_name).public_key(public)
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )

    ca = builder(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    authority = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca_certificate = ca.add_extension(usage, True).add_extension(authority, False).sign(ca_key, hashes.SHA256())
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority)
    shown = builder(server_name, key.public_key()).add_extension(x509.SubjectAlternativeName(names), False)
    certificate = shown.add_extension(issued_by, False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca_certificate.public_bytes(pem))
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(private)
    return folder / "ca.pem"


@pytest_asyncio.fixture
async def visitor(proxied: Proxied) -> AsyncIterator[Visitor]:
    async with proxied.client() as http:
        yield Visitor(http, proxied.base)


async def test_a_whole_launch_goes_through_the_proxy(visitor: Visitor) -> None:
    answer = await visitor.token_for("miguel.rivera", "openid fhirUser launch/patient offline_access patient/*.rs")
    read = await visitor.http.get(f"{visitor.base}/Patient/{answer['patient']}", headers=bearer(answer))
    assert read.status_code == 200
    found = await visitor.http.get(f"{visitor.base}/Observation?_count=1", headers=bearer(answer))
    links = {each["relation"]: each["url"] for each in found.json()["link"]}
    assert all(url.startswith(f"{visitor.base}/") for url in links.values())
    assert (await visitor.http.get(links["next"], headers=bearer(answer))).status_code == 200


async def test_every_address_told_is_the_public_one(visitor: Visitor) -> None:
    smart = (await visitor.http.get(f"{visitor.base}/.well-known/smart-configuration")).json()
    assert smart["issuer"] == visitor.base
    assert all(url.startswith(visitor.origin) for name, url in smart.items() if name.endswith(("_endpoint", "_uri")))
    stated = (await visitor.http.get(f"{visitor.base}/metadata")).json()
    assert stated["implementation"]["url"] == visitor.base


async def test_the_session_cookie_is_for_this_host_and_https_alone(visitor: Visitor) -> None:
    await visitor.token_for("miguel.rivera", "launch/patient patient/Patient.rs")
    cookies = [each for each in visitor.http.cookies.jar if each.domain.startswith(HOST)]
    assert cookies
    for cookie in cookies:
        assert cookie.secure and cookie.name.startswith("__Host-"), cookie.name


@pytest.mark.parametrize("path", ["/auth/login", "/fhir/metadata", "/fhir/Patient", "/nothing"])
async def test_browsers_are_told_to_come_by_https_alone(visitor: Visitor, path: str) -> None:
    """As docs/operations.md configures nginx, refusals included (RFC 6797)."""
    answer = await visitor.http.get(f"{visitor.origin}{path}")
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]


async def test_registration_is_by_invitation_where_others_reach_the_server(visitor: Visitor) -> None:
    about = {"client_name": "App", "redirect_uris": ["https://app.example.org/"], "token_endpoint_auth_method": "none"}
    answer = await visitor.http.post(f"{visitor.origin}/auth/register", json=about)
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_today_s_tls_connects(proxied: Proxied, version: str) -> None:
    assert _handshake(proxied, getattr(ssl.TLSVersion, version)) == version.replace("_", ".")


@pytest.mark.parametrize("version", ["-ssl3", "-tls1", "-tls1_1"])
def test_older_protocols_are_refused(proxied: Proxied, version: str) -> None:
    openssl = require("openssl")
    known = subprocess.run([openssl, "s_client", "-help"], capture_output=True, text=True).stderr
    if version not in known:
        # A client that cannot speak it cannot ask; nginx is built with the same library.
        return
    command = [openssl, "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{proxied.port}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "Cipher is (NONE)" in done.stdout


def _handshake(proxied: Proxied, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cafile=str(proxied.ca))
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", proxied.port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=HOST) as secured:
        return secured.version()
