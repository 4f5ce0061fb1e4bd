"""What an exchange at the token endpoint gives."""

from dataclasses import dataclass
from typing import Any

from smart_auth.records import Account, Grant


@dataclass(frozen=True, slots=True)
class Issued:
    """The token response, and by whose grant it was made; there is no account where the client acts for itself."""

    response: dict[str, Any]
    grant: Grant
    account: Account | None = None
