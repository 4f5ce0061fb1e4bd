"""The page of staff: registrations that wait where they work, the proofs handed in, and what is decided of them."""

from starlette.responses import Response

from smart_auth.errors import OAuthError
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.identity.registration import BegunByThem, OpenTask, Registrar, RegistrarConflict, StaffDecision
from smart_auth.pages.render import page, page_headers
from smart_auth.records import Account
from smart_auth.registrations import Registrations
from smart_auth.visit import Answer, Visit, see

REGISTRATIONS = "/auth/registrations"
SIGN_IN = "/auth/login?next=registrations"

_DECISIONS: dict[str, StaffDecision] = {
    "accept-proof": "accept-proof",
    "refuse-proof": "refuse-proof",
    "confirm-person": "confirm-person",
    "reject": "reject",
}
_RELATIONS = {"accept-relation": True, "refuse-relation": False}
_AGAIN = "check-again"
_OTHER_ADDRESS = "Somebody registered anew meanwhile: the letters go to another address. Ask the person about that one."
_EXTENSIONS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}


def answers(registrar: Registrar) -> dict[str, Answer]:
    """The pages by their paths."""
    return {REGISTRATIONS: StaffPage(registrar)}


class StaffPage:
    """What waits for a second look."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET lists, or gives the file of `proof`; POST decides one. Raises OAuthError 403 for who is no staff."""
        if visit.account is None:
            return see(SIGN_IN)
        account = visit.account
        if account.kind != "practitioner" or account.fhir_user is None:
            raise OAuthError(403, "access_denied", "Registrations are decided by staff.")
        if not visit.is_post:
            if visit.value("proof"):
                return await self._proof(visit, account, account.fhir_user)
            return await self._list(visit, account, account.fhir_user)
        visit.check_form()
        return await self._decided(visit, account, account.fhir_user)

    async def _decided(self, visit: Visit, account: Account, fhir_user: str) -> Response:
        task, decision = visit.value("task"), visit.value("decision")
        if decision in _RELATIONS:
            return await self._relation_decided(visit, account, fhir_user)
        waiting = {each.task for each in await self.registrar.open_tasks(fhir_user)}
        registrations = Registrations(visit.parts, self.registrar)
        if task not in waiting or (decision not in _DECISIONS and decision != _AGAIN):
            return await self._list(visit, account, fhir_user, "This registration waits for you no more.", 409)
        waits = await registrations.of_task(task)
        if decision == "confirm-person" and (waits.email if waits is not None else "") != visit.value("address"):
            # They asked the person about another one.
            return await self._list(visit, account, fhir_user, _OTHER_ADDRESS, 409)
        try:
            if decision == _AGAIN:
                await registrations.check_again(task)
            else:
                await self.registrar.decide(task, _DECISIONS[decision], fhir_user)
        except BegunByThem as refusal:
            await visit.parts.note(
                "registration", f"{decision} of their own Task/{task}", account=account, is_failure=True
            )
            return await self._list(visit, account, fhir_user, str(refusal), 403)
        except RegistrarConflict as conflict:
            return await self._list(visit, account, fhir_user, str(conflict), 409)
        except RegistryUnavailable:
            return await self._list(visit, account, fhir_user, "The eligibility system does not answer.", 503)
        await visit.parts.note("registration", f"{decision} of Task/{task}", account=account)
        registration = await registrations.of_task(task)
        if registration is not None:
            await registrations.settle(registration.id)
        return see(f"{REGISTRATIONS}?decided=yes")

    async def _relation_decided(self, visit: Visit, account: Account, fhir_user: str) -> Response:
        task, decision = visit.value("task"), visit.value("decision")
        try:
            await self.registrar.decide_relation(task, _RELATIONS[decision], fhir_user)
        except BegunByThem as refusal:
            await visit.parts.note(
                "registration", f"{decision} of their own Task/{task}", account=account, is_failure=True
            )
            return await self._list(visit, account, fhir_user, str(refusal), 403)
        except RegistrarConflict as conflict:
            return await self._list(visit, account, fhir_user, str(conflict), 409)
        await visit.parts.note("registration", f"{decision} of Task/{task}", account=account)
        return see(f"{REGISTRATIONS}?decided=yes")

    async def _proof(self, visit: Visit, account: Account, fhir_user: str) -> Response:
        """The file, to be saved and not shown: it may hold anything. Raises OAuthError 404."""
        reference = visit.value("proof")
        found = await self.registrar.proof(fhir_user, reference)
        if found is None or found[0] not in _EXTENSIONS:
            raise OAuthError(404, "invalid_request", "There is no such document, or it waits for you no more.")
        media_type, content = found
        await visit.parts.note("registration", f"looked at the proof {reference}", account=account)
        disposition = f'attachment; filename="proof.{_EXTENSIONS[media_type]}"'
        headers = page_headers({"content-disposition": disposition})
        return Response(content, 200, headers, media_type=media_type)

    async def _list(
        self, visit: Visit, account: Account, fhir_user: str, fault: str = "", status: int = 200
    ) -> Response:
        found: list[OpenTask] = await self.registrar.open_tasks(fhir_user)
        values = {
            "account": account,
            "csrf": visit.csrf,
            "tasks": found,
            "relations": await self.registrar.open_relations(fhir_user),
            "addresses": await self._addresses(visit, found),
            "cards": await self._cards(visit, found),
            "decided": visit.value("decided") == "yes" and not visit.is_post,
            "fault": fault,
        }
        return page("registrations.html", values, status=status)

    async def _addresses(self, visit: Visit, tasks: list[OpenTask]) -> dict[str, str]:
        """Where the letters go, by Task: whoever confirms a person asks them whether the address is theirs."""
        registrations = Registrations(visit.parts, self.registrar)
        found = {each.task: await registrations.of_task(each.task) for each in tasks}
        return {task: each.email for task, each in found.items() if each is not None and each.email}

    async def _cards(self, visit: Visit, tasks: list[OpenTask]) -> dict[str, tuple[str, str]]:
        """Number and issuer of the card by which a sponsor identified the dependent, by Task."""
        registrations, found = Registrations(visit.parts, self.registrar), dict[str, tuple[str, str]]()
        for each in tasks:
            registration = await registrations.of_task(each.task)
            entered = (
                None if registration is None or registration.sealed is None else registrations.entered(registration)
            )
            if entered is not None and entered.identification is not None:
                assigner, _, number = entered.identification.rpartition("|")
                found[each.task] = (number, assigner)
        return found
