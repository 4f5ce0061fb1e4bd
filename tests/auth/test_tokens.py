"""Tokens: what they say, and that nothing else passes for one (RFC 9068, RFC 8725)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from smart_auth.access import AccessContext, NotAdmitted, ResourceScope
from smart_auth.keys import Keys
from smart_auth.settings import SmartSettings
from smart_auth.tokens import AccessTokens
from tests.auth.clock import Clock
from tests.auth.granted import BASE, account, client, grant, is_own_base
from tests.auth.memory_documents import MemoryDocuments

SETTINGS = SmartSettings()


@pytest.fixture(scope="module")
def documents() -> MemoryDocuments:
    # A key takes half a second to make: one does for all of these.
    return MemoryDocuments(Clock())


@pytest.fixture
def keys(documents: MemoryDocuments, clock: Clock) -> Keys:
    return Keys(documents, clock)


@pytest.fixture
def tokens(keys: Keys, clock: Clock) -> AccessTokens:
    return AccessTokens(keys, SETTINGS, clock, is_own_base)


def taken_apart(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return unsealed(header), unsealed(claims)


def unsealed(part: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return read


def sealed(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def refusal(tokens: AccessTokens, token: str) -> NotAdmitted:
    with pytest.raises(NotAdmitted) as refused:
        await tokens.read(token)
    return refused.value


class TestAccessTokens:
    async def test_a_persons_token_says_who_they_are_and_what_was_granted(
        self, tokens: AccessTokens, keys: Keys, clock: Clock
    ) -> None:
        given = grant(encounter="e1", acr="level2", amr=("pwd",), auth_time=clock() - 5)
        token, seconds = await tokens.mint(given, client(), account(), BASE)
        assert seconds == SETTINGS.access_token_seconds
        access = await tokens.read(token)
        assert access == AccessContext(
            subject="ada",
            client_id="app",
            kind="patient",
            scopes=(
                ResourceScope("patient", "Patient", frozenset("rs")),
                ResourceScope("patient", "Observation", frozenset("rs")),
            ),
            fhir_user="Patient/p1",
            patients=("p1", "p2"),
            patient="p1",
            encounter="e1",
            token_id=access.token_id,
            grant="grant-1",
            expires=clock() + seconds,
            signed_by=(await keys.signing()).kid,
            acr="level2",
        )

    async def test_a_system_clients_token_speaks_for_the_client(self, tokens: AccessTokens) -> None:
        system = client(agency="https://va.example.org", purposes=("TREAT",), may_see_ssn=True)
        given = grant(account=None, patient=None, scopes=("system/*.rs",))
        token, seconds = await tokens.mint(given, system, None, BASE)
        access = await tokens.read(token)
        assert seconds == SETTINGS.system_access_token_seconds
        assert (access.subject, access.kind, access.fhir_user, access.patients) == ("app", "system", None, ())
        assert (access.agency, access.purposes, access.may_see_ssn) == ("https://va.example.org", ("TREAT",), True)

    async def test_it_has_the_claims_and_the_type_of_rfc_9068(self, tokens: AccessTokens, clock: Clock) -> None:
        token, seconds = await tokens.mint(grant(), client(), account(), BASE)
        header, claims = taken_apart(token)
        assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
        assert {name: claims[name] for name in ("iss", "aud", "sub", "client_id", "iat", "exp", "scope")} == {
            "iss": BASE,
            "aud": BASE,
            "sub": "ada",
            "client_id": "app",
            "iat": clock(),
            "exp": clock() + seconds,
            "scope": "openid fhirUser patient/Patient.read patient/Observation.rs",
        }

    async def test_no_two_tokens_have_the_same_id(self, tokens: AccessTokens) -> None:
        minted = [(await tokens.mint(grant(), client(), account(), BASE))[0] for _ in range(3)]
        assert len({(await tokens.read(token)).token_id for token in minted}) == 3

    async def test_breaking_the_glass_is_in_the_token(self, tokens: AccessTokens) -> None:
        token, _ = await tokens.mint(grant(emergency=True), client(), account(kind="practitioner"), BASE)
        access = await tokens.read(token)
        assert (access.emergency, access.purposes) == (True, ("BTG",))

    @pytest.mark.parametrize(
        ("kind", "may_see"), [("patient", False), ("officer", False), ("practitioner", True), ("admin", True)]
    )
    async def test_a_client_that_may_see_ssns_shows_them_to_staff_alone(
        self, tokens: AccessTokens, kind: str, may_see: bool
    ) -> None:
        token, _ = await tokens.mint(grant(), client(may_see_ssn=True), account(kind=kind), BASE)
        assert (await tokens.read(token)).may_see_ssn is may_see
        token, _ = await tokens.mint(grant(), client(), account(kind=kind), BASE)
        assert not (await tokens.read(token)).may_see_ssn

    async def test_it_is_good_until_it_expires_and_not_a_second_longer(
        self, tokens: AccessTokens, clock: Clock
    ) -> None:
        token, seconds = await tokens.mint(grant(), client(), account(), BASE)
        clock.pass_seconds(seconds - 1)
        await tokens.read(token)
        clock.pass_seconds(1)
        refused = await refusal(tokens, token)
        assert (refused.status, refused.error) == (401, "invalid_token")

    async def test_it_does_not_outlive_its_grant(self, tokens: AccessTokens, clock: Clock) -> None:
        token, seconds = await tokens.mint(grant(expires_at=clock() + 90), client(), account(), BASE)
        assert seconds == 90
        assert (await tokens.read(token)).expires == clock() + 90

    async def test_another_worker_reads_it(
        self, tokens: AccessTokens, documents: MemoryDocuments, clock: Clock
    ) -> None:
        other = AccessTokens(Keys(documents, clock), SETTINGS, clock, is_own_base)
        token, _ = await tokens.mint(grant(), client(), account(), BASE)
        assert (await other.read(token)).subject == "ada"

    async def test_it_is_still_good_after_the_keys_were_rotated(self, tokens: AccessTokens, keys: Keys) -> None:
        token, _ = await tokens.mint(grant(), client(), account(), BASE)
        await keys.rotate()
        assert (await tokens.read(token)).subject == "ada"


class TestIdTokens:
    async def test_it_says_who_signed_in_to_the_client(self, tokens: AccessTokens, keys: Keys, clock: Clock) -> None:
        given = grant(nonce="n-1", auth_time=clock() - 5, acr="level2", amr=("pwd", "otp", "mfa"))
        signed = await tokens.id_token(given, client(), account(), BASE, "an access token")
        assert jwt.decode(signed, (await keys.signing()).key, algorithms=["RS256"]).claims == {
            "iss": BASE,
            "sub": "ada",
            "aud": "app",
            "exp": clock() + SETTINGS.id_token_seconds,
            "iat": clock(),
            "auth_time": clock() - 5,
            "acr": "level2",
            "amr": ["pwd", "otp", "mfa"],
            "nonce": "n-1",
            "at_hash": sealed(hashlib.sha256(b"an access token").digest()[:16]),
            "fhirUser": f"{BASE}/Patient/p1",
        }

    async def test_its_subject_is_the_access_tokens(self, tokens: AccessTokens) -> None:
        token, _ = await tokens.mint(grant(), client(), account(), BASE)
        _, claims = taken_apart(await tokens.id_token(grant(), client(), account(), BASE, token))
        assert claims["sub"] == (await tokens.read(token)).subject

    async def test_without_the_scope_it_does_not_tell_the_fhir_user(self, tokens: AccessTokens) -> None:
        _, claims = taken_apart(await tokens.id_token(grant(scopes=("openid",)), client(), account(), BASE, ""))
        assert not {"fhirUser", "profile", "name", "nonce", "auth_time"} & set(claims)

    async def test_version_1_apps_get_the_profile_claim(self, tokens: AccessTokens) -> None:
        given = grant(scopes=("openid", "profile"))
        _, claims = taken_apart(await tokens.id_token(given, client(), account(), BASE, ""))
        assert (claims["profile"], claims["name"]) == (f"{BASE}/Patient/p1", "Ada Example")
        assert "fhirUser" not in claims

    async def test_it_is_no_access_token(self, tokens: AccessTokens) -> None:
        id_token = await tokens.id_token(grant(), client(), account(), BASE, "")
        assert (await refusal(tokens, id_token)).error == "invalid_token"


Attack = Callable[[dict[str, Any], dict[str, Any], RSAKey], str]


def unsigned(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return f"{sealed(header | {'alg': 'none'})}.{sealed(claims)}."


def unsigned_but_said_to_be(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return f"{sealed(header)}.{sealed(claims)}."


def none_in_other_letters(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return f"{sealed(header | {'alg': 'nOnE'})}.{sealed(claims)}."


def signed_by(key: RSAKey | OctKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def signed_anyhow(key: RSAKey, header: dict[str, Any], claims: Any) -> str:
    """A right RS256 signature over what no library would sign."""
    signed = f"{sealed(header)}.{sealed(claims)}"
    return f"{signed}.{sealed(key.get_op_key('sign').sign(signed.encode(), PKCS1v15(), SHA256()))}"


def hmac_by_the_public_key(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    signed = f"{sealed(header | {'alg': 'HS256'})}.{sealed(claims)}"
    mac = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{sealed(mac)}"


def hmac_said_to_be_rs256(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    signed = f"{sealed(header)}.{sealed(claims)}"
    mac = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{sealed(mac)}"


def rs512_by_the_same_key(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header | {"alg": "RS512"}, claims)


def ps256_by_the_same_key(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header | {"alg": "PS256"}, claims)


def another_type(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header | {"typ": "JWT"}, claims)


def no_type(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_anyhow(key, {"alg": "RS256", "kid": header["kid"]}, claims)


def another_key_of_the_same_kid(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(RSAKey.generate_key(2048), header, claims)


def a_key_brought_along(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    mine = RSAKey.generate_key(2048)
    return signed_by(mine, header | {"jwk": mine.as_dict(private=False)}, claims)


def another_kid(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header | {"kid": "another"}, claims)


def a_path_as_kid(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    empty = f"{sealed(header | {'alg': 'RS256', 'kid': '../../../dev/null'})}.{sealed(claims)}"
    return f"{empty}.{sealed(hmac.digest(b'', empty.encode(), 'sha256'))}"


def an_object_as_kid(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_anyhow(key, header | {"kid": {"$ne": None}}, claims)


def another_issuer(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, claims | {"iss": "https://other.example.org/fhir"})


def another_audience(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, claims | {"aud": "https://other.example.org/fhir"})


def several_audiences(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, claims | {"aud": [BASE, "https://other.example.org/fhir"]})


def no_expiry(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, {name: value for name, value in claims.items() if name != "exp"})


def an_expiry_in_words(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, claims | {"exp": "9999999999"})


def an_unknown_kind(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_by(key, header, claims | {"kind": "root"})


def more_scope_under_the_old_signature(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    head, _, signature = signed_by(key, header, claims).split(".")
    return f"{head}.{sealed(claims | {'scope': 'system/*.cruds'})}.{signature}"


def a_critical_header(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_anyhow(key, header | {"crit": ["tenant"], "tenant": "other"}, claims)


def claims_that_are_no_object(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    return signed_anyhow(key, header, [claims])


ATTACKS = [
    unsigned,
    unsigned_but_said_to_be,
    none_in_other_letters,
    hmac_by_the_public_key,
    hmac_said_to_be_rs256,
    rs512_by_the_same_key,
    ps256_by_the_same_key,
    another_type,
    no_type,
    another_key_of_the_same_kid,
    a_key_brought_along,
    another_kid,
    a_path_as_kid,
    an_object_as_kid,
    another_issuer,
    another_audience,
    several_audiences,
    no_expiry,
    an_expiry_in_words,
    an_unknown_kind,
    more_scope_under_the_old_signature,
    a_critical_header,
    claims_that_are_no_object,
]


class TestWhatIsNoAccessToken:
    async def test_the_forger_of_these_tests_knows_how_to_make_a_good_one(
        self, tokens: AccessTokens, keys: Keys
    ) -> None:
        header, claims = taken_apart((await tokens.mint(grant(), client(), account(), BASE))[0])
        key = (await keys.signing()).key
        assert (await tokens.read(signed_by(key, header, claims))).subject == "ada"
        assert (await tokens.read(signed_anyhow(key, header, claims))).subject == "ada"

    @pytest.mark.parametrize("attack", ATTACKS)
    async def test_a_forged_one_is_refused(self, tokens: AccessTokens, keys: Keys, attack: Attack) -> None:
        header, claims = taken_apart((await tokens.mint(grant(), client(), account(), BASE))[0])
        refused = await refusal(tokens, attack(header, claims, (await keys.signing()).key))
        assert (refused.status, refused.error) == (401, "invalid_token")

    @pytest.mark.parametrize(
        "text",
        ["", ".", "..", "a.b.c", "é.é.é", "a" * 40_000, "x.y.z.w", sealed(b"\xff") + ".x.y", sealed([1]) + ".x.y"],
    )
    async def test_rubbish_is_refused(self, tokens: AccessTokens, text: str) -> None:
        assert (await refusal(tokens, text)).error == "invalid_token"

    async def test_a_token_of_another_server_of_the_same_make_is_refused(
        self, tokens: AccessTokens, clock: Clock
    ) -> None:
        other = AccessTokens(Keys(MemoryDocuments(clock), clock), SETTINGS, clock, is_own_base)
        token, _ = await other.mint(grant(), client(), account(), BASE)
        assert (await refusal(tokens, token)).error == "invalid_token"

    async def test_a_refusal_repeats_nothing_of_the_token(self, tokens: AccessTokens) -> None:
        refused = await refusal(tokens, "secret.secret.secret")
        assert "secret" not in refused.text
