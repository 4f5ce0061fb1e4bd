"""How a Patient can be reached: what of `telecom` and `address` is in use, and the Patient with another way.

What somebody leaves behind stays in the record as old, with the day it ended. https://hl7.org/fhir/R4/patient.html
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from fhir_server.core.resource import Resource

System = Literal["email", "phone"]

_NO_LONGER = frozenset({"old"})
_USES = {"home": 0, "mobile": 1, "work": 2, "temp": 3}
_RESTRICTED = frozenset({"R", "V"})


def telecom_value(patient: Resource, system: System, day: date) -> str:
    """The e-mail address or telephone number in use on a day; empty where there is none."""
    found = _in_use(patient.get("telecom", ()), day, system)
    return "" if found is None else str(found.get("value", ""))


def address_in_use(patient: Resource, day: date) -> Resource:
    """The Address in use on a day; an empty one where there is none."""
    return _in_use(patient.get("address", ()), day) or {}


def with_contact(patient: Resource, *, email: str, phone: str, address: Resource, day: date) -> Resource:
    """The Patient as it is reached from a day on; the same where nothing differs.

    `address` has the elements `line`, `city`, `state` and `postalCode`, as far as there are any. Every other element
    of the Patient, and every other entry of these two, stays as it is.
    """
    telecom = list(patient.get("telecom", ()))
    telecom = _replaced(telecom, {"value": email} if email else {}, day, "email")
    telecom = _replaced(telecom, {"value": phone} if phone else {}, day, "phone")
    addresses = _replaced(list(patient.get("address", ())), address, day)
    changed = {name: value for name, value in patient.items() if name not in ("telecom", "address")}
    return changed | {name: value for name, value in (("telecom", telecom), ("address", addresses)) if value}


def provenance(patient: Resource, version: int, changed: bool, recorded: str) -> Resource:
    """Who said it, and that it is so: the patient, of this version of the Patient. `recorded` is an instant."""
    who = {"reference": f"Patient/{patient['id']}"}
    kind = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    update = {"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "UPDATE"}
    said = {"text": "Contact data changed"} if changed else {"text": "Contact data confirmed"}
    resource: Resource = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{patient['id']}/_history/{version}"}],
        "recorded": recorded,
        "activity": {"coding": [update], **said} if changed else said,
        "agent": [{"type": {"coding": [{"system": kind, "code": "author", "display": "Author"}]}, "who": who}],
    }
    return resource | restricted_as(patient)


def restricted_as(patient: Resource) -> Resource:
    """`meta` with what restricts the Patient, so that what is made beside it tells nobody more; empty where nothing."""
    labels = [each for each in patient.get("meta", {}).get("security", ()) if each.get("code") in _RESTRICTED]
    return {"meta": {"security": labels}} if labels else {}


def _replaced(entries: list[Resource], wanted: Resource, day: date, system: System | None = None) -> list[Resource]:
    """The entries with the one in use ended and another in its place; as they are where it says that already.

    An entry that began the same day was never in use before: it is written over.
    """
    current = _in_use(entries, day, system)
    if current is None:
        return [*entries, _entry(wanted, system, "home", None)] if wanted else entries
    if all(current.get(name, [] if name == "line" else "") == value for name, value in _whole(wanted, system).items()):
        return entries
    place = next(at for at, each in enumerate(entries) if each is current)
    today = day.isoformat()
    began = str(current.get("period", {}).get("start", ""))
    new = [_entry(wanted, system, current.get("use", "home"), today)] if wanted else []
    if began[:10] == today:
        return [*entries[:place], *new, *entries[place + 1 :]]
    old = current | {"use": "old", "period": current.get("period", {}) | {"end": today}}
    return [*entries[:place], *new, old, *entries[place + 1 :]]


def _whole(wanted: Resource, system: System | None) -> Resource:
    """What an entry that says this must have; also what it must not, as an empty value."""
    names = ("value",) if system is not None else ("line", "city", "state", "postalCode")
    return {name: wanted.get(name, [] if name == "line" else "") for name in names}


def _entry(wanted: Resource, system: System | None, use: str, start: str | None) -> Resource:
    entry: Resource = {"use": use, **({} if system is None else {"system": system}), **wanted}
    return entry if start is None else entry | {"period": {"start": start}}


def _in_use(entries: Sequence[Resource], day: date, system: System | None = None) -> Resource | None:
    """The first of the best use that is not over."""
    found = [
        each
        for each in entries
        if (system is None or each.get("system") == system) and each.get("use") not in _NO_LONGER and _holds(each, day)
    ]
    return min(found, key=lambda each: _USES.get(each.get("use", "home"), 4), default=None)


def _holds(entry: Resource, day: date) -> bool:
    period = entry.get("period", {})
    start, end = str(period.get("start", ""))[:10], str(period.get("end", ""))[:10]
    text = day.isoformat()
    return start <= text[: len(start)] and (not end or text[: len(end)] <= end)
