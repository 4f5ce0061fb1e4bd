"""The EHR launch: a practitioner opens an app for a patient, who may be in an emergency.

The page works in steps, each a form of its own: look for a patient, take one, open the app.
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from smart_auth.audit import AuthEventKind
from smart_auth.directory import EncounterName, PatientName
from smart_auth.errors import access_denied
from smart_auth.pages.render import page
from smart_auth.random_secrets import new_secret
from smart_auth.records import LAUNCHES, Account, Client, Launch, kept
from smart_auth.steps import STEP_UP, with_query
from smart_auth.visit import Visit, see

SIGN_IN = "/auth/login?next=launch"
SHORTEST_REASON = 10
MOST_REFERENCES = 10

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
# STU2.2, fhirContext: no Patient or Encounter, which have their own parameters.
_REFERENCE = re.compile(r"(?!Patient/|Encounter/)[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}")
_INTENT = re.compile(r"[A-Za-z0-9._:/-]{0,100}")


class Unfit(Exception):
    """A field of the form cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The patient an app is to be opened for, with those encounters to choose from; `is_related`: in care relation."""

    patient: PatientName
    encounters: list[EncounterName]
    is_related: bool


async def launch(visit: Visit) -> Response:
    """GET begins; POST goes one step on: `action` is `search`, `choose` or `launch`. For practitioners alone."""
    if visit.account is None:
        return see(SIGN_IN)
    if visit.account.kind != "practitioner" or visit.account.fhir_user is None:
        raise access_denied("Only practitioners open apps from here. What apps may see stands under /auth/manage.")
    if not visit.is_post:
        return await _page(visit, visit.account)
    visit.check_form()
    try:
        if visit.value("action") == "launch":
            return await _launched(visit, visit.account, visit.account.fhir_user)
        chosen = await _chosen(visit, visit.account.fhir_user) if visit.value("action") == "choose" else None
        return await _page(visit, visit.account, chosen)
    except Unfit as fault:
        return await _page(visit, visit.account, await _still_chosen(visit, visit.account.fhir_user), str(fault))


async def _launched(visit: Visit, account: Account, fhir_user: str) -> Response:
    """Keep what the app will ask for, and send the browser to it with the name of that."""
    client = await _client(visit)
    chosen = await _chosen(visit, fhir_user) if visit.value("patient") else None
    reason = _emergency_reason(visit, chosen)
    if reason is not None and not _may_break_the_glass(visit):
        text = "launch: an emergency asks for the card"
        about = None if chosen is None else chosen.patient.id
        await visit.parts.note("step-up", text, client_id=client.id, account=account, patient=about, is_failure=True)
        return see(f"{STEP_UP}?next=launch")
    if chosen is not None and not await visit.parts.directory.patient_exists(chosen.patient.id):
        await _note_missing(visit, account, client, chosen.patient.id)
        raise Unfit("There is no patient with this id.")
    made = Launch(
        id=new_secret(),
        client_id=client.id,
        account=account.id,
        patient=None if chosen is None else chosen.patient.id,
        encounter=_encounter(visit, chosen),
        intent=_intent(visit),
        fhir_context=_fhir_context(visit),
        need_patient_banner=visit.value("need_patient_banner") == "yes",
        emergency_reason=reason,
        created_at=visit.parts.now(),
    )
    settings = visit.parts.settings
    # The page of consent asks for it again, at the latest when the request to authorize is over.
    ends = made.created_at + settings.launch_minutes * 60 + settings.request_minutes * 60
    await visit.parts.documents.insert(LAUNCHES, made.id, kept(made), ends)
    await _note(visit, account, made)
    return see(with_query(client.initiate_login_uri or "", {"iss": visit.base, "launch": made.id}))


async def _note(visit: Visit, account: Account, made: Launch) -> None:
    """An emergency is written down before anything can be seen."""
    kind: AuthEventKind = "launch" if made.emergency_reason is None else "emergency"
    text = f"launch: {made.emergency_reason or 'in care relation'}"
    await visit.parts.note(kind, text, client_id=made.client_id, account=account, patient=made.patient)


async def _note_missing(visit: Visit, account: Account, client: Client, patient: str) -> None:
    """Whoever looks for patients by guessing ids leaves a trace at each."""
    text = "launch: no patient of this id"
    await visit.parts.note("emergency", text, client_id=client.id, account=account, patient=patient, is_failure=True)


async def _client(visit: Visit) -> Client:
    id = visit.value("client_id")
    client = await visit.parts.clients.get(id) if id else None
    if client is None or client.initiate_login_uri is None:
        raise Unfit("Choose the app to open.")
    return client


async def _chosen(visit: Visit, fhir_user: str) -> Chosen:
    """The patient of the form. Raises Unfit for what is no id."""
    id = visit.value("patient").strip().removeprefix("Patient/")
    if _ID.fullmatch(id) is None:
        raise Unfit("There is no patient with this id.")
    found = await visit.parts.directory.patients([id])
    if not found or not await visit.parts.directory.is_related(fhir_user, id):
        # Whoever has no care relation learns nothing of the patient, not even that there is one.
        return Chosen(PatientName(id, f"Patient {id}"), [], is_related=False)
    return Chosen(found[0], await visit.parts.directory.encounters(id), is_related=True)


async def _still_chosen(visit: Visit, fhir_user: str) -> Chosen | None:
    try:
        return await _chosen(visit, fhir_user)
    except Unfit:
        return None


def _encounter(visit: Visit, chosen: Chosen | None) -> str | None:
    id = visit.value("encounter")
    if not id:
        return None
    if chosen is None or id not in [each.id for each in chosen.encounters]:
        raise Unfit("Choose one of the patient's encounters, or none.")
    return id


def _emergency_reason(visit: Visit, chosen: Chosen | None) -> str | None:
    """Why a patient is looked at without a care relation (break the glass)."""
    if chosen is None or chosen.is_related:
        return None
    reason = " ".join(visit.value("emergency_reason").split())[:500]
    if len(reason) < SHORTEST_REASON:
        raise Unfit("You have no care relation with this patient. In an emergency, say why you need the record.")
    return reason


def _may_break_the_glass(visit: Visit) -> bool:
    """Whether whoever signed in did so by a card, where an emergency asks for one."""
    needs_card = "emergency" in visit.parts.settings.card_for
    return not needs_card or (visit.session is not None and visit.session.acr == "card")


def _intent(visit: Visit) -> str | None:
    intent = visit.value("intent").strip()
    if _INTENT.fullmatch(intent) is None:
        raise Unfit("An intent is one word of at most 100 letters, digits, dots, colons, slashes and hyphens.")
    return intent or None


def _fhir_context(visit: Visit) -> tuple[dict[str, Any], ...]:
    references = visit.value("fhir_context").split()
    if len(references) > MOST_REFERENCES or not all(map(_REFERENCE.fullmatch, references)):
        raise Unfit(
            "Further resources are at most 10 references such as DiagnosticReport/123, no Patient or Encounter."
        )
    return tuple({"reference": reference} for reference in references)


async def _page(visit: Visit, account: Account, chosen: Chosen | None = None, fault: str = "") -> Response:
    words = visit.value("words").strip()[:200] if visit.is_post else ""
    found: list[PatientName] = []
    if chosen is None and account.fhir_user is not None:
        found = await visit.parts.directory.related_patients(account.fhir_user, words)
    values = {
        "account": account,
        "apps": [client for client in await visit.parts.clients.all() if _can_open(client)],
        "patients": found,
        "words": words,
        "chosen": chosen,
        "sent": {
            name: visit.value(name) for name in ("client_id", "encounter", "intent", "fhir_context", "emergency_reason")
        },
        "has_banner": visit.value("action") != "launch" or visit.value("need_patient_banner") == "yes",
        "csrf": visit.csrf,
        "fault": fault,
    }
    return page("launch.html", values, status=400 if fault else 200)


def _can_open(client: Client) -> bool:
    return client.initiate_login_uri is not None and not client.is_disabled
