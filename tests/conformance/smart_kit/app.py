"""An app as the kits bring it along: registered like any other, by RFC 7591, in each of the ways an app proves itself.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
"""

import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey

Json = dict[str, Any]
Key = ECKey | RSAKey

SITE = "https://kit.example.org"
"""Where the kit's own web pages are: the Origin of what its browser apps send."""

REDIRECT_URI = f"{SITE}/redirect"
LAUNCH_URI = f"{SITE}/launch"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EVERYTHING = (
    "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access "
    "patient/*.cruds patient/*.read user/*.cruds user/*.read"
)


@cache
def private_key(algorithm: str) -> Key:
    """The kit's key for an algorithm, made once: RS384 or ES384. Its kid is the algorithm's name."""
    about: KeyParameters = {"kid": f"kit-{algorithm}", "alg": algorithm, "use": "sig"}
    return RSAKey.generate_key(2048, about) if algorithm == "RS384" else ECKey.generate_key("P-384", about)


def key_set() -> Json:
    """Both public keys, as a jwks_uri shows them."""
    return {"keys": [private_key(algorithm).as_dict(private=False) for algorithm in ("RS384", "ES384")]}


@dataclass(frozen=True, slots=True)
class App:
    """A registered app; `algorithm` is that of the key it signs with, if it does."""

    client_id: str
    auth_method: str
    name: str = ""
    secret: str = field(default="", repr=False)
    algorithm: str = "RS384"

    def proof(self, token_endpoint: str) -> tuple[dict[str, str], httpx.BasicAuth | None]:
        """What an app adds to a form, or puts into the header, to say who it is."""
        if self.auth_method == "client_secret_basic":
            return {}, httpx.BasicAuth(self.client_id, self.secret)
        if self.auth_method == "private_key_jwt":
            return by_assertion(self.assertion(token_endpoint)), None
        return {"client_id": self.client_id}, None

    def assertion(self, token_endpoint: str, header: Json | None = None, key: Key | None = None, **claims: Any) -> str:
        """A signed assertion as the kits make it; `header`, `key` and `claims` take the place of what is right."""
        signing = key or private_key(self.algorithm)
        given = {"alg": self.algorithm, "kid": signing.kid, "typ": "JWT", **(header or {})}
        right = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": token_endpoint,
            "exp": int(time.time()) + 300,
            "jti": secrets.token_hex(32),
        }
        return jwt.encode(given, {**right, **claims}, signing, algorithms=[self.algorithm])


def by_assertion(assertion: str) -> dict[str, str]:
    """The two fields of a form that carry an assertion."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


async def registered(http: httpx.AsyncClient, endpoint: str, name: str, auth_method: str, **metadata: Any) -> App:
    """A new app with this authentication; `metadata` beyond that of an app with a browser, which may do everything."""
    about = {
        "client_name": name,
        "redirect_uris": [REDIRECT_URI],
        "initiate_login_uri": LAUNCH_URI,
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": auth_method,
        "scope": EVERYTHING,
        **metadata,
    }
    answer = await http.post(endpoint, json={name: value for name, value in about.items() if value is not None})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return App(made["client_id"], auth_method, name, made.get("client_secret", ""))
