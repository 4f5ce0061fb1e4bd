"""Signing in by another OpenID provider, and tying such a login to the account one has here.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 9700 section 2.1
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from smart_auth import cookies
from smart_auth.access import Acr
from smart_auth.authorization import Authorization
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, not_recognized
from smart_auth.identity.accounts import login_of
from smart_auth.identity.assurance import RANK, of_password, reaches
from smart_auth.identity.id_tokens import Identity, Refused
from smart_auth.identity.provider_peer import Authorizing, Peer
from smart_auth.identity.providers import Provider
from smart_auth.logon_mail import tell
from smart_auth.own_logon_pages import is_owner
from smart_auth.pages.render import page
from smart_auth.random_secrets import digest, new_secret
from smart_auth.records import EXTERNAL_LOGINS, PROVIDER_LOGINS, Account, ExternalLogin, ProviderLogin, kept, read
from smart_auth.sign_in import TIE, afterwards, next_of, signed_in
from smart_auth.steps import LOGIN, Arrival, Gate, arrival, page_of
from smart_auth.visit import PageEndpoint, Visit, see

NOT_DONE = "Signing in at the other provider did not work. Start again, or choose another way to sign in."

PROVIDER_LINKS = "provider_links"
"""Documents of logins that nobody here has yet: whoever was just there may tie it to an account, for a while."""


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths: three for each provider."""
    found: dict[str, PageEndpoint] = {}
    for provider in parts.portal.providers:
        found |= provider_pages(parts, Peer(provider, parts.settings, parts.now))
    return found


def provider_pages(parts: Authorization, peer: Peer) -> dict[str, PageEndpoint]:
    """The pages of one provider."""
    here = ProviderPages(peer)
    return {
        here.path: PageEndpoint(parts, here.start),
        f"{here.path}/callback": PageEndpoint(parts, here.callback, ("GET",)),
        f"{here.path}/link": PageEndpoint(parts, here.link, ("POST",)),
    }


def external_id(provider: Provider, subject: str) -> str:
    """The id of an external login: nobody reads in it who it is."""
    return digest(f"{provider.issuer}|{subject}")


@dataclass(frozen=True, slots=True)
class ProviderPages:
    """The pages of one provider, as `peer` speaks with it."""

    peer: Peer

    @property
    def provider(self) -> Provider:
        return self.peer.provider

    @property
    def path(self) -> str:
        return f"/auth/provider/{self.provider.name}"

    async def start(self, visit: Visit) -> Response:
        """GET shows a button, POST sends the browser to the provider; `action=unlink` unties the login from here.

        Raises OAuthError for a request that is over and a form of another page.
        """
        at = await arrival(visit) if visit.value("request") else None
        if not visit.is_post:
            return await self._shown(visit, at)
        if visit.value("action") == "unlink":
            return await self._unlinked(visit)
        check_browser_form(visit)
        browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER) or ""
        asked = Authorizing(self._redirect_uri(visit), new_secret(), new_secret(), new_secret())
        try:
            there = await self.peer.address(asked)
        except Refused as refused:
            raise await self._refusal(visit, str(refused), 503) from None
        id = digest(asked.state)
        login = ProviderLogin(
            id=id,
            provider=self.provider.name,
            nonce=asked.nonce,
            verifier=visit.parts.portal.seal.sealed(asked.verifier, id),
            request=None if at is None else at.request.id,
            next=next_of(visit),
            browser=digest(browser),
        )
        await visit.parts.documents.insert(PROVIDER_LOGINS, id, kept(login), self._ends(visit))
        return see(there)

    async def callback(self, visit: Visit) -> Response:
        """What the provider answered: signs in whose login it is, or asks whose it shall be. Raises OAuthError."""
        login = await self._login(visit)
        who = await self._who(visit, login)
        # From here on it is the request that sign-in began with.
        visit = replace(visit, fields=(("request", login.request or ""), ("next", login.next)))
        at = await arrival(visit) if login.request is not None else None
        external = external_id(self.provider, who.subject)
        document = await visit.parts.documents.get(EXTERNAL_LOGINS, external)
        if document is None:
            return await self._asked_whose(visit, at, external, who)
        account = await visit.parts.accounts.get(read(ExternalLogin, document).account)
        if account is not None and account.is_disabled:
            raise await self._refusal(visit, "the account it belongs to is disabled", account=account)
        if account is None or not account.is_logon_active:
            # Its owner has given up that logon, and says which one is theirs now.
            await self._refusal(visit, "the logon it was tied to is deactivated", account=account)
            return await self._asked_whose(visit, at, external, who)
        how = f"by {self.provider.name}"
        return await signed_in(visit, at, account, self._acr(account, who), ("fed",), how)

    async def link(self, visit: Visit) -> Response:
        """Ties a login to the account that is signed in, whose owner shows it once more, or to whose name and password
        are sent, which signs in. Raises OAuthError.
        """
        document = await self._open_link(visit)
        at = await arrival(visit) if visit.value("request") else None
        if visit.account is not None and _is_sure(visit, visit.account):
            visit.check_form()
            if not await is_owner(visit, visit.account, f"{self.provider.name} not tied: neither password nor card"):
                return self._confirm_form(visit, visit.account, at, visit.value("link"), CREDENTIAL_NOT_RECOGNIZED)
            await self._tie(visit, document, visit.account)
            return see(self._onward(visit, at))
        check_browser_form(visit)
        try:
            account, with_code = await _proved(visit)
        except OAuthError as error:
            return self._password_form(visit, at, visit.value("link"), error)
        await self._tie(visit, document, account)
        how = f"username and password, tying {self.provider.name}"
        return await signed_in(visit, at, account, *of_password(account, with_code), how)

    def _onward(self, visit: Visit, at: Arrival | None) -> str:
        """Where somebody goes on who was signed in already: to the app, to where they came from, or to this page."""
        if at is not None:
            return page_of(LOGIN, at.request.id)
        # The list of all ways to sign in says nothing of what was just done.
        return self.path if next_of(visit) in ("", "manage") else afterwards(visit)

    async def _shown(self, visit: Visit, at: Arrival | None) -> Response:
        values: dict[str, Any] = {
            "path": self.path,
            "label": self.provider.label,
            "app": None if at is None else at.client.name,
            "request": "" if at is None else at.request.id,
            "next": next_of(visit),
            "account": visit.account,
            "session_csrf": visit.csrf,
            "is_linked": False,
            "fault": "",
        }
        if visit.account is not None:
            values["is_linked"] = bool(await self._theirs(visit, visit.account))
        return browser_form(visit, "provider.html", values)

    async def _theirs(self, visit: Visit, account: Account) -> list[dict[str, Any]]:
        equal = {"account": account.id, "provider": self.provider.name}
        return await visit.parts.documents.find(EXTERNAL_LOGINS, equal)

    async def _unlinked(self, visit: Visit) -> Response:
        visit.check_form()
        if visit.account is None:
            raise not_recognized()
        for each in await self._theirs(visit, visit.account):
            await visit.parts.documents.remove(EXTERNAL_LOGINS, each["id"])
        await visit.parts.note("provider", f"{self.provider.name} untied", account=visit.account)
        return see(self.path)

    async def _login(self, visit: Visit) -> ProviderLogin:
        """The sign-in that an answer belongs to, of this browser, which is over by this. Raises OAuthError."""
        id = digest(visit.value("state"))
        document = await visit.parts.documents.get(PROVIDER_LOGINS, id)
        browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER)
        login = None if document is None else read(ProviderLogin, document)
        if login is None or login.provider != self.provider.name or browser is None or login.browser != digest(browser):
            raise await self._refusal(visit, "an answer that this browser did not ask for")
        if not await visit.parts.documents.remove(PROVIDER_LOGINS, id):
            raise await self._refusal(visit, "an answer that was used before")
        try:
            await self.peer.check_sender(visit.value("iss"))
        except Refused as refused:
            raise await self._refusal(visit, str(refused)) from None
        if visit.value("error") or not visit.value("code"):
            raise await self._refusal(visit, "the provider refused")
        return login

    async def _who(self, visit: Visit, login: ProviderLogin) -> Identity:
        try:
            verifier = visit.parts.portal.seal.opened(login.verifier, login.id)
            asked = Authorizing(self._redirect_uri(visit), visit.value("state"), login.nonce, verifier)
            return await self.peer.signed_in(asked, visit.value("code"))
        except (Refused, ValueError) as refused:
            raise await self._refusal(visit, str(refused)) from None

    async def _asked_whose(self, visit: Visit, at: Arrival | None, external: str, who: Identity) -> Response:
        """The page on which a login that nobody has is tied to an account."""
        secret = new_secret()
        browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER) or ""
        content = {"provider": self.provider.name, "external": external, "browser": digest(browser)}
        await visit.parts.documents.insert(PROVIDER_LINKS, digest(secret), content, self._ends(visit))
        if visit.account is None or not _is_sure(visit, visit.account):
            return self._password_form(visit, at, secret)
        return self._confirm_form(visit, visit.account, at, secret)

    def _confirm_form(self, visit: Visit, account: Account, at: Arrival | None, link: str, fault: str = "") -> Response:
        values = {
            "path": self.path,
            "label": self.provider.label,
            "link": link,
            "request": "" if at is None else at.request.id,
            "next": next_of(visit),
            "account": account,
            "has_password": bool(account.password_hash),
            "csrf": visit.csrf,
            "fault": fault,
        }
        return page("provider_confirm.html", values, status=401 if fault else 200)

    def _password_form(self, visit: Visit, at: Arrival | None, link: str, error: OAuthError | None = None) -> Response:
        values: Mapping[str, Any] = {
            "path": self.path,
            "label": self.provider.label,
            "link": link,
            "request": "" if at is None else at.request.id,
            "next": next_of(visit),
            "tie": f"{TIE}{self.provider.name}",
            "username": visit.value("username") if error is not None else "",
            "fault": "" if error is None else error.text,
        }
        status, headers = (200, None) if error is None else (error.status, error.headers)
        return browser_form(visit, "provider_link.html", values, status, headers)

    async def _open_link(self, visit: Visit) -> dict[str, Any]:
        document = await visit.parts.documents.get(PROVIDER_LINKS, digest(visit.value("link")))
        browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER)
        if (
            document is None
            or document["provider"] != self.provider.name
            or browser is None
            or document["browser"] != digest(browser)
        ):
            raise await self._refusal(visit, "a link that is over")
        return document

    async def _tie(self, visit: Visit, document: Mapping[str, Any], account: Account) -> None:
        """One login is one account's; who comes second is refused. Raises OAuthError."""
        if account.is_disabled or not account.is_logon_active:
            raise await self._refusal(visit, "the account is not in use", account=account)
        login = ExternalLogin(
            id=document["external"], provider=self.provider.name, account=account.id, linked_at=visit.parts.now()
        )
        is_first = await visit.parts.documents.remove(PROVIDER_LINKS, document["id"])
        if not is_first or not await self._is_tied(visit, login):
            raise await self._refusal(visit, "the login is tied already", account=account)
        await visit.parts.note("provider", f"{self.provider.name} tied", account=account)
        await tell(visit, account, f"A login at {self.provider.label} signs in to the account {account.username} now.")

    async def _is_tied(self, visit: Visit, login: ExternalLogin) -> bool:
        """Whether the login is this account's now: it was nobody's, or that of a logon that its owner has given up."""
        documents = visit.parts.documents
        if await documents.insert(EXTERNAL_LOGINS, login.id, kept(login)):
            return True
        found = await documents.get(EXTERNAL_LOGINS, login.id)
        former = None if found is None else await visit.parts.accounts.get(found["account"])
        if found is None or (former is not None and (former.is_disabled or former.is_logon_active)):
            return False
        return await documents.change(EXTERNAL_LOGINS, login.id, kept(login), {"account": found["account"]}) is not None

    def _acr(self, account: Account, who: Identity) -> Acr:
        """What its word counts for by configuration, and never more than what is known of the account itself."""
        said: Acr = self.provider.levels.get(who.acr or "", "level1")
        return min(said, account.level, key=RANK.__getitem__)

    async def _refusal(self, visit: Visit, text: str, status: int = 401, account: Account | None = None) -> OAuthError:
        """The refusal, which tells nothing, once what it is about is in the audit log."""
        caller = f"{self.provider.name} {visit.address} {account.id if account else ''}"
        await visit.parts.floods.note(caller, "provider", f"{self.provider.name}: {text}", account=account)
        return OAuthError(status, "credential-not-recognized" if status == 401 else "temporarily_unavailable", NOT_DONE)

    def _redirect_uri(self, visit: Visit) -> str:
        parts = urlsplit(visit.base)
        return f"{parts.scheme}://{parts.netloc}{self.path}/callback"

    def _ends(self, visit: Visit) -> int:
        return visit.parts.now() + visit.parts.settings.provider_login_minutes * 60


def _is_sure(visit: Visit, account: Account) -> bool:
    """Whether this sign-in may say by what else the account is opened: one below its level would raise itself."""
    return visit.session is not None and reaches(visit.session.acr, account.level)


async def _proved(visit: Visit) -> tuple[Account, bool]:
    """Whose name, password and (where there is such) one-time code were sent, and whether there was a code.

    The same work and answer whatever is wrong. Raises OAuthError; 429 after too many attempts.
    """
    parts, login = visit.parts, login_of(visit.value("username"))
    await parts.limits.take("login", visit.address, parts.settings.logins_per_minute)
    await parts.limits.check_logins(login)
    account = await parts.accounts.signed_in(visit.value("username"), visit.value("password"))
    has_code = account is not None and account.totp is not None
    is_right = account is not None and account.is_logon_active
    if is_right and account is not None and has_code:
        is_right = await parts.one_time_codes.is_right(account, visit.value("code"))
    if account is None or not is_right:
        await parts.limits.failed_login(login)
        known = await parts.accounts.by_login(visit.value("username"))
        await parts.note("login-failed", "username and password, to tie a provider", account=known, is_failure=True)
        raise not_recognized()
    await parts.limits.check_logins(login)
    return account, has_code
