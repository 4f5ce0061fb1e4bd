"""What the authorization endpoint refuses, and to whom it says so: to the app, or, of an app it cannot trust, to the
person alone.
"""

from urllib.parse import urlencode

import pytest

from tests.auth.browsing import BASE, CHALLENGE, REDIRECT_URI, PageServer, Seen, asked, page_server


async def authorize(pages: PageServer, **fields: str | None) -> Seen:
    client = await pages.client(scope="launch launch/patient openid patient/*.rs system/*.rs")
    return await pages.browser.go("/auth/authorize", **asked(client, **fields))


async def test_a_good_request_leads_to_sign_in(pages: PageServer) -> None:
    seen = await authorize(pages)
    assert (seen.status, seen.title) == (200, "Sign in")
    assert "Growth chart" in seen.text


async def test_a_posted_request_does_the_same(pages: PageServer) -> None:
    client = await pages.client()
    seen = await pages.browser._follow(await pages.browser.http.post("/auth/authorize", data=asked(client)))
    assert seen.title == "Sign in"
    back = await pages.browser.allow(await pages.browser.sign_in(seen))
    assert back.answer["code"]


@pytest.mark.parametrize(
    ("uri", "asked_for"),
    [
        (REDIRECT_URI, f"{REDIRECT_URI}/"),
        (REDIRECT_URI, f"{REDIRECT_URI}?next=1"),
        (REDIRECT_URI, f"{REDIRECT_URI}#at"),
        (REDIRECT_URI, f"{REDIRECT_URI}/../evil"),
        (REDIRECT_URI, f"{REDIRECT_URI}%2f..%2fevil"),
        (REDIRECT_URI, "https://app.test/Callback"),
        (REDIRECT_URI, "HTTPS://app.test/callback"),
        (REDIRECT_URI, "https://APP.test/callback"),
        (REDIRECT_URI, "http://app.test/callback"),
        (REDIRECT_URI, "https://app.test:443/callback"),
        (REDIRECT_URI, "https://app.test:8443/callback"),
        (REDIRECT_URI, "https://app.test.evil.test/callback"),
        (REDIRECT_URI, "https://evil.test/callback"),
        (REDIRECT_URI, "https://app.test@evil.test/callback"),
        (REDIRECT_URI, "https://evil.test\\@app.test/callback"),
        (REDIRECT_URI, "https://user@app.test/callback"),
        (REDIRECT_URI, "//app.test/callback"),
        (REDIRECT_URI, "/callback"),
        (REDIRECT_URI, " https://app.test/callback"),
        (REDIRECT_URI, "https://app.test/callback\r\nSet-Cookie: a=b"),
        (REDIRECT_URI, "https://app.test/callback\t"),
        (REDIRECT_URI, "https://xn--pp-eka.test/callback"),
        (REDIRECT_URI, "https://аpp.test/callback"),
        (REDIRECT_URI, "javascript:alert(1)"),
        (REDIRECT_URI, "data:text/html,<script>alert(1)</script>"),
        (REDIRECT_URI, ""),
        ("https://*.app.test/callback", "https://a.app.test/callback"),
        ("https://app.test/*", "https://app.test/callback"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb/"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4711@evil.test/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.test:80/cb"),
        ("http://127.0.0.1/cb", "http://localhost:4711/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:4711/cb"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:8001/cb"),
        ("http://localhost/cb", "http://localhost:4711/cb"),
        ("com.example.app:/cb", "com.example.app://cb"),
        ("com.example.app:/cb", "com.example.app.evil:/cb"),
    ],
)
async def test_nobody_is_redirected_to_an_address_that_is_not_registered_to_the_letter(
    pages: PageServer, uri: str, asked_for: str
) -> None:
    client = await pages.client(redirect_uris=(uri,))
    seen = await pages.browser.go("/auth/authorize", **asked(client, redirect_uri=asked_for))
    assert (seen.status, seen.title) == (400, "This did not work")
    assert "location" not in seen.response.headers


@pytest.mark.parametrize(
    ("uri", "asked_for"),
    [
        ("https://app.test/cb?tenant=1", "https://app.test/cb?tenant=1"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb"),
        ("http://[::1]/cb", "http://[::1]:4711/cb"),
        ("http://localhost:3000/cb", "http://localhost:3000/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
async def test_native_apps_and_addresses_with_queries_are_answered(pages: PageServer, uri: str, asked_for: str) -> None:
    client = await pages.client(redirect_uris=(uri,))
    seen = await pages.browser.go("/auth/authorize", **asked(client, redirect_uri=asked_for))
    back = await pages.browser.allow(await pages.browser.sign_in(seen))
    assert back.address.startswith(asked_for)
    assert back.answer.keys() - {"tenant"} == {"code", "state", "iss"}


@pytest.mark.parametrize("client_id", ["nobody", "", "growth\x00", "GROWTH"])
async def test_an_unknown_app_is_told_to_the_person_alone(pages: PageServer, client_id: str) -> None:
    seen = await authorize(pages, client_id=client_id)
    assert (seen.status, seen.path) == (400, "/auth/authorize")
    assert "location" not in seen.response.headers


async def test_a_disabled_app_is_as_good_as_unknown(pages: PageServer) -> None:
    client = await pages.client(is_disabled=True)
    assert (await pages.browser.go("/auth/authorize", **asked(client))).status == 400


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://app.test/r"}, "request_uri_not_supported"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://other.test/fhir"}, "invalid_request"),
        ({"aud": f"{BASE}/Patient"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"scope": "nonsense patient/*.x"}, "invalid_scope"),
        ({"scope": "user/*.rs"}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": "launch"}, "invalid_scope"),
        ({"launch": "never-was"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"nonce": "n" * 5000}, "invalid_request"),
    ],
)
async def test_what_an_app_did_wrong_it_hears_itself(
    pages: PageServer, fields: dict[str, str | None], error: str
) -> None:
    back = await authorize(pages, **fields)
    assert back.address.startswith(f"{REDIRECT_URI}?error={error}&")
    assert (back.answer["state"], back.answer["iss"]) == ("state & more", BASE)
    assert "code" not in back.answer


async def test_a_request_without_state_is_refused(pages: PageServer) -> None:
    back = await authorize(pages, state=None)
    assert back.answer["error"] == "invalid_request"
    assert "state" not in back.answer


@pytest.mark.parametrize("name", ["scope", "code_challenge", "state", "aud"])
async def test_a_parameter_sent_twice_is_refused(pages: PageServer, name: str) -> None:
    client = await pages.client()
    query = urlencode([*asked(client).items(), (name, asked(client)[name])])
    back = await pages.browser.go(f"/auth/authorize?{query}")
    assert back.answer["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_with_two_addresses_or_apps_nobody_is_redirected(pages: PageServer, name: str) -> None:
    client = await pages.client()
    query = urlencode([*asked(client).items(), (name, "https://evil.test/")])
    assert (await pages.browser.go(f"/auth/authorize?{query}")).status == 400


async def test_an_app_without_the_grant_gets_no_code(pages: PageServer) -> None:
    client = await pages.client(grant_types=("client_credentials",))
    back = await pages.browser.go("/auth/authorize", **asked(client))
    assert back.answer["error"] == "unauthorized_client"


async def test_the_base_may_be_written_with_a_slash_at_its_end(pages: PageServer) -> None:
    assert (await authorize(pages, aud=f"{BASE}/")).title == "Sign in"


async def test_only_what_the_app_registered_is_offered(pages: PageServer) -> None:
    client = await pages.client(scope="openid patient/Patient.rs")
    asking = asked(client, "openid fhirUser patient/Patient.cruds patient/Observation.rs system/*.rs launch")
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/authorize", **asking))
    assert {scope for scope, is_ticked in seen.boxes.items() if is_ticked} == {"openid", "patient/Patient.rs"}


async def test_a_request_ends_after_its_time(pages: PageServer) -> None:
    seen = await authorize(pages)
    pages.clock.pass_seconds(15 * 60)
    late = await pages.browser.send(seen, username="ann", password="x")
    assert (late.status, late.title) == (400, "This did not work")


async def test_a_form_that_does_not_end_is_cut_off(pages: PageServer) -> None:
    response = await pages.browser.http.post("/auth/authorize", data={"client_id": "x" * 70_000})
    assert response.status_code == 413


async def test_what_is_no_form_is_refused(pages: PageServer) -> None:
    http = pages.browser.http
    assert (await http.post("/auth/authorize", json={})).status_code == 415
    assert (await http.get("/auth/authorize?client_id=%ff")).status_code == 400
    put = await http.put("/auth/authorize")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, POST, HEAD")


async def test_pages_and_redirects_are_neither_kept_nor_framed_nor_told_on(pages: PageServer) -> None:
    client = await pages.client()
    moved = await pages.browser.http.get("/auth/authorize", params=asked(client))
    shown = (await authorize(pages)).response
    for response in (moved, shown):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-frame-options"] == "DENY"
        policy = response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy and "script" not in policy


async def test_a_silent_request_needs_somebody_signed_in(pages: PageServer) -> None:
    back = await authorize(pages, prompt="none")
    assert back.answer["error"] == "login_required"


async def test_a_silent_request_gets_what_was_granted_before_and_no_more(pages: PageServer) -> None:
    client, browser = await pages.client(), pages.browser
    seen = await browser.sign_in(await browser.go("/auth/authorize", **asked(client)))
    assert (await browser.go("/auth/authorize", **asked(client, prompt="none"))).answer["error"] == "consent_required"
    await browser.allow(seen)
    assert (await browser.go("/auth/authorize", **asked(client, prompt="none"))).answer["code"]
    wider = asked(client, "patient/Patient.rs patient/Condition.rs", prompt="none")
    assert (await browser.go("/auth/authorize", **wider)).answer["error"] == "consent_required"
    other = await pages.client("other")
    back = await browser.go("/auth/authorize", **asked(other, prompt="none"))
    assert back.answer["error"] == "consent_required"


async def test_an_app_can_ask_for_a_new_sign_in(pages: PageServer) -> None:
    client, browser = await pages.client(), pages.browser
    await browser.sign_in(await browser.go("/auth/authorize", **asked(client)))
    assert (await browser.go("/auth/authorize", **asked(client))).path == "/auth/consent"
    seen = await browser.go("/auth/authorize", **asked(client, prompt="login"))
    assert (await browser.sign_in(seen)).path == "/auth/consent"
    assert (await browser.go("/auth/authorize", **asked(client, max_age="3600"))).path == "/auth/consent"
    pages.clock.pass_seconds(61)
    assert (await browser.go("/auth/authorize", **asked(client, max_age="60"))).title == "Sign in"


async def test_no_page_can_be_passed_by(pages: PageServer) -> None:
    seen = await authorize(pages)
    request = seen.answer["request"]
    for path in ("/auth/consent", "/auth/patient"):
        assert (await pages.browser.go(path, request=request)).title == "Sign in"
    posted = await pages.browser.http.post("/auth/consent", data={"request": request, "decision": "allow"})
    assert posted.status_code == 403


async def test_a_gate_stands_before_every_code() -> None:
    passed: list[str] = []

    async def conditions_of_use(at: object) -> str | None:
        return None if passed else "/auth/manage"

    async with page_server(gates=(conditions_of_use,)) as pages:
        client, browser = await pages.client(), pages.browser
        seen = await browser.sign_in(await browser.go("/auth/authorize", **asked(client)))
        request = seen.answer["request"]
        assert seen.path == "/auth/manage"
        assert (await browser.go("/auth/consent", request=request)).path == "/auth/manage"
        silent = await browser.go("/auth/authorize", **asked(client, prompt="none"))
        assert silent.answer["error"] == "interaction_required"
        passed.append("accepted")
        assert (await browser.allow(await browser.go("/auth/consent", request=request))).answer["code"]


async def test_the_challenge_is_the_one_the_verifier_is_held_against(pages: PageServer) -> None:
    client = await pages.client()
    seen = await pages.browser.go("/auth/authorize", **asked(client))
    back = await pages.browser.allow(await pages.browser.sign_in(seen))
    assert (await pages.exchanged(client, back.answer["code"]))["access_token"]
    assert len(CHALLENGE) == 43
