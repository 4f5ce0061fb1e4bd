"""What a client reads first: where the endpoints are, what they can do, and the keys that check id tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known,
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata, RFC 8414 section 2
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from smart_auth.authorization import Authorization
from smart_auth.client_assertions import ALGORITHMS as ASSERTION_ALGORITHMS
from smart_auth.endpoints import endpoint
from smart_auth.identity.assurance import RANK
from smart_auth.keys import ALGORITHM
from smart_auth.scope_words import CATEGORIES, TYPE_WORDS
from smart_auth.scopes import FHIR_USER, LAUNCH, LAUNCH_PATIENT, OFFLINE_ACCESS, ONLINE_ACCESS, OPENID, PROFILE

# https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#smart-on-fhir-oauth-authorization-endpoints-and-capabilities
CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")

_IDENTITY_SCOPES = (OPENID, FHIR_USER, PROFILE)
_SPECIAL_SCOPES = (*_IDENTITY_SCOPES, LAUNCH, LAUNCH_PATIENT, OFFLINE_ACCESS, ONLINE_ACCESS)

# Any page may read these: they are the same for everybody.
_OPEN = {"Access-Control-Allow-Origin": "*"}


def scopes_supported() -> list[str]:
    """The scopes of every kind. Types beyond those named here are as good; a `*` stands for them.

    US Core 7 has the categories in it: https://hl7.org/fhir/us/core/STU7/scopes.html
    """
    wildcards = [f"{level}/*.{letters}" for level in ("patient", "user", "system") for letters in ("cruds", "rs")]
    first_version = [f"{level}/*.{word}" for level in ("patient", "user", "system") for word in ("read", "write", "*")]
    types = [f"{level}/{type}.rs" for level in ("patient", "user") for type in TYPE_WORDS]
    granular = [
        f"{level}/{type}.rs?category={category}"
        for level in ("patient", "user")
        for type, categories in CATEGORIES.items()
        for category in categories
    ]
    return [*_SPECIAL_SCOPES, *wildcards, *types, *granular, *first_version]


def smart_configuration(base: str) -> dict[str, Any]:
    """`[base]/.well-known/smart-configuration` for a client that knows the server by this base."""
    return {
        **_endpoints(base),
        "introspection_endpoint": endpoint(base, "introspect"),
        "introspection_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "management_endpoint": endpoint(base, "manage"),
        "ehr_launch_endpoint": endpoint(base, "launch"),
        "capabilities": list(CAPABILITIES),
    }


def openid_configuration(base: str) -> dict[str, Any]:
    """`[base]/.well-known/openid-configuration`."""
    return {
        **_endpoints(base),
        "userinfo_endpoint": endpoint(base, "userinfo"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": [
            *(
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "amr",
                "nonce",
                "at_hash",
                "fhirUser",
                "name",
                "profile",
            )
        ],
        "acr_values_supported": list(RANK),
        "prompt_values_supported": ["none", "login", "consent"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        # Left out this one would be taken for true.
        "request_uri_parameter_supported": False,
    }


def discovery_routes(authorization: Authorization, base_path: str = "/fhir") -> list[Route]:
    """Both documents below the path of the FHIR base, and the JWK Set."""

    async def smart(request: Request) -> Response:
        return _open(smart_configuration(authorization.base_of(request)))

    async def openid(request: Request) -> Response:
        return _open(openid_configuration(authorization.base_of(request)))

    async def jwks(request: Request) -> Response:
        # A new key signs at once: a copy in some cache would lack it.
        return _open(await authorization.keys.jwks(), {"Cache-Control": "no-cache"})

    return [
        Route(f"{base_path}/.well-known/smart-configuration", smart, methods=["GET"]),
        Route(f"{base_path}/.well-known/openid-configuration", openid, methods=["GET"]),
        Route("/auth/jwks", jwks, methods=["GET"]),
    ]


def _endpoints(base: str) -> dict[str, Any]:
    """What both documents say; the issuer is the FHIR base, and every address is absolute."""
    return {
        "issuer": base,
        "jwks_uri": endpoint(base, "jwks"),
        "authorization_endpoint": endpoint(base, "authorize"),
        "token_endpoint": endpoint(base, "token"),
        "registration_endpoint": endpoint(base, "register"),
        "revocation_endpoint": endpoint(base, "revoke"),
        "token_endpoint_auth_methods_supported": ["none", *AUTH_METHODS],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": ["none", *AUTH_METHODS],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": scopes_supported(),
        "code_challenge_methods_supported": ["S256"],
        # RFC 9207.
        "authorization_response_iss_parameter_supported": True,
    }


def _open(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(document), 200, {**_OPEN, **(headers or {})}, media_type="application/json")
