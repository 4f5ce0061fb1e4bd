"""The page of a family: for whom one acts, who stands beside oneself, and how either begins or ends.

https://hl7.org/fhir/R4/relatedperson.html
"""

from dataclasses import dataclass

from starlette.responses import Response

from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError, access_denied
from smart_auth.identity.assurance import HOW_TO_UPGRADE
from smart_auth.identity.proxies import NoSuchRelation, Proxies, Represented
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.steps import Gate
from smart_auth.visit import PageEndpoint, Visit, see

HERE = "/auth/family"
SIGN_IN = "/auth/login?next=family"

_DONE = {
    "revoked": "The access has ended.",
    "contested": "The relationship is no longer in force. Staff will look at it.",
    "let": "They see your record now.",
}
_BY_ACTION = {"revoke": "revoked", "contest": "contested", "let": "let"}
_MISSING = "There is nothing of the kind to change: it may have ended already. This is how it stands now."


@dataclass(frozen=True, slots=True)
class Shown:
    """Somebody for whom one acts, with their name."""

    name: str
    represented: Represented


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths; none where nothing knows of families."""
    proxies = parts.portal.proxies
    return {} if proxies is None else {HERE: PageEndpoint(parts, FamilyPage(proxies))}


@dataclass(frozen=True, slots=True)
class FamilyPage:
    """GET shows; POST changes something: `action` is `revoke`, `contest` or `let`, `patient` and `related` say between
    whom.
    """

    proxies: Proxies

    async def __call__(self, visit: Visit) -> Response:
        """Raises OAuthError 403 for whoever has no record, and for a sign-in of level 1."""
        if visit.account is None or visit.session is None:
            return see(SIGN_IN)
        if visit.account.kind != "patient" or not visit.account.patients:
            raise access_denied("This page is for people with a health record of their own.")
        if visit.session.acr == "level1":
            # Who belongs to whom is told to nobody whose name was never proved.
            raise OAuthError(403, "insufficient-assurance", HOW_TO_UPGRADE)
        if not visit.is_post:
            return await self._page(visit, visit.account)
        visit.check_form()
        return await self._changed(visit, visit.account)

    async def _changed(self, visit: Visit, account: Account) -> Response:
        action, patient, related = visit.value("action"), visit.value("patient"), visit.value("related")
        proxies = self.proxies
        change = {"revoke": proxies.revoke, "contest": proxies.contest, "let": proxies.let}.get(action)
        if change is None:
            raise OAuthError(400, "invalid_request", "Choose what to change.")
        try:
            await change(account, patient, related)
        except NoSuchRelation:
            text = f"{action}: no such relation"
            await visit.parts.note("proxy", text, account=account, is_failure=True)
            return await self._page(visit, account, _MISSING)
        done = _BY_ACTION[action]
        await visit.parts.note("proxy", f"{done}: RelatedPerson/{related}", account=account, patient=patient)
        return see(f"{HERE}?done={done}")

    async def _page(self, visit: Visit, account: Account, fault: str = "") -> Response:
        represented = await self.proxies.represented(account.patients[:1])
        named = await visit.parts.directory.patients([each.patient for each in represented])
        names = {each.id: each.name for each in named}
        values = {
            "account": account,
            "own": account.patients[0],
            "represented": [Shown(names.get(each.patient, each.patient), each) for each in represented],
            "relatives": await self.proxies.relatives_of(account.patients[0]),
            "can_enroll": visit.parts.portal.registrar is not None,
            "done": "" if fault else _DONE.get(visit.value("done"), ""),
            "csrf": visit.csrf,
            "fault": fault,
        }
        return page("family.html", values, status=400 if fault else 200)
