"""Other places where people can sign in: OpenID providers by configuration, each with what its levels count for here.

https://openid.net/specs/openid-connect-core-1_0.html, https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from smart_auth.access import LogonLevel
from smart_auth.redirect_uris import flaw_of_web_address

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

RESERVED = frozenset(
    {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}
)
"""What we say ourselves when we ask a provider; `parameters` of the configuration cannot take its place."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider. `name` is in our addresses, `label` on the button; `issuer` is exactly as it calls itself.

    `levels` says what an `acr` of its ID tokens counts for here; one that is not there counts as level 1, and none
    counts as a card. `parameters` go along with the request (an `aud`, an `acr_values`). Without a secret it is asked
    as a public client.
    """

    name: str
    label: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scope: str = "openid"
    levels: Mapping[str, LogonLevel] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError, in words for whoever configures it."""
        if _NAME.fullmatch(self.name) is None:
            raise ValueError("A provider's name has lower-case letters, digits and hyphens, 32 at most.")
        flaw = flaw_of_web_address(self.issuer)
        if flaw is not None or "?" in self.issuer:
            raise ValueError(f"The issuer of {self.name} {flaw or 'must not have a query'}.")
        if not self.label or not self.client_id:
            raise ValueError(f"The provider {self.name} needs a label and a client_id.")
        if "openid" not in self.scope.split():
            raise ValueError(f"The scope of {self.name} must have openid in it.")
        if RESERVED & set(self.parameters):
            raise ValueError(f"The parameters of {self.name} may not set {' '.join(sorted(RESERVED))}.")


def providers_of(configured: Sequence[Mapping[str, Any]]) -> tuple[Provider, ...]:
    """The providers of a configuration. Raises ValueError for what is none, or has a name twice."""
    try:
        found = tuple(msgspec.convert(dict(each), Provider) for each in configured)
    except msgspec.ValidationError as error:
        raise ValueError(f"A provider is not configured rightly: {error}.") from None
    if len({each.name for each in found}) != len(found):
        raise ValueError("Two providers have the same name.")
    return found
