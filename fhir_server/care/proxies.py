"""Whether somebody acts for a patient today, and what of the record is left out: from a RelatedPerson and Consents.

https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/consent.html#6.2.6

The relationship alone gives nothing: a Consent must name the RelatedPerson. Its word lasts as long as the patient's age
lets it: a parent's word until the child is grown up, in between without what a teenager keeps from their parents.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from fhir_server.core.proxied import AgeBands, Proxied
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.date import stretch
from fhir_server.search.parameter_types.reference import located
from fhir_server.search.parameter_types.token import label

Band = Literal["child", "limited", "adult"]

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"

_SENSITIVE = ("adol", "sex", "std", "hiv", "sdv", "mst")
_OF_THE_MIND = ("bh", "mh", "psy", "psythpn", "sud", "ethud", "opioidud", "eth", "42cfrpart2")
KEPT_BY_TEENAGERS = (
    *(f"{code}|{ACT_CODE}" for code in (*_SENSITIVE, *_OF_THE_MIND)),
    *(f"{code}|{CONFIDENTIALITY}" for code in ("r", "v")),
)
"""Labels of what nobody who acts for a 13- to 17-year-old sees, whether or not the Consent says so: what is theirs
alone, by the wider and the narrower codes of each, and what staff see for a reason alone.
"""

_DECIDES_FOR = frozenset({"HPOWATT", "POWATT", "GUARD"})
"""What somebody must be to a grown-up who has not agreed themselves: agent by power of attorney, or guardian."""
_ATTORNEY = "PWATRNY"
_FAMILY = frozenset({"FAMRQT", _ATTORNEY})
"""Purposes that are about a proxy's access."""
_PARTS = ("securityLabel", "class", "code", "data", "dataPeriod")
"""Elements by which a provision is about part of the record alone."""
_DAY = 86_400_000


def proxied(
    patient: Resource,
    related_person: Resource,
    consents: Iterable[Resource],
    today: date,
    bands: AgeBands,
    own_bases: tuple[str, ...] = (),
) -> Proxied | None:
    """What the RelatedPerson sees of the patient on this day (UTC); None where they do not act for them at all."""
    here = f"Patient/{patient['id']}"
    if not (related_person.get("active") is True and _holds(related_person.get("period"), today)):
        return None
    if "modifierExtension" in related_person:
        return None
    if _place(related_person.get("patient"), own_bases) != here:
        return None
    known = [
        each
        for each in consents
        if each.get("status") == "active"
        and _place(each.get("patient"), own_bases) == here
        and has_code(each.get("scope"), CONSENT_SCOPE, "patient-privacy")
    ]
    who = f"RelatedPerson/{related_person['id']}"
    denied = _denied(known, who, today, own_bases)
    if denied is None:
        return None
    stage = band(patient, today, bands)
    permits = [
        permit
        for consent in known
        if (permit := _permit(consent, who, today, own_bases)) is not None
        and (stage != "adult" or _is_own_word(consent, patient, related_person, bands, own_bases))
    ]
    if not permits:
        return None
    # Of several that let them act, what one leaves out stays out.
    inner = _together(each for permit in permits for each in _exceptions(permit, who, today, own_bases))
    if inner is None:
        return None
    kept = KEPT_BY_TEENAGERS if stage == "limited" else ()
    return Proxied(str(patient["id"]), tuple(dict.fromkeys((*kept, *denied, *inner))))


def lets_act(
    consent: Resource, patient: str, related_person: str, today: date, own_bases: tuple[str, ...] = ()
) -> bool:
    """Whether this Consent is one that lets the RelatedPerson (an id) act for the patient (an id), now or later."""
    provision: Resource = consent.get("provision", {})
    if isinstance(provision.get("period"), dict):
        ends = {name: value for name, value in provision["period"].items() if name == "end"}
        consent = {**consent, "provision": {**provision, "period": ends}}
    return (
        consent.get("status") == "active"
        and _place(consent.get("patient"), own_bases) == f"Patient/{patient}"
        and has_code(consent.get("scope"), CONSENT_SCOPE, "patient-privacy")
        and _permit(consent, f"RelatedPerson/{related_person}", today, own_bases) is not None
    )


def without_actor(consent: Resource, related_person: str, own_bases: tuple[str, ...] = ()) -> Resource:
    """The Consent once it no longer lets this RelatedPerson (an id) act: inactive, or without them where it lets others
    act too, whose access is not theirs to end.
    """
    who, provision = f"RelatedPerson/{related_person}", consent["provision"]
    others = [each for each in provision["actor"] if _place(each.get("reference"), own_bases) != who]
    if not others:
        return {**consent, "status": "inactive"}
    return {**consent, "provision": {**provision, "actor": others}}


def decided_by(
    consent: Resource, patient: Resource, today: date, bands: AgeBands, own_bases: tuple[str, ...] = ()
) -> bool:
    """Whether the patient themselves may end a Consent: their own word at any age, once grown up their parents' too;
    not that of whoever decides for them because they cannot.
    """
    if any(_place(each, own_bases) == f"Patient/{patient['id']}" for each in consent.get("performer", ())):
        return True
    return band(patient, today, bands) == "adult" and _ATTORNEY not in _purposes(consent.get("provision", {}))


def band(patient: Resource, today: date, bands: AgeBands) -> Band:
    """The age band of the day. A birth date that is known in part is taken for the earliest it can mean; without one
    the patient is taken for grown up, so that nobody sees too much.
    """
    born = _born(patient)
    if born is None:
        return "adult"
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if years >= bands.adult_years:
        return "adult"
    return "limited" if years >= bands.limited_years else "child"


def _born(patient: Resource) -> date | None:
    spans = stretch(str(patient.get("birthDate", "")))
    return None if spans is None else datetime.fromtimestamp(spans[0] / 1000, UTC).date()


def has_code(concept: Any, system: str, code: str) -> bool:
    """Whether a CodeableConcept has this coding."""
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return any(each.get("system") == system and each.get("code") == code for each in codings)


def relationship_codes(related_person: Resource) -> frozenset[str]:
    """The v3-RoleCodes of what a RelatedPerson is to the patient."""
    return frozenset(
        str(coding.get("code"))
        for concept in related_person.get("relationship", ())
        for coding in concept.get("coding", ())
        if coding.get("system") == ROLE_CODE
    )


def _is_own_word(
    consent: Resource, patient: Resource, related_person: Resource, bands: AgeBands, own_bases: tuple[str, ...]
) -> bool:
    """Whether a Consent counts of a grown-up: they gave it themselves, or its giver was made to decide for them."""
    here = f"Patient/{patient['id']}"
    if any(_place(each, own_bases) == here for each in consent.get("performer", ())):
        return _is_word_of_a_grown_up(consent, patient, bands)
    purposes = _purposes(consent.get("provision", {}))
    return _ATTORNEY in purposes and not _DECIDES_FOR.isdisjoint(relationship_codes(related_person))


def _is_word_of_a_grown_up(consent: Resource, patient: Resource, bands: AgeBands) -> bool:
    """Whether they were grown up when they gave it: what their parents had them say as a child does not bind them."""
    spans = stretch(str(consent.get("dateTime", "")))
    if spans is None:
        return False
    if _born(patient) is None:
        return True
    given = datetime.fromtimestamp(spans[0] / 1000, UTC).date()
    return band(patient, given, bands) == "adult"


def _permit(consent: Resource, who: str, today: date, own_bases: tuple[str, ...]) -> Resource | None:
    """The provision that lets them see the whole record, but for its exceptions."""
    provision: Resource = consent.get("provision", {})
    if provision.get("type") != "permit" or not _holds(provision.get("period"), today):
        return None
    if "modifierExtension" in consent or "modifierExtension" in provision:
        # It may say the opposite (https://hl7.org/fhir/R4/extensibility.html#modifierExtension).
        return None
    purposes, actions = _purposes(provision), provision.get("action", ())
    if provision.get("purpose") and purposes.isdisjoint(_FAMILY):
        return None
    if actions and not any(has_code(each, CONSENT_ACTION, "access") for each in actions):
        return None
    # A permit for part of the record cannot be kept to by what is left out of all of it.
    if who not in _actors(provision, own_bases) or any(provision.get(part) for part in _PARTS):
        return None
    return provision


def _exceptions(permit: Resource, who: str, today: date, own_bases: tuple[str, ...]) -> Iterator[Resource]:
    for each in permit.get("provision", ()):
        actors = _actors(each, own_bases)
        is_meant = not each.get("actor") or who in actors
        if each.get("type") != "permit" and is_meant and _holds(each.get("period"), today):
            yield each


def _denied(consents: Sequence[Resource], who: str, today: date, own_bases: tuple[str, ...]) -> tuple[str, ...] | None:
    """The labels that a Consent of its own denies to this person, or to all; None where it denies more than labels."""
    return _together(_denials(consents, who, today, own_bases))


def _denials(consents: Sequence[Resource], who: str, today: date, own_bases: tuple[str, ...]) -> Iterator[Resource]:
    for consent in consents:
        provision: Resource = consent.get("provision", {})
        if provision.get("type") != "deny" or not _holds(provision.get("period"), today):
            continue
        purposes = _purposes(provision)
        is_for_all = not provision.get("actor") and (not purposes or not purposes.isdisjoint(_FAMILY))
        if is_for_all or who in _actors(provision, own_bases):
            yield provision


def _together(denials: Iterable[Resource]) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    for each in denials:
        labels = [text for text in map(label, each.get("securityLabel", ())) if text is not None]
        if not labels or any(each.get(part) for part in _PARTS[1:]):
            return None
        found |= dict.fromkeys(labels)
    return tuple(found)


def _actors(provision: Resource, own_bases: tuple[str, ...]) -> frozenset[str | None]:
    return frozenset(_place(each.get("reference"), own_bases) for each in provision.get("actor", ()))


def _purposes(provision: Resource) -> frozenset[str]:
    return frozenset(str(each.get("code")) for each in provision.get("purpose", ()) if each.get("system") == ACT_REASON)


def _place(reference: Any, own_bases: tuple[str, ...]) -> str | None:
    """`Type/id` of what a Reference names on this server."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    return located(text, own_bases) if isinstance(text, str) else None


def _holds(period: Any, today: date) -> bool:
    """Whether a Period, both ends included, has a moment of this day before its end. None is all time."""
    if not isinstance(period, dict):
        return True
    begins = (today - date(1970, 1, 1)).days * _DAY
    start, end = (stretch(str(period[name])) if name in period else None for name in ("start", "end"))
    if ("start" in period and start is None) or ("end" in period and end is None):
        return False
    return (start is None or start[0] < begins + _DAY) and (end is None or end[1] >= begins)
