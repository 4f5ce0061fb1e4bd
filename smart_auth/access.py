"""Who asks and what was granted to them: the one module of this package that the FHIR server's policy and edge import.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Level = Literal["patient", "user", "system"]
Kind = Literal["patient", "practitioner", "system", "officer", "admin"]

Acr = Literal["level1", "level2", "card"]
"""How sure it is who signed in (RFC 9470): a DS Logon of level 1, of level 2 (Premium), or a CAC or PIV card."""

LogonLevel = Literal["level1", "level2"]

ANY_TYPE = "*"

OPEN_TYPES = frozenset(
    {"Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService", "Endpoint"}
)
"""Types that tell nothing of a patient: all that a sign-in of level 1 sees."""


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One granted scope on resources, in v2 terms.

    `type` is a resource type or ANY_TYPE. `permissions` are letters of `cruds`. `filters` are the search parameters of
    a granular scope (`category`, `http://...|laboratory`), all of which a resource must match; none: every resource.
    """

    level: Level
    type: str
    permissions: frozenset[str]
    filters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AccessContext:
    """The bearer of one access token.

    `subject` is the account's id, or the client's where no person logged in. `fhir_user` is relative
    (`Practitioner/p7`). `patients` are the ids of the Patients that the account itself may act for, `patient` is the
    one in context: of a launch, or the only one a system token is for. `agency` is the URI of the client's agency as
    it stands in `meta.source`; `purposes` are codes of v3-PurposeOfUse. With `emergency` a practitioner broke the
    glass for `patient`. `expires` is in seconds since 1970. `grant` names what was granted and can be revoked;
    `signed_by` is the id of the key that signed the token. `acr` says how sure it is who signed in;
    `tokens.read` always says it, and the default is for what is made without a sign-in.
    """

    subject: str
    client_id: str
    kind: Kind
    scopes: tuple[ResourceScope, ...]
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    patient: str | None = None
    encounter: str | None = None
    agency: str | None = None
    purposes: tuple[str, ...] = ()
    may_see_ssn: bool = False
    emergency: bool = False
    token_id: str = ""
    grant: str | None = None
    expires: int = 0
    signed_by: str = ""
    acr: Acr = "level2"


class NotAdmitted(Exception):
    """There is no usable access token (RFC 6750 section 3.1): drawn as a 401, or a 429 or 503 where it says so.

    `error` is None where no token was sent at all. `headers` go beside WWW-Authenticate.
    """

    def __init__(
        self, error: str | None, text: str, status: int = 401, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.error = error
        self.text = text
        self.status = status
        self.headers: Mapping[str, str] = headers or {}


class Guard(Protocol):
    """What turns the Authorization header of a FHIR request into an AccessContext, and counts those without one."""

    async def admitted(self, authorization: str | None) -> AccessContext:
        """The bearer of the token. Raises NotAdmitted."""
        ...

    async def visited(self, address: str) -> None:
        """Count a request that needs no token, of this network address. Raises NotAdmitted 429 over the limit."""
        ...
