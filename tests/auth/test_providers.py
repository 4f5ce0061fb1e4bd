"""Signing in by another OpenID provider: what it says is checked to the letter; whose login it is, is proved once."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from smart_auth import provider_pages
from smart_auth.identity.provider_peer import Peer
from smart_auth.identity.providers import Provider, providers_of
from smart_auth.portal import Portal
from smart_auth.provider_pages import NOT_DONE, external_id
from smart_auth.records import EXTERNAL_LOGINS, PROVIDER_LOGINS, SESSIONS, ExternalLogin, kept
from tests.auth.browsing import PASSWORD, Browser, PageServer, Seen, asked, page_server
from tests.auth.other_provider import ISSUER, KEY, OTHER_KEY, PROVIDER, OtherProvider


@pytest.fixture
async def other(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OtherProvider]:
    played: list[OtherProvider] = []

    async def fetch(url: str) -> Any:
        return await played[0].fetch(url)

    async def post(url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        return await played[0].post(url, form, headers)

    monkeypatch.setattr(provider_pages, "Peer", partial(Peer, fetch=fetch, post=post))
    async with page_server(portal=Portal(providers=(PROVIDER,))) as server:
        played.append(OtherProvider(server))
        yield played[0]


async def tied(other: OtherProvider, account: str = "id-ann") -> None:
    login = ExternalLogin(id=external_id(PROVIDER, other.subject), provider="other", account=account, linked_at=1)
    await other.server.parts.documents.insert(EXTERNAL_LOGINS, login.id, kept(login))


async def sessions(server: PageServer) -> list[dict[str, Any]]:
    return await server.parts.documents.find(SESSIONS, {})


async def assert_refused(other: OtherProvider, seen: Seen, status: int = 401) -> None:
    assert seen.status == status, seen.text
    assert NOT_DONE in seen.text
    assert await sessions(other.server) == []
    assert "provider" in other.server.trail.kinds()


def browser_of(other: OtherProvider) -> Browser:
    return other.server.browser


async def test_the_first_time_a_person_proves_whose_account_it_is_and_then_never_again(other: OtherProvider) -> None:
    seen = await other.visited(browser_of(other))
    assert seen.title == "Which account is yours?"
    assert await sessions(other.server) == []
    seen = await browser_of(other).send(seen, username="ann", password=PASSWORD)
    assert seen.path == "/auth/manage" and "Ann" in seen.text
    (session,) = await sessions(other.server)
    assert (session["acr"], list(session["amr"])) == ("level2", ["pwd"])
    seen = await other.visited(other.server.another_browser())
    assert seen.path == "/auth/manage" and "Ann" in seen.text
    latest = next(each for each in await sessions(other.server) if each["id"] != session["id"])
    assert (latest["account"], latest["acr"], list(latest["amr"])) == ("id-ann", "level2", ["fed"])


async def test_a_person_on_the_way_to_an_app_gets_there(other: OtherProvider) -> None:
    await tied(other)
    app = await other.server.client()
    seen = await browser_of(other).go("/auth/authorize", **asked(app))
    assert seen.title == "Sign in"
    (link,) = seen.html.xpath("//a[starts-with(@href, '/auth/provider/other')]/@href")
    seen = await other.visited(browser_of(other), link.removeprefix("/auth/provider/other"))
    assert seen.path == "/auth/consent", seen.text
    seen = await browser_of(other).allow(seen)
    assert seen.answer["code"]


@pytest.mark.parametrize(
    ("acr", "level", "expected"),
    [
        ("ial2", "level2", "level2"),
        ("loa1", "level2", "level1"),
        ("unheard of", "level2", "level1"),
        (None, "level2", "level1"),
        (["ial2"], "level2", "level1"),
        ("card", "level2", "level1"),
        ("ial2", "level1", "level1"),
    ],
)
async def test_its_word_counts_for_what_the_configuration_says_and_for_no_more_than_the_account(
    other: OtherProvider, acr: Any, level: str, expected: str
) -> None:
    await other.server.person("ann", fhir_user="Patient/p1", patients=("p1",), level=level)
    await tied(other)
    other.claims = {"acr": acr}
    assert (await other.visited(browser_of(other))).path == "/auth/manage"
    assert [each["acr"] for each in await sessions(other.server)] == [expected]


async def test_it_is_asked_as_the_configuration_says_with_a_secret_of_ours_alone(other: OtherProvider) -> None:
    sent = await other.asked_by(browser_of(other))
    assert sent["client_id"] == "our-client" and sent["acr_values"] == "ial2" and sent["scope"] == "openid"
    assert sent["redirect_uri"] == "http://fhir.test/auth/provider/other/callback"
    assert sent["code_challenge_method"] == "S256" and sent["response_type"] == "code"
    stored = str(await other.server.parts.documents.find(PROVIDER_LOGINS, {}))
    assert sent["state"] not in stored
    await other.answered(browser_of(other))
    ((url, form, headers),) = other.posted
    assert url == f"{ISSUER}/token" and form["redirect_uri"] == sent["redirect_uri"]
    assert form["code_verifier"] not in stored
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"our-client:our+secret%2F%2B"
    assert "client_secret" not in form


async def test_the_secret_is_posted_where_the_provider_takes_it_so_alone(other: OtherProvider) -> None:
    other.configuration = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await other.visited(browser_of(other))
    ((_, form, headers),) = other.posted
    assert form["client_secret"] == "our secret/+" and "Authorization" not in headers


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.test"},
        {"iss": f"{ISSUER}/"},
        {"aud": "another"},
        {"aud": ["our-client", "another"]},
        {"aud": ["our-client", "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"exp": 1_800_000_000 - 61},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 1_800_000_000 - 601},
        {"iat": 1_800_000_000 + 61},
        {"iat": None},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
async def test_an_id_token_with_a_wrong_claim_signs_nobody_in(other: OtherProvider, claims: dict[str, Any]) -> None:
    await tied(other)
    other.claims = claims
    await assert_refused(other, await other.visited(browser_of(other)))


async def test_several_audiences_are_fine_where_the_token_was_made_for_us(other: OtherProvider) -> None:
    await tied(other)
    other.claims = {"aud": ["our-client", "another"], "azp": "our-client"}
    assert (await other.visited(browser_of(other))).path == "/auth/manage"


@pytest.mark.parametrize(
    "header",
    [{"kid": "another"}, {"kid": None}, {"typ": "at+jwt"}, {"alg": "RS512"}, {"alg": "PS256"}, {"crit": ["exp"]}],
    ids=str,
)
async def test_an_id_token_with_a_wrong_header_signs_nobody_in(other: OtherProvider, header: dict[str, Any]) -> None:
    await tied(other)
    other.header = header
    await other.asked_by(browser_of(other))
    if header.get("crit"):
        encoded = base64.urlsafe_b64encode(
            json.dumps({"alg": "RS256", "kid": "key-1", "crit": ["exp"]}).encode()
        ).rstrip(b"=")
        other.header = {}
        other.token = ".".join([encoded.decode(), *other.signed().split(".")[1:]])
    await assert_refused(other, await other.answered(browser_of(other)))


async def test_an_id_token_that_somebody_else_signed_signs_nobody_in(other: OtherProvider) -> None:
    await tied(other)
    other.key = OTHER_KEY
    await assert_refused(other, await other.visited(browser_of(other)))


async def test_neither_a_token_without_signature_nor_a_mac_under_the_public_key_is_taken(other: OtherProvider) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    body = other.signed().split(".")[1]
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"key-1"}').rstrip(b"=").decode()
    other.token = f"{unsigned}.{body}."
    await assert_refused(other, await other.answered(browser_of(other)))
    await other.asked_by(browser_of(other))
    body = other.signed().split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"key-1"}').rstrip(b"=").decode()
    made = hmac.new(KEY.as_pem(private=False), f"{head}.{body}".encode(), hashlib.sha256).digest()
    other.token = f"{head}.{body}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
    await assert_refused(other, await other.answered(browser_of(other)))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "e30.e30.e30", "x" * 20_000], ids=lambda each: each[:9])
async def test_what_is_no_token_signs_nobody_in(other: OtherProvider, token: str) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    other.token = token or "."
    await assert_refused(other, await other.answered(browser_of(other)))


async def test_an_answer_is_good_once_and_in_the_browser_that_asked(other: OtherProvider) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    await assert_refused(other, await other.answered(other.server.another_browser()))
    assert (await other.answered(browser_of(other))).path == "/auth/manage"
    assert (await other.answered(browser_of(other))).status == 401


@pytest.mark.parametrize(
    "answer",
    [{"state": "made-up"}, {"state": None}, {"code": None}, {"code": "wrong"}, {"error": "access_denied"}],
    ids=str,
)
async def test_an_answer_that_is_none_signs_nobody_in(other: OtherProvider, answer: dict[str, str | None]) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    await assert_refused(other, await other.answered(browser_of(other), **answer))


async def test_an_answer_of_another_provider_is_not_taken(other: OtherProvider) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    await assert_refused(other, await other.answered(browser_of(other), iss="https://elsewhere.test"))
    assert other.posted == []
    await other.asked_by(browser_of(other))
    assert (await other.answered(browser_of(other), iss=ISSUER)).path == "/auth/manage"


async def test_a_provider_that_promises_its_name_must_say_it(other: OtherProvider) -> None:
    await tied(other)
    other.configuration = {"authorization_response_iss_parameter_supported": True}
    await assert_refused(other, await other.visited(browser_of(other)))


async def test_a_sign_in_ends_after_ten_minutes(other: OtherProvider) -> None:
    await tied(other)
    await other.asked_by(browser_of(other))
    other.server.clock.pass_seconds(600)
    await assert_refused(other, await other.answered(browser_of(other)))


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://elsewhere.test"},
        {"issuer": f"{ISSUER}/"},
        {"token_endpoint": "http://idp.test/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_configuration_that_cannot_be_trusted_leads_nowhere(
    other: OtherProvider, configuration: dict[str, Any]
) -> None:
    other.configuration = configuration
    seen = await browser_of(other).go("/auth/provider/other")
    seen = await browser_of(other).send(seen, form=seen.html.forms[0])
    await assert_refused(other, seen, 503)


async def test_a_provider_that_is_away_signs_nobody_in(other: OtherProvider) -> None:
    other.is_away = True
    seen = await browser_of(other).go("/auth/provider/other")
    await assert_refused(other, await browser_of(other).send(seen, form=seen.html.forms[0]), 503)


@pytest.mark.parametrize("state", [{"is_disabled": True}, {"is_disabled": True, "is_logon_active": False}])
async def test_a_login_is_dead_while_the_account_is_disabled(other: OtherProvider, state: dict[str, bool]) -> None:
    seen = await other.visited(browser_of(other))
    await tied(other)
    await other.server.parts.documents.change("accounts", "id-ann", state)
    await assert_refused(other, await other.visited(other.server.another_browser()))
    # Nor does it become another account's by that.
    assert (await browser_of(other).send(seen, username="sam", password=PASSWORD)).status == 401
    await other.server.parts.documents.change("accounts", "id-ann", {"is_logon_active": True, "is_disabled": False})
    assert (await other.visited(browser_of(other))).path == "/auth/manage"


async def test_the_login_of_a_deactivated_logon_opens_nothing_until_its_owner_ties_it_to_the_new_one(
    other: OtherProvider,
) -> None:
    await tied(other)
    await other.server.parts.documents.change("accounts", "id-ann", {"is_logon_active": False})
    seen = await other.visited(browser_of(other))
    assert seen.title == "Which account is yours?" and await sessions(other.server) == []
    assert other.server.trail.events[-1].account == "id-ann"
    await other.server.person("ann2", patients=("p1",), fhir_user="Patient/p1")
    assert (await browser_of(other).send(seen, username="ann2", password=PASSWORD)).path == "/auth/manage"
    assert (await other.visited(other.server.another_browser())).path == "/auth/manage"
    assert {each["account"] for each in await sessions(other.server)} == {"id-ann2"}


async def test_wrong_passwords_count_and_tie_nothing(other: OtherProvider) -> None:
    seen = await other.visited(browser_of(other))
    for _ in range(5):
        seen = await browser_of(other).send(seen, username="ann", password="wrong")
        assert seen.status == 401 and "not recognized" in seen.text
    seen = await browser_of(other).send(seen, username="ann", password=PASSWORD)
    assert seen.status == 429
    assert await other.server.parts.documents.find(EXTERNAL_LOGINS, {}) == []
    unknown = await browser_of(other).send(seen, username="nobody at all", password="wrong")
    assert unknown.status == 401 and "not recognized" in unknown.text


async def test_who_has_one_time_codes_is_asked_for_one(other: OtherProvider) -> None:
    codes, secret = other.server.parts.one_time_codes, other.server.parts.one_time_codes.new_secret()
    await codes.enroll("id-ann", secret)
    seen = await other.visited(browser_of(other))
    seen = await browser_of(other).send(seen, username="ann", password=PASSWORD)
    assert seen.status == 401
    code = codes.code_at(secret, other.server.clock())
    seen = await browser_of(other).send(seen, username="ann", password=PASSWORD, code=code)
    assert seen.path == "/auth/manage", seen.text
    assert [list(each["amr"]) for each in await sessions(other.server)] == [["pwd", "otp", "mfa"]]


async def test_a_deactivated_logon_ties_nothing(other: OtherProvider) -> None:
    await other.server.parts.documents.change("accounts", "id-ann", {"is_logon_active": False})
    seen = await other.visited(browser_of(other))
    seen = await browser_of(other).send(seen, username="ann", password=PASSWORD)
    assert seen.status == 401 and "not recognized" in seen.text
    assert await other.server.parts.documents.find(EXTERNAL_LOGINS, {}) == []


async def test_one_login_is_one_accounts(other: OtherProvider) -> None:
    late = other.server.another_browser()
    first, second = await other.visited(browser_of(other)), await other.visited(late)
    assert (await browser_of(other).send(first, username="ann", password=PASSWORD)).path == "/auth/manage"
    refused = await late.send(second, username="sam", password=PASSWORD)
    assert refused.status == 401
    assert [each["account"] for each in await other.server.parts.documents.find(EXTERNAL_LOGINS, {})] == ["id-ann"]


async def test_a_page_to_tie_a_login_is_of_use_in_its_own_browser_alone(other: OtherProvider) -> None:
    seen = await other.visited(browser_of(other))
    link = seen.form().fields["link"]
    stranger = other.server.another_browser()
    form = await stranger.go("/auth/login")
    csrf = form.form().fields["csrf"]
    fields = {"csrf": csrf, "link": link, "username": "sam", "password": PASSWORD}
    answer = await stranger.http.post("/auth/provider/other/link", data=fields)
    assert answer.status_code == 401
    assert await other.server.parts.documents.find(EXTERNAL_LOGINS, {}) == []


async def test_who_is_signed_in_ties_a_login_by_the_password_and_unties_it_by_a_button(other: OtherProvider) -> None:
    browser = browser_of(other)
    await browser.sign_in(await browser.go("/auth/login"))
    seen = await other.visited(browser)
    assert seen.title == "Connect Other.gov?" and "Ann" in seen.text
    for wrong in ("", "not the password"):
        # Whoever finds a browser that is signed in must not add a way in of their own.
        seen = await browser.send(seen, password=wrong)
        assert (seen.status, seen.title) == (401, "Connect Other.gov?")
        assert "not recognized" in seen.text
    seen = await browser.send(seen, password=PASSWORD)
    assert "Your login at Other.gov signs you in here." in seen.text
    assert (await other.visited(other.server.another_browser())).path == "/auth/manage"
    seen = await browser.send(await browser.go("/auth/provider/other"), "unlink")
    assert "signs you in here." not in seen.text
    assert (await other.visited(other.server.another_browser())).title == "Which account is yours?"
    refused = ["other not tied: neither password nor card"] * 2
    said = [text for text in other.server.trail.texts() if text.startswith("other ")]
    assert said == [*refused, "other tied", "other untied"]


@pytest.mark.parametrize("path", ["/auth/provider/other", "/auth/provider/other/link"])
async def test_a_form_of_another_page_does_nothing(other: OtherProvider, path: str) -> None:
    seen = await other.visited(browser_of(other))
    fields = {"link": seen.form().fields["link"], "username": "ann", "password": PASSWORD, "csrf": "made-up"}
    answer = await browser_of(other).http.post(path, data=fields)
    assert answer.status_code == 403
    assert await sessions(other.server) == []


async def test_without_providers_there_are_no_such_pages() -> None:
    async with page_server() as server:
        assert (await server.browser.http.get("/auth/provider/other")).status_code == 404


RIGHT = {"name": "other", "label": "Other", "issuer": ISSUER, "client_id": "us"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Other Gov"},
        {"name": "../x"},
        {"label": ""},
        {"issuer": "http://idp.test"},
        {"issuer": "idp.test"},
        {"issuer": f"{ISSUER}?x=y"},
        {"client_id": ""},
        {"scope": "profile"},
        {"levels": {"ial2": "card"}},
        {"parameters": {"state": "x"}},
        {"client_id": 7},
    ],
    ids=str,
)
def test_a_provider_that_is_configured_wrongly_is_refused(wrong: dict[str, Any]) -> None:
    assert providers_of([RIGHT])[0].name == "other"
    with pytest.raises(ValueError, match=r"provider|issuer|scope|parameters"):
        providers_of([RIGHT | wrong])


def test_two_providers_have_two_names() -> None:
    with pytest.raises(ValueError, match="same name"):
        providers_of([RIGHT, RIGHT])


def test_the_secret_of_a_provider_is_not_shown() -> None:
    assert "secret" not in repr(Provider("other", "Other", ISSUER, "us", "top secret")).replace("client_secret", "")
