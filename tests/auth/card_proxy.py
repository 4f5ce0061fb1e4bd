"""nginx in front of a server, as docs/people/cards.md has it: it speaks mutual TLS with whoever has a card in a reader.

https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_verify_client
"""

import json
import os
import re
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from tests.auth.card_authority import SECRET, Authority, key, pem
from tests.auth.test_nginx import HOST, certificates, wait_for
from tests.require import require

DOCUMENT = Path(__file__).parents[2] / "docs" / "people" / "cards.md"

AROUND = """
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
    {server}
}}
"""


@dataclass(frozen=True, slots=True)
class CardProxy:
    """The proxy on a port, the agency whose cards count behind it, and a folder with the files of both."""

    folder: Path
    port: int
    root: Authority
    issuer: Authority

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    @property
    def lists(self) -> tuple[Path, Path]:
        """The files with the root's revocation list and with the issuer's."""
        return self.folder / "root.crl", self.folder / "issuer.crl"

    @property
    def settings(self) -> Mapping[str, str]:
        """What a server behind it is told."""
        roots, between = self.folder / "roots.pem", self.folder / "authorities.pem"
        roots.write_text(pem(self.root.certificate))
        between.write_text(pem(self.issuer.certificate))
        return {
            "FHIR_BASE_URL": self.base,
            "FHIR_TRUSTED_PROXIES": '["127.0.0.1"]',
            "FHIR_CARD_PROXY_SECRET": SECRET,
            "FHIR_CARD_ANCHORS": str(roots),
            "FHIR_CARD_INTERMEDIATES": str(between),
            "FHIR_CARD_CRLS": json.dumps([str(each) for each in self.lists]),
        }

    def revoke(self, *revoked: x509.Certificate) -> None:
        """These cards alone are revoked from now on."""
        of_root, of_issuer = self.lists
        of_root.write_bytes(self.root.revocation_list())
        of_issuer.write_bytes(self.issuer.revocation_list(revoked))

    def browser(self, certificate: x509.Certificate | None = None, own: Any = None) -> httpx.AsyncClient:
        """A browser with this card in its reader; `own` is the card's key where its name does not say which."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate is not None:
            place = self.folder / "card.pem"
            private = (own or key(f"card of {_name(certificate)}")).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            place.write_bytes(private + pem(certificate).encode())
            context.load_cert_chain(place)
        return httpx.AsyncClient(verify=context, base_url=self.origin, timeout=20, trust_env=False)

    @contextmanager
    def running(self, behind: int) -> Iterator[None]:
        """nginx, with a server on port `behind` of loopback behind it. Skips where it is not installed."""
        nginx, log = require("nginx"), self.folder / "nginx.log"
        certificates(self.folder)
        (self.folder / "nginx.conf").write_text(self._configuration(behind))
        # Its workers are somebody without rights, who may enter no folder of root's.
        as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [nginx, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *as_root]
        with log.open("wb") as written:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
        try:
            wait_for(self.port, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)

    def _configuration(self, behind: int) -> str:
        """The configuration that the document tells people to write, with this machine's places in it."""
        found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
        assert found is not None
        server = found[1]
        for written, here in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("fhir.example.org", HOST),
            ("/etc/nginx/fhir.pem", f"{self.folder}/server.pem"),
            ("/etc/nginx/fhir.key", f"{self.folder}/server.key"),
            ("http://127.0.0.1:8080", f"http://127.0.0.1:{behind}"),
            ("the secret of FHIR_CARD_PROXY_SECRET", SECRET),
        ):
            assert written in server, written
            server = server.replace(written, here)
        return AROUND.format(folder=self.folder, server=server)


def _name(certificate: x509.Certificate) -> str:
    (common,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common.value)
