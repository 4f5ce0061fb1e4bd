"""How sure it is who signed in, and what that lets an app be granted.

https://www.rfc-editor.org/rfc/rfc9470, https://www.rfc-editor.org/rfc/rfc8176,
https://openid.net/specs/openid-connect-core-1_0.html#acrSemantics
"""

from collections.abc import Iterable, Mapping, Sequence

from smart_auth.access import ANY_TYPE, OPEN_TYPES, Acr, ResourceScope
from smart_auth.records import Account
from smart_auth.scopes import LAUNCH_PATIENT, read_scope, resource_scopes

RANK: Mapping[Acr, int] = {"level1": 1, "level2": 2, "card": 3}
"""The levels from the least sure on, as `acr_values_supported` lists them."""

HOW_TO_UPGRADE = (
    "Your sign-in is of level 1, which sees no health record. Upgrade your DS Logon to Premium (level 2) at "
    "/auth/logon/upgrade, or sign in by CAC or PIV."
)


def reaches(acr: Acr, wanted: Acr | None) -> bool:
    """Whether a sign-in is as sure as what is wanted; None wants nothing."""
    return wanted is None or RANK[acr] >= RANK[wanted]


def as_of(now: int, acr: Acr, signed_in_at: int, card_hours: int) -> Acr:
    """What a sign-in is good for by now: `card` for so many hours from when the card was used, and level 2 afterwards.

    A session, a grant and its refresh tokens outlast the minutes in which somebody had the card in the reader.
    """
    return "level2" if acr == "card" and signed_in_at + card_hours * 3600 <= now else acr


def least(asked: Iterable[str]) -> Acr | None:
    """The least sure of those asked levels that there are: any of them would do. None where there is none of ours."""
    known = [acr for acr in RANK if acr in set(asked)]
    return known[0] if known else None


def of_password(account: Account, with_code: bool) -> tuple[Acr, tuple[str, ...]]:
    """What a password is good for, alone or with a one-time code: never more than the account's own level."""
    return account.level, ("pwd", "otp", "mfa") if with_code else ("pwd",)


def open_scopes(scopes: Sequence[str], has_record: bool) -> tuple[str, ...]:
    """What of these scopes a sign-in of level 1 can grant: of resources OPEN_TYPES alone, the rest as it is.

    Of every type the open ones are left. Without a record of one's own nothing is left that needs a patient. Empty
    where resources were asked for and none of them is left: an app that gets nothing else has no use for it.
    """
    asked = tuple(scopes)
    if not has_record:
        asked = tuple(text for text in asked if text != LAUNCH_PATIENT and not text.startswith("patient/"))
    left = tuple(dict.fromkeys(part for text in asked for part in _open(text)))
    wanted, granted = resource_scopes(scopes), resource_scopes(left)
    return left if granted or not wanted else ()


def _open(text: str) -> Iterable[str]:
    scope = read_scope(text)
    if not isinstance(scope, ResourceScope) or scope.type in OPEN_TYPES:
        return (text,)
    if scope.type == ANY_TYPE:
        return tuple(text.replace("/*.", f"/{type}.", 1) for type in sorted(OPEN_TYPES))
    return ()
