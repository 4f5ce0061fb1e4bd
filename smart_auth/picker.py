"""The page on which a person chooses whose record an app is to see.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from starlette.responses import Response

from smart_auth.directory import PatientName
from smart_auth.pages.render import page
from smart_auth.records import REQUESTS, Account
from smart_auth.steps import CONSENT, LOGIN, PICKER, Arrival, page_of
from smart_auth.visit import Visit, see

_NOT_YOURS = "Choose one of the records listed."


async def picker(visit: Visit, at: Arrival, there: str) -> Response:
    """GET shows the records to choose from; POST chooses one (`patient`), or looks for others (`action=search`)."""
    if at.account is None or there not in (PICKER, CONSENT) or not _may_choose(at, at.account):
        return see(page_of(there, at.request.id))
    if visit.is_post and visit.value("action") != "search":
        return await _picked(visit, at, at.account)
    return await _page(visit, at, at.account)


def _may_choose(at: Arrival, account: Account) -> bool:
    """Whether there is a choice, also when going back to change it."""
    is_fixed = at.launch is not None and at.launch.patient is not None
    return not is_fixed and (account.kind == "practitioner" or len(at.patients) > 1)


async def _picked(visit: Visit, at: Arrival, account: Account) -> Response:
    patient = visit.value("patient")
    if not patient or not await _is_theirs(visit, at, account, patient):
        return await _page(visit, at, account, _NOT_YOURS)
    chosen = {"patient": patient, "account": account.id}
    await visit.parts.documents.change(REQUESTS, at.request.id, chosen)
    return see(page_of(LOGIN, at.request.id))


async def _is_theirs(visit: Visit, at: Arrival, account: Account, patient: str) -> bool:
    if account.kind == "patient":
        return patient in at.patients and await visit.parts.directory.patient_exists(patient)
    return account.fhir_user is not None and await visit.parts.directory.is_related(account.fhir_user, patient)


async def _candidates(visit: Visit, at: Arrival, account: Account, words: str) -> list[PatientName]:
    if account.kind == "patient":
        return await visit.parts.directory.patients(at.patients)
    if account.fhir_user is None:
        return []
    return await visit.parts.directory.related_patients(account.fhir_user, words)


async def _relations(visit: Visit, account: Account) -> dict[str, str]:
    """What those are to the person whose records they may see, by the patients' ids: `your child`."""
    proxies = visit.parts.portal.proxies
    if account.kind != "patient" or not account.patients:
        return {}
    found = [] if proxies is None else await proxies.represented(account.patients[:1])
    return {**{each.patient: each.relationship for each in found}, account.patients[0]: "your own record"}


async def _page(visit: Visit, at: Arrival, account: Account, fault: str = "") -> Response:
    words = visit.value("words").strip()[:200] if visit.is_post else ""
    values = {
        "app": at.client.name,
        "account": account,
        "patients": await _candidates(visit, at, account, words),
        "relations": await _relations(visit, account),
        "chosen": at.request.patient,
        "can_search": account.kind == "practitioner",
        "words": words,
        "request": at.request.id,
        "csrf": visit.csrf,
        "fault": fault,
    }
    return page("picker.html", values, status=400 if fault else 200)
