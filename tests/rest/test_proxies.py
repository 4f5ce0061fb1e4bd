"""What a proxy says of a request counts from our own proxies alone, and nobody else can say it."""

from typing import Any

import pytest

from fhir_server.rest.proxies import STATE, Proxies
from smart_auth import sent_card

SENT = [
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-client-cert", b"%2D%2DCERT"),
    (b"x-client-cert-secret", b"secret"),
    (b"accept", b"*/*"),
]


async def through(
    headers: list[tuple[bytes, bytes]], peer: str | None = "10.0.0.1", trusted: Any = ("10.0.0.1",), **options: Any
) -> dict[str, Any]:
    """The scope that gets through to the application."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    client = None if peer is None else (peer, 4711)
    scope = {"type": "http", "scheme": "http", "client": client, "headers": headers, "state": {"kept": 1}}
    await Proxies(app, trusted, **options)(scope, None, None)  # type: ignore[arg-type]
    return seen[0]


def test_sign_in_looks_for_the_certificate_where_it_is_put() -> None:
    assert sent_card.STATE == STATE


async def test_a_configured_proxy_is_believed() -> None:
    scope = await through(SENT)
    assert scope["client"] == ("203.0.113.7", 0)
    assert scope["scheme"] == "https"
    assert scope["state"] == {"kept": 1, STATE: ("%2D%2DCERT", "secret")}


async def test_the_card_is_no_header_any_more_behind_the_layer() -> None:
    names = {name for name, _ in (await through(SENT))["headers"]}
    assert names == {b"x-forwarded-for", b"x-forwarded-proto", b"accept"}


@pytest.mark.parametrize("peer", ["10.0.0.2", "203.0.113.7", None, "unix", ""])
async def test_nobody_else_is(peer: str | None) -> None:
    scope = await through(SENT, peer)
    assert scope["headers"] == [(b"accept", b"*/*")]
    assert scope["client"] == (None if peer is None else (peer, 4711))
    assert scope["scheme"] == "http"
    assert scope["state"] == {"kept": 1}


async def test_without_a_configured_proxy_nobody_is() -> None:
    scope = await through(SENT, "127.0.0.1", ())
    assert scope["headers"] == [(b"accept", b"*/*")]
    assert STATE not in scope["state"]


async def test_a_header_of_whatever_case_is_the_same() -> None:
    scope = await through([(name.title(), value) for name, value in SENT], "10.0.0.2")
    assert scope["headers"] == [(b"Accept", b"*/*")]


async def test_what_was_in_the_state_before_is_nobodys_certificate() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert STATE not in scope["state"]

    scope: Any = {"type": "http", "client": ("10.0.0.9", 1), "headers": [], "state": {STATE: ("a", "b")}}
    await Proxies(app, ("10.0.0.1",))(scope, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ([b"1.1.1.1", b"203.0.113.7"], "203.0.113.7"),
        ([b"203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        ([b"203.0.113.7:5000"], "203.0.113.7"),
        ([b"[2001:db8::1]:5000"], "2001:db8::1"),
        ([b"2001:db8::1"], "2001:db8::1"),
        ([b"10.0.0.1"], "10.0.0.1"),
        ([b"1.1.1.1, unknown"], "unknown"),
        ([b""], "10.0.0.1"),
        ([b" , "], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
async def test_the_client_is_the_last_of_the_chain_that_is_no_proxy_of_ours(chain: list[bytes], client: str) -> None:
    scope = await through([(b"x-forwarded-for", each) for each in chain])
    assert scope["client"][0] == client


@pytest.mark.parametrize("said", [[b"ftp"], [b"https", b"http"], [b"https, http"], [b"HTTPS://"]])
async def test_a_scheme_that_is_none_changes_nothing(said: list[bytes]) -> None:
    assert (await through([(b"x-forwarded-proto", each) for each in said]))["scheme"] == "http"


async def test_a_network_may_be_trusted() -> None:
    assert (await through(SENT, "10.1.2.3", ("10.0.0.0/8",)))["scheme"] == "https"
    assert (await through(SENT, "11.1.2.3", ("10.0.0.0/8",)))["scheme"] == "http"


@pytest.mark.parametrize("entry", ["*", "proxy.example.org", ""])
def test_what_is_neither_address_nor_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="FHIR_TRUSTED_PROXIES"):
        Proxies(None, (entry,))  # type: ignore[arg-type]


async def test_two_certificates_stay_two() -> None:
    scope = await through([(b"x-client-cert", b"A"), (b"x-client-cert", b"B"), (b"x-client-cert-secret", b"s")])
    assert scope["state"][STATE] == ("A,B", "s")


async def test_two_secrets_are_none() -> None:
    scope = await through([(b"x-client-cert", b"A"), (b"x-client-cert-secret", b"s"), (b"x-client-cert-secret", b"t")])
    assert scope["state"][STATE] == ("A", "")


async def test_an_empty_header_is_no_certificate() -> None:
    assert STATE not in (await through([(b"x-client-cert", b""), (b"x-client-cert-secret", b"s")]))["state"]


async def test_the_header_may_be_called_otherwise() -> None:
    scope = await through(
        [(b"ssl-card", b"A"), (b"ssl-card-secret", b"s"), (b"x-client-cert", b"B")], card_header="SSL-Card"
    )
    assert scope["state"][STATE] == ("A", "s")


async def test_other_kinds_of_scopes_pass_as_they_are() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    lifespan = {"type": "lifespan"}
    await Proxies(app, ("10.0.0.1",))(lifespan, None, None)  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]
