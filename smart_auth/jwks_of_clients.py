"""The public keys of clients: given inline, or fetched from their jwks_uri and kept as long as its answer allows.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx
import msgspec

from smart_auth.redirect_uris import flaw_of_web_address, is_loopback
from smart_auth.settings import SmartSettings

MAX_BYTES = 65_536
MAX_KEYS = 50
FETCH_SECONDS = 5.0
# An unknown kid means a new key: fetched at once, but not again by the next made-up kid.
REFETCH_SECONDS = 2
MAX_SETS = 1000

_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,9})")


class JwksUnavailable(Exception):
    """A client's keys cannot be had; the text says why, for whoever runs the client."""


@dataclass(frozen=True, slots=True)
class FetchedJwks:
    """What a jwks_uri answered: the body, and its Cache-Control header in lower case."""

    body: bytes
    cache_control: str = ""


class FetchJwks(Protocol):
    """Fetches a jwks_uri; raises JwksUnavailable."""

    async def __call__(self, url: str) -> FetchedJwks: ...


@dataclass(slots=True)
class _Fetched:
    """A fetched set. `refetched_at` is when an unknown kid last made us fetch it before its end; `failure` is why the
    last fetch, at `failed_at`, gave nothing.
    """

    keys: tuple[dict[str, Any], ...]
    ends_at: int
    refetched_at: int | None = None
    failure: str = ""
    failed_at: int | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class JwksOfClients:
    """Fetched key sets of this worker, by address."""

    def __init__(self, fetch: FetchJwks, settings: SmartSettings, now: Callable[[], int]) -> None:
        self._fetch = fetch
        self._settings = settings
        self._now = now
        self._sets: dict[str, _Fetched] = {}

    async def keys(self, url: str, kid: str) -> tuple[dict[str, Any], ...]:
        """The keys of this kid; none where the set has none. Raises JwksUnavailable."""
        known = self._sets.get(url)
        if known is None:
            known = self._sets[url] = _Fetched((), self._now())
            self._forget_oldest()
        async with known.reading:
            if known.ends_at <= self._now():
                await self._read(url, known)
            elif not _of_kid(known.keys, kid) and self._may_refetch(known):
                known.refetched_at = self._now()
                await self._read(url, known)
        return _of_kid(known.keys, kid)

    async def _read(self, url: str, into: _Fetched) -> None:
        if into.failed_at is not None and into.failed_at + REFETCH_SECONDS > self._now():
            # Who waited for the same fetch, or comes right after it, does not wait for another one.
            raise JwksUnavailable(into.failure)
        try:
            answer = await self._fetch(url)
            into.keys = read_keys(answer.body)
        except JwksUnavailable as reason:
            into.failure, into.failed_at = str(reason), self._now()
            raise
        into.failed_at = None
        into.ends_at = self._now() + self._lifetime(answer.cache_control)

    def _may_refetch(self, known: _Fetched) -> bool:
        return known.refetched_at is None or known.refetched_at + REFETCH_SECONDS <= self._now()

    def _lifetime(self, cache_control: str) -> int:
        settings = self._settings
        said = _MAX_AGE.search(cache_control)
        seconds = settings.jwks_cache_seconds if said is None else int(said[1])
        if "no-store" in cache_control or "no-cache" in cache_control:
            seconds = 0
        return max(settings.jwks_cache_floor_seconds, min(seconds, settings.jwks_cache_ceiling_seconds))

    def _forget_oldest(self) -> None:
        while len(self._sets) > MAX_SETS:
            del self._sets[next(iter(self._sets))]


def inline_keys(jwks: Mapping[str, Any], kid: str) -> tuple[dict[str, Any], ...]:
    """The keys of this kid in a set that was registered with the client."""
    return _of_kid([key for key in jwks.get("keys", []) if isinstance(key, dict)], kid)


def read_keys(body: bytes) -> tuple[dict[str, Any], ...]:
    """The keys of a JWK Set in JSON. Raises JwksUnavailable where it is none, or has more than `MAX_KEYS`."""
    try:
        keys = msgspec.json.decode(body)["keys"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        raise JwksUnavailable("The jwks_uri did not answer by a JWK Set in JSON.") from None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise JwksUnavailable(f"The key set must be a list of at most {MAX_KEYS} keys.")
    return tuple(key for key in keys if isinstance(key, dict))


async def fetch_jwks(url: str) -> FetchedJwks:
    """Fetch a jwks_uri over https, or http on loopback: no redirects, 64 kB and 5 seconds at most.

    The address that was looked up and found fit is the one connected to, so that a name cannot lead to another
    machine in between. Raises JwksUnavailable.
    """
    flaw = flaw_of_web_address(url)
    if flaw is not None:
        raise JwksUnavailable(f"The jwks_uri {flaw}.")
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await _fetched(urlsplit(url))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError):
        raise JwksUnavailable("The jwks_uri could not be fetched.") from None


async def _fetched(parts: SplitResult) -> FetchedJwks:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not all(_may_be_asked(address, host) for address in addresses):
        raise JwksUnavailable("The jwks_uri leads to an address that is not asked for keys.")
    failure: httpx.ConnectError | None = None
    for address in dict.fromkeys(addresses):
        try:
            return await _get(parts, address, host, port)
        except httpx.ConnectError as error:
            failure = error
    raise failure or JwksUnavailable("The jwks_uri has no address.")


async def _get(parts: SplitResult, address: str, host: str, port: int) -> FetchedJwks:
    literal = f"[{address}]" if ":" in address else address
    url = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path or "/", parts.query, ""))
    headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
    verify = _trusted() if parts.scheme == "https" else False
    # The address is in the URL, so TLS is told the name that the certificate must have.
    named = {"sni_hostname": host}
    async with (
        httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=FETCH_SECONDS) as client,
        client.stream("GET", url, headers=headers, extensions=named) as response,
    ):
        if response.status_code != 200:
            raise JwksUnavailable(f"The jwks_uri answered by status {response.status_code}.")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise JwksUnavailable(f"The key set is longer than {MAX_BYTES} bytes.")
        return FetchedJwks(bytes(body), response.headers.get("cache-control", "").lower())


@cache
def _trusted() -> ssl.SSLContext:
    """The public certificate authorities, or those of SSL_CERT_FILE: agencies have their own."""
    return httpx.create_ssl_context()


def _may_be_asked(address: str, host: str) -> bool:
    """Whether a server may be asked: never those that describe this machine's cloud, and itself only by its name."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip
    if ip.is_loopback:
        return is_loopback(host)
    # A private network is where agencies' own clients live; 169.254.169.254 is where clouds keep credentials.
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)


def _of_kid(keys: Sequence[dict[str, Any]], kid: str) -> tuple[dict[str, Any], ...]:
    return tuple(key for key in keys if key.get("kid") == kid)
