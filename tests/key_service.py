"""A key management service on loopback that speaks AWS KMS's protocol over TLS: Encrypt and Decrypt, signed requests.

https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.certificates import self_signed

REGION = "us-gov-west-1"


def arn(name: str) -> str:
    return f"arn:aws-us-gov:kms:{REGION}:000000000000:key/{name}"


class Refused(Exception):
    """What the service does not do, by the name of its error."""


@dataclass(slots=True)
class KeyService:
    """Its keys by their ARNs, who may come in, and what it was asked."""

    ca_file: Path
    port: int = 0
    access_key_id: str = "AKIDTEST"
    secret_access_key: str = field(default_factory=lambda: secrets.token_urlsafe(20))
    keys: dict[str, AESGCM] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, name: str) -> str:
        """A new key; its ARN."""
        self.keys[arn(name)] = AESGCM(secrets.token_bytes(32))
        return arn(name)

    def settings(self, key: str) -> dict[str, Any]:
        """The settings of a server whose master key is this one."""
        credentials = {"accessKeyId": self.access_key_id, "secretAccessKey": self.secret_access_key}
        return {
            "kms_provider": "aws",
            "kms_credentials": json.dumps(credentials),
            "kms_master_key": {"region": REGION, "key": key, "endpoint": f"127.0.0.1:{self.port}"},
            "kms_ca_file": self.ca_file,
        }

    def answer(self, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """What is answered to a request. Raises Refused."""
        self._let_in(headers, body)
        target = headers.get("x-amz-target", "").removeprefix("TrentService.")
        self.asked.append(target)
        sent = json.loads(body)
        if target == "Encrypt":
            key, nonce = sent["KeyId"], secrets.token_bytes(12)
            sealed = nonce + self._cipher(key).encrypt(nonce, base64.b64decode(sent["Plaintext"]), None)
            blob = json.dumps([key, base64.b64encode(sealed).decode()]).encode()
            return {"KeyId": key, "CiphertextBlob": base64.b64encode(blob).decode()}
        if target == "Decrypt":
            key, text = json.loads(base64.b64decode(sent["CiphertextBlob"]))
            sealed = base64.b64decode(text)
            try:
                opened = self._cipher(key).decrypt(sealed[:12], sealed[12:], None)
            except InvalidTag as error:
                raise Refused("InvalidCiphertextException") from error
            return {"KeyId": key, "Plaintext": base64.b64encode(opened).decode()}
        raise Refused("UnknownOperationException")

    def _cipher(self, key: str) -> AESGCM:
        if key not in self.keys:
            raise Refused("NotFoundException")
        return self.keys[key]

    def _let_in(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Refused unless the request is signed with the secret of the account (Signature Version 4)."""
        parts = dict(
            each.strip().split("=", 1) for each in headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
        )
        account, day, region, service, end = parts["Credential"].split("/")
        names = parts["SignedHeaders"].split(";")
        lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
        asked = "\n".join(["POST", "/", "", *lines, "", ";".join(names), hashlib.sha256(body).hexdigest()])
        scope = "/".join((day, region, service, end))
        digest = hashlib.sha256(asked.encode()).hexdigest()
        signed = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest))
        key = f"AWS4{self.secret_access_key}".encode()
        for each in (day, region, service, end):
            key = hmac.digest(key, each.encode(), "sha256")
        if account != self.access_key_id or hmac.new(key, signed.encode(), "sha256").hexdigest() != parts["Signature"]:
            raise Refused("InvalidSignatureException")


@contextmanager
def key_service(folder: Path) -> Iterator[KeyService]:
    """One that runs; its certificate is made in the folder."""
    tls = self_signed(folder, "127.0.0.1")
    service = KeyService(folder / "cert.pem")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, answer = 200, service.answer(headers, body)
            except Refused as error:
                status, answer = 400, {"__type": str(error), "message": "no"}
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
