"""Whom a request comes from: what a proxy in front says of it counts from our own proxies alone.

The peer of the connection decides. From a configured one, address and scheme of the client are taken over, and the
certificate that it saw is put aside for sign-in; from anybody else headers of that kind are removed, so that nothing
behind this layer can believe them. It has to be the outermost layer. CPU time: 8 µs behind a proxy, 3 without one.
https://datatracker.ietf.org/doc/html/rfc7239#section-8.1, docs/operations.md
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

STATE = "client_certificate"
"""Where in a request's state sign-in finds (certificate, secret), as the proxy sent them (smart_auth.sent_card)."""

SECRET_SUFFIX = "-Secret"
"""What the name of the header with the proxy's secret adds to that with the certificate."""

_FOR = b"x-forwarded-for"
_SCHEME = b"x-forwarded-proto"
_FORWARDED = frozenset(
    {_FOR, _SCHEME, b"forwarded", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-real-ip"}
)
_SCHEMES = {b"http": "http", b"https": "https"}


class Proxies:
    """Believes `trusted` addresses and networks, and takes the certificate of a card from `card_header`."""

    def __init__(self, app: ASGIApp, trusted: Iterable[str] = (), card_header: str = "X-Client-Cert") -> None:
        """Raises ValueError for whatever is neither an address nor a network."""
        self.app = app
        self._trusted = tuple(_network(each) for each in trusted)
        self._certificate = card_header.lower().encode("latin-1")
        self._secret = (card_header + SECRET_SUFFIX).lower().encode("latin-1")
        self._of_cards = frozenset({self._certificate, self._secret})
        self._known: dict[str, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {}).pop(STATE, None)
            peer = scope.get("client")
            if peer is not None and self._is_trusted(peer[0]):
                self._take_over(scope)
            else:
                removed = _FORWARDED | self._of_cards
                scope["headers"] = [header for header in scope["headers"] if header[0].lower() not in removed]
        await self.app(scope, receive, send)

    def _take_over(self, scope: Scope) -> None:
        kept: list[tuple[bytes, bytes]] = []
        chain: list[bytes] = []
        schemes: list[bytes] = []
        certificates: list[bytes] = []
        secrets: list[bytes] = []
        taken = {_FOR: chain, _SCHEME: schemes, self._certificate: certificates, self._secret: secrets}
        for header in scope["headers"]:
            name = header[0].lower()
            if name in taken:
                taken[name].append(header[1])
            if name not in self._of_cards:
                kept.append(header)
        scope["headers"] = kept
        if len(schemes) == 1 and schemes[0].strip() in _SCHEMES:
            scope["scheme"] = _SCHEMES[schemes[0].strip()]
        client = self._client(b",".join(chain).decode("latin-1"))
        if client:
            # Its port is not told.
            scope["client"] = (client, 0)
        if any(certificates):
            # Two of them stay two, which is no certificate: nobody chooses which one counts.
            text = b",".join(certificates).decode("latin-1")
            scope["state"][STATE] = (text, secrets[0].decode("latin-1") if len(secrets) == 1 else "")

    def _client(self, chain: str) -> str:
        """The last address in the chain that is no proxy of ours; what stands before it anybody may have written."""
        hosts = [_without_port(each.strip()) for each in chain.split(",") if each.strip()]
        for host in reversed(hosts):
            if not self._is_trusted(host):
                return host
        return hosts[0] if hosts else ""

    def _is_trusted(self, host: str) -> bool:
        known = self._known.get(host)
        if known is None:
            known = self._looked_up(host)
            if len(self._known) < 4096 and len(host) <= 45:
                self._known[host] = known
        return known

    def _looked_up(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise ValueError(f"FHIR_TRUSTED_PROXIES: {text!r} is neither an address nor a network.") from error


def _without_port(host: str) -> str:
    """An address of the chain as some proxies write it: `1.2.3.4:80`, `[::1]:80`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
