"""Who may see and change what: from an AccessContext to the rows of a type, as a condition inside every query.

https://hl7.org/fhir/R4/security.html#authorization,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html

What each kind of caller sees, and why, is decision 14 (docs/adr/0014-access-inside-the-query.md).
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Literal

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.proxied import Proxied
from fhir_server.definitions.attached import FILE
from fhir_server.definitions.owners import OwnerKind, owner_rule
from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.definitions.unreleased import UNRELEASED
from fhir_server.search.entries import bounded
from fhir_server.search.escaping import split_unescaped
from fhir_server.search.index import has_category, parameter_leaves
from fhir_server.search.parameter_types import token
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.request import Reach, Visible
from fhir_server.search.visible import EVERYTHING, NOWHERE, is_unbounded, is_within, merged, row_filter
from smart_auth.access import ANY_TYPE, OPEN_TYPES, AccessContext, ResourceScope

__all__ = [
    "EVERYTHING",
    "NOWHERE",
    "OPERATOR",
    "RESTRICTED",
    "Permission",
    "Sight",
    "granted",
    "is_unbounded",
    "is_within",
    "may_look_behind",
    "permitted",
    "refuse_level_one",
    "row_filter",
    "speaking_for",
    "visible",
]

Permission = Literal["c", "r", "u", "d", "s", "rs"]
"""A letter of SMART's `cruds`; `rs` asks for either."""

RESTRICTED = tuple(f"{code}|http://terminology.hl7.org/CodeSystem/v3-Confidentiality" for code in ("r", "v"))
"""Labels of rows that are for those alone who were given a reason (https://terminology.hl7.org/ValueSet-v3-Confidentiality):
restricted and very restricted, as a row has them.
"""

_EMERGENCY = frozenset({"ETREAT", "BTG"})
"""Purposes of use for which a system client sees restricted rows."""

_LEVELS: dict[str, frozenset[str]] = {
    "patient": frozenset({"patient", "user"}),
    "practitioner": frozenset({"patient", "user"}),
    "officer": frozenset({"patient", "user"}),
    "admin": frozenset({"patient", "user"}),
    "system": frozenset({"system"}),
}
"""The levels of scope that mean anything for a kind of caller."""

_VERBS = {
    "c": "create",
    "r": "read",
    "u": "update",
    "d": "delete",
    "s": "search",
    "rs": "read",
}
_MOST_COMPILED = 20_000
_MOST_RELATIONS = 64
_READING: frozenset[str] = frozenset({"r", "s", "rs"})


class Sight(msgspec.Struct, frozen=True):
    """Who asks, as far as rows are concerned; made once for a request.

    Without `access` it is the operator of a server without sign-in, who sees everything. `related` are the ids of the
    patients a practitioner has a care relation with, `places` the names by which messages reach the practitioner:
    their own, their roles', teams', groups' and organisations'. `proxied` are those for whom a patient acts in the
    family now.
    """

    access: AccessContext | None = None
    related: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    proxied: tuple[Proxied, ...] = ()

    @property
    def caller(self) -> str:
        """Whom a page link is bound to: nobody else can open it."""
        if self.access is None:
            return "everyone"
        return f"{self.access.client_id} {self.access.subject} {self.access.patient or ''}"


OPERATOR = Sight()


def visible(sight: Sight, type: str, permission: Permission) -> Visible | None:
    """The rows of a type that the caller may do this with: EVERYTHING itself for all of them, `Visible(())` where the
    type was granted and none of it is the caller's, None where it was not granted at all.
    """
    access = sight.access
    if access is None:
        return EVERYTHING
    if access.kind == "practitioner":
        # What is compiled hangs on the care relations of the second.
        return _compiled(sight, access, type, permission)
    key = (id(access), type, permission)
    kept = _kept.get(key)
    # A verified token is one object for as long as it is used, and what was found of a family for as long as it is so;
    # the entry holds both, so their ids are nobody else's.
    if kept is not None and kept[0] is access and kept[1] is sight.proxied:
        return kept[2]
    found = _compiled(sight, access, type, permission)
    if len(_kept) >= _MOST_COMPILED:
        _kept.clear()
    _kept[key] = (access, sight.proxied, found)
    return found


_kept: dict[tuple[int, str, str], tuple[AccessContext, tuple[Proxied, ...], Visible | None]] = {}


def permitted(sight: Sight, type: str, permission: Permission, named_by: str | None = None) -> Visible:
    """The same, raising FhirError 403 where the type was not granted; `named_by` is the parameter that asks for it."""
    found = visible(sight, type, permission)
    if found is None:
        refuse_level_one(sight, type, named_by)
        raise forbidden(type, permission, named_by)
    return found


def refuse_level_one(sight: Sight, type: str, named_by: str | None = None) -> None:
    """Raise FhirError 403 where the type is shut to whoever signed in by a DS Logon of level 1, whatever the scopes."""
    if sight.access is not None and _is_shut(sight.access, type):
        asked = f"'{named_by}' asks for {type}. " if named_by else ""
        raise outcome.INSUFFICIENT_ASSURANCE(
            f"{asked}A DS Logon of level 1 sees no {type}. Upgrade your DS Logon to Premium (level 2) at "
            "/auth/logon/upgrade, or sign in by CAC or PIV.",
            named_by,
        )


def _is_shut(access: AccessContext, type: str) -> bool:
    return access.acr == "level1" and access.kind != "system" and type not in OPEN_TYPES


def granted(sight: Sight, types: Iterable[str], permission: Permission) -> tuple[str, ...]:
    """Those of the types that were granted."""
    return tuple(type for type in types if visible(sight, type, permission) is not None)


def forbidden(type: str, permission: Permission, named_by: str | None = None) -> FhirError:
    """The 403 of a type, or of what may be done with it, that no scope of the token covers."""
    asked = f"'{named_by}' asks for {type}. " if named_by else ""
    return outcome.FORBIDDEN_SCOPE(
        f"{asked}No scope of the access token lets it {_VERBS[permission]} {type}: that takes one on "
        f"{type}.{permission[0]}, to be asked for when you authorize.",
        named_by,
    )


def may_look_behind(sight: Sight) -> bool:
    """Whether the caller may be told how searches are run: that counts rows which are not the caller's too."""
    return sight.access is None or sight.access.kind == "admin"


def _compiled(sight: Sight, access: AccessContext, type: str, permission: Permission) -> Visible | None:
    if _is_shut(access, type):
        return None
    reaches: list[Reach] = []
    is_granted = False
    # A file is read by its own address, and by whoever reads what holds it: interactions.binary asks for that.
    is_listed = type != FILE or permission not in ("s", "rs") or access.kind not in ("patient", "practitioner")
    for scope in access.scopes:
        if scope.type not in (type, ANY_TYPE) or scope.permissions.isdisjoint(permission):
            continue
        if scope.level not in _LEVELS[access.kind]:
            continue
        is_granted = True
        categories = _categories(type, scope.filters)
        if categories is not None and is_listed:
            if access.kind == "practitioner" and type in PARTICIPANTS:
                found = _of_participant(sight, access, scope, permission)
            else:
                found = _reaches(sight, access, type, scope)
            reaches += [_granular(each, categories) for each in found]
    return merged(reaches) if is_granted else None


def _reaches(sight: Sight, access: AccessContext, type: str, scope: ResourceScope) -> list[Reach]:
    kind = owner_rule(type).kind
    if access.kind == "officer":
        return [Reach()] if type == "AuditEvent" else []
    if scope.level == "system":
        return _of_system(access, kind)
    if access.kind == "admin" and scope.level == "user":
        return [Reach()]
    if access.kind == "practitioner":
        return _of_practitioner(access, sight.related, kind, scope)
    return _of_patient(access, sight.proxied, type, kind, scope)


def _of_patient(
    access: AccessContext, proxied: tuple[Proxied, ...], type: str, kind: OwnerKind, scope: ResourceScope
) -> list[Reach]:
    # Whose own a record is, and for whom an administrator said so, stands in the token; for whom a relative acts is so
    # from one second to the next.
    own = [Reach(owners=access.patients)] if access.patients else []
    family = [Reach((each.patient,), without_labels=each.without_labels) for each in proxied]
    if scope.level == "patient":
        own = [Reach((access.patient,))] if access.patient in access.patients else []
        family = [] if own else [each for each in family if each.owners == (access.patient,)]
    if kind == "deny" or (scope.level == "patient" and not own and not family):
        # A grant for one record whose token names none, or one that is no longer theirs, opens nothing.
        return []
    if kind == "shared":
        # Its own record a patient sees whole; what is restricted of others' is no more theirs than a practitioner's.
        return [Reach(without_labels=RESTRICTED)]
    if (label := UNRELEASED.get(type)) is not None:
        released = [replace(each, without_labels=(*each.without_labels, label)) for each in (*own, *family)]
        if type not in PARTICIPANTS:
            return released
        # A draft takes part in nothing yet but its writer's own name: nobody else in the family reads along.
        speakers = speaking_for(access, proxied)
        return [*released, *(replace(each, participants=speakers) for each in (*own, *family))]
    return [*own, *family]


def speaking_for(access: AccessContext, proxied: tuple[Proxied, ...]) -> tuple[str, ...]:
    """The places of those in whose name somebody with a record writes: themselves, and for whom they act."""
    # Whoever keeps part of the record from their parents speaks for themselves.
    acted_for = (*access.patients, *(each.patient for each in proxied if not each.without_labels))
    return tuple(filter(None, (access.fhir_user, *(f"Patient/{id}" for id in acted_for))))


def _of_system(access: AccessContext, kind: OwnerKind) -> list[Reach]:
    without = () if _EMERGENCY.intersection(access.purposes) else RESTRICTED
    if access.patient is None:
        return [Reach(without_labels=without)]
    if kind == "deny":
        return []
    owners = None if kind == "shared" else (access.patient,)
    return [Reach(owners, without_labels=without)]


def _of_practitioner(
    access: AccessContext, related: frozenset[str], kind: OwnerKind, scope: ResourceScope
) -> list[Reach]:
    patient = access.patient
    is_launched = patient is not None and (access.emergency or patient in related)
    if kind == "deny" or (scope.level == "patient" and not is_launched):
        return []
    if kind == "shared":
        return [Reach(without_labels=RESTRICTED)]
    reaches: list[Reach] = []
    if scope.level == "user" and related:
        reaches.append(Reach(_ids(related), without_labels=RESTRICTED))
    if patient is not None and access.emergency:
        # The glass is broken for one patient, not for everybody's restricted rows.
        reaches.append(Reach((patient,)))
    elif patient is not None and scope.level == "patient":
        reaches.append(Reach((patient,), without_labels=RESTRICTED))
    return reaches


def _of_participant(sight: Sight, access: AccessContext, scope: ResourceScope, permission: Permission) -> list[Reach]:
    """The messages a practitioner takes part in: to care for somebody, or to break the glass, is not to read theirs.

    To take part is enough for reading one, not for writing into a stranger's record.
    """
    patient = access.patient
    owners: tuple[str, ...] | None = None
    if scope.level == "patient":
        if patient is None or not (access.emergency or patient in sight.related):
            return []
        owners = (patient,)
    elif permission not in _READING:
        owners = _ids(sight.related | {patient} if access.emergency and patient is not None else sight.related)
    return [Reach(owners, without_labels=RESTRICTED, participants=sight.places)]


@lru_cache(_MOST_RELATIONS)
def _ids(related: frozenset[str]) -> tuple[str, ...]:
    # A frozenset keeps its hash: 10,000 ids are put in a tuple once in the second for which they hold.
    return tuple(sorted(related))


def _granular(reach: Reach, categories: tuple[tuple[str, ...], ...]) -> Reach:
    if not categories:
        return reach
    return replace(reach, categories=categories)


@lru_cache(4096)
def _categories(type: str, filters: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], ...] | None:
    """The tokens, of which a row must have one of each tuple; None where a filter is not understood for the type, so
    that nothing passes it.
    """
    found: list[tuple[str, ...]] = []
    for name, text in filters:
        if name != "category" or not has_category(type):
            return None
        leaves = parameter_leaves(type, name)
        try:
            tokens = [token.read_value(name, leaves, each).tokens for each in split_unescaped(text, ",")]
        except BadValue:
            return None
        found.append(tuple(dict.fromkeys(bounded(each) for some in tokens for each in some)))
    return tuple(found)
