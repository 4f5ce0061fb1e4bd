"""Which registration of a person may take the place of the one before. Pure."""

from smart_auth.records import Registration

ENDED = ("completed", "rejected", "cancelled")


def may_displace(former: Registration, new: Registration, *, is_proven: bool, is_over: bool) -> bool:
    """Whether `new` may be kept in place of `former` of the same person.

    `is_over`: the former one has ended by itself, because nobody used its link or its logon was given up. Otherwise
    an enrollment displaces nothing but the same sponsor's own of which nobody has used the invitation. Who registers
    alone and is not proven displaces nobody who was; who is proven displaces also who is on hold past the link, for
    whoever differs from the registry could be somebody else.
    """
    if is_over:
        return True
    if former.decided_at is not None:
        return former.account is None or former.status in ("rejected", "cancelled")
    if former.task is None and new.created_at - former.created_at < 1:
        # Sent twice by the same hand: the first one is on its way.
        return False
    if new.sponsor is not None:
        return former.sponsor == new.sponsor and former.account is None
    if former.status == "on-hold" and former.sponsor is None:
        return is_proven or former.account is None
    return is_proven and former.account is None


def is_abandoned(registration: Registration, link_seconds: int, now: int) -> bool:
    """Whether nobody used the link in its time: what is sealed is not kept for them."""
    if registration.account is not None or not registration.email or registration.decided_at is not None:
        return False
    if registration.status == "on-hold" and registration.task is not None:
        # A dependent's, whose time begins anew when it goes on.
        return False
    return now - registration.created_at > link_seconds


def is_held_too_long(registration: Registration, hold_seconds: int, now: int) -> bool:
    """Whether it has been on hold, or could not be brought into the record, for longer than is waited."""
    if registration.decided_at is not None or (registration.account is None and registration.task is None):
        return False
    if registration.task is not None and registration.status != "on-hold":
        return False
    return now - (registration.held_at or registration.created_at) > hold_seconds
