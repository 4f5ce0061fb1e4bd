"""Keys of clients are fetched once for a while, and from where a client may live; what a key server does is its own."""

import asyncio
import contextlib
import json
import ssl
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from smart_auth import jwks_of_clients
from smart_auth.jwks_of_clients import FetchedJwks, JwksUnavailable, fetch_jwks
from tests.auth.oauth import EC_KEY, RSA_KEY, OAuth, signed
from tests.certificates import self_signed

JWKS_URI = "https://backend.test/jwks.json"


def key_set(*keys: RSAKey | ECKey, cache_control: str = "") -> FetchedJwks:
    return FetchedJwks(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode(), cache_control)


async def refused(server: OAuth, assertion: str, status: int = 400, **fields: str | None) -> None:
    response = await server.by_assertion(assertion, **fields)
    assert (response.status_code, response.json()["error"]) == (status, "invalid_client"), response.text


async def test_keys_are_fetched_once_and_again_when_their_time_is_over(server: OAuth) -> None:
    client = await server.backend(jwks=None, jwks_uri=JWKS_URI)
    server.key_sets.answers[JWKS_URI] = key_set(RSA_KEY, cache_control="public, max-age=30")
    for _ in range(3):
        assert (await server.by_assertion(server.assertion(client))).status_code == 200
    assert server.key_sets.asked == [JWKS_URI]
    server.clock.at += 30
    assert (await server.by_assertion(server.assertion(client, {"jku": JWKS_URI}))).status_code == 200
    assert len(server.key_sets.asked) == 2


async def test_a_rotated_key_works_at_once_and_the_old_one_no_more(server: OAuth) -> None:
    client = await server.backend(jwks=None, jwks_uri=JWKS_URI)
    server.key_sets.answers[JWKS_URI] = key_set(RSA_KEY)
    assert (await server.by_assertion(server.assertion(client))).status_code == 200
    server.key_sets.answers[JWKS_URI] = key_set(EC_KEY)
    by_new = signed(server.claims(client), {"alg": "ES384", "kid": "ec-1"}, EC_KEY)
    assert (await server.by_assertion(by_new)).status_code == 200
    await refused(server, server.assertion(client))


async def test_made_up_kids_do_not_make_the_server_fetch_again_and_again(server: OAuth) -> None:
    client = await server.backend(jwks=None, jwks_uri=JWKS_URI)
    server.key_sets.answers[JWKS_URI] = key_set(RSA_KEY)
    for number in range(20):
        await refused(server, server.assertion(client, {"kid": f"made-up-{number}"}))
    assert len(server.key_sets.asked) <= 2


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b'{"keys": [1, {"kid": "rsa-1"}]}', b"[" * 9999]
)
async def test_a_key_set_that_is_none_is_a_refusal(server: OAuth, body: bytes) -> None:
    client = await server.backend(jwks=None, jwks_uri=JWKS_URI)
    server.key_sets.answers[JWKS_URI] = FetchedJwks(body)
    await refused(server, server.assertion(client))


async def test_keys_that_cannot_be_fetched_are_a_refusal(server: OAuth) -> None:
    await refused(server, server.assertion(await server.backend(jwks=None, jwks_uri=JWKS_URI)))


async def test_many_at_once_wait_for_one_fetch_though_it_fails(server: OAuth) -> None:
    client = await server.backend(jwks=None, jwks_uri=JWKS_URI)
    await asyncio.gather(*(refused(server, server.assertion(client)) for _ in range(20)))
    assert server.key_sets.asked == [JWKS_URI]
    server.key_sets.answers[JWKS_URI] = key_set(RSA_KEY)
    server.clock.at += 2
    assert (await server.by_assertion(server.assertion(client))).status_code == 200


async def test_keys_are_fetched_over_http_on_loopback() -> None:
    async with http_server(
        b'HTTP/1.1 200 OK\r\nCache-Control: Max-Age=7\r\nContent-Length: 11\r\n\r\n{"keys":[]}'
    ) as port:
        fetched = await fetch_jwks(f"http://localhost:{port}/jwks.json?x=1")
    assert fetched == FetchedJwks(b'{"keys":[]}', "max-age=7")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70_000, "longer"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"nonsense\r\n\r\n", "could not be fetched"),
    ],
    ids=["redirect", "too long", "not found", "no HTTP"],
)
async def test_a_key_server_that_does_not_behave_is_refused(answer: bytes, why: str) -> None:
    async with http_server(answer) as port:
        with pytest.raises(JwksUnavailable, match=why):
            await fetch_jwks(f"http://127.0.0.1:{port}/jwks.json")


async def test_over_https_the_certificate_must_be_of_the_name_and_of_an_authority_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}'
    own, strangers = self_signed(tmp_path / "own", "localhost"), self_signed(tmp_path / "other", "backend.test")
    async with http_server(fine, own) as port, http_server(fine, strangers) as misnamed:
        with pytest.raises(JwksUnavailable, match="could not be fetched"):
            await fetch_jwks(f"https://localhost:{port}/jwks.json")
        both = tmp_path / "both.pem"
        both.write_bytes(b"".join((tmp_path / name / "cert.pem").read_bytes() for name in ("own", "other")))
        monkeypatch.setenv("SSL_CERT_FILE", str(both))
        jwks_of_clients._trusted.cache_clear()
        try:
            assert (await fetch_jwks(f"https://localhost:{port}/jwks.json")).body == b'{"keys":[]}'
            with pytest.raises(JwksUnavailable, match="could not be fetched"):
                await fetch_jwks(f"https://localhost:{misnamed}/jwks.json")
        finally:
            jwks_of_clients._trusted.cache_clear()


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://[::ffff:169.254.169.254]/",
        "http://10.0.0.1/jwks",
        "file:///etc/passwd",
        "https://127.0.0.2/jwks",
    ],
)
async def test_addresses_where_no_client_lives_are_not_asked(url: str) -> None:
    with pytest.raises(JwksUnavailable, match=r"leads to an address|must be"):
        await fetch_jwks(url)


class http_server:  # noqa: N801 (used as a function)
    """A server on a free port of loopback that gives one answer to everybody."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls

    async def __aenter__(self) -> int:
        self.server = await asyncio.start_server(self._answered, "127.0.0.1", 0, ssl=self.tls)
        return int(self.server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()
