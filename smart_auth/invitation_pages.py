"""The pages behind the letters of a registration: who registered alone confirms it, and who was enrolled by a sponsor
takes up their own logon. GET shows a form, and only its POST uses the link: mail scanners follow links.
"""

from starlette.responses import Response

from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity import numbers, passwords
from smart_auth.identity.accounts import LONGEST_USERNAME, LoginTaken, login_of
from smart_auth.identity.registration import Registrar
from smart_auth.pages.render import page
from smart_auth.records import Account, MailLink, Registration
from smart_auth.registration_forms import day, logon_faults
from smart_auth.registration_submissions import Submissions, Waiting
from smart_auth.registrations import INVITATION, PURPOSE, Registrations
from smart_auth.visit import Answer, Visit, see

INVITED = "/auth/registration/dependent"
CONFIRM = "/auth/registration/confirm"
DONE = "/auth/registration/status"

OVER = (
    "This link has ended: it was used already, a newer one was sent, or too much time has passed. "
    "Register again to get a new one."
)
INVITATION_OVER = (
    "This link has ended: it was used already, a newer one was sent, or too much time has passed. "
    "If you chose a username and a password by it, sign in by them once your sponsor's proof is accepted. "
    "If not, ask your sponsor for a new invitation."
)
EVEN_SECONDS = 1.5
"""Three times what the link of a registration takes, which writes it into the record (0.5 s on two busy cores); one of
nobody's writes next to nothing.
"""

_TAKEN = "This username is taken: choose another one."


def answers(registrar: Registrar) -> dict[str, Answer]:
    """The pages by their paths."""
    return {CONFIRM: confirm, INVITED: InvitedPage(registrar), DONE: done}


async def confirm(visit: Visit) -> Response:
    """Where the letter's link leads. Raises OAuthError 400 for one that is over or never was."""
    if visit.is_post:
        check_browser_form(visit)
    token = visit.value("token")
    link = await visit.parts.mail_links.find(PURPOSE, token)
    if link is None:
        raise OAuthError(400, "invalid_request", OVER)
    return await confirmed(visit, link, token)


async def done(visit: Visit) -> Response:
    """What comes next, said without saying how far it is: the letter does."""
    return page("registration_confirmed.html", {"fault": ""})


async def confirmed(visit: Visit, link: MailLink, token: str) -> Response:
    """The link of who registered alone. POST asks for the password that was chosen.

    A link that leads to no registration does and says the same. Raises OAuthError 400 for a link that is over.
    """
    registrar = visit.parts.portal.registrar
    if registrar is None:
        raise OAuthError(404, "invalid_request", "There is no registration here.")
    submissions = Submissions(visit.parts, registrar)
    waiting = await submissions.waiting(link)
    if not visit.is_post:
        return _form(visit, waiting, token)
    attempts = f"link {link.id}"
    await visit.parts.limits.check_logins(attempts)
    if not await passwords.is_right(visit.value("password"), waiting.password_hash):
        await visit.parts.limits.failed_login(attempts)
        await visit.parts.note("registration", "wrong password at the link of a registration", is_failure=True)
        return _form(visit, waiting, token, CREDENTIAL_NOT_RECOGNIZED, 401)
    await visit.parts.limits.check_logins(attempts)
    username = visit.value("username").strip() or waiting.username
    if not 0 < len(login_of(username)) <= LONGEST_USERNAME:
        return _form(visit, waiting, token, f"A username has 1 to {LONGEST_USERNAME} characters.", is_taken=True)
    if await visit.parts.mail_links.use(PURPOSE, token) is None:
        raise OAuthError(400, "invalid_request", OVER)
    try:
        await in_even_time(_went_on(visit, registrar, waiting, username), EVEN_SECONDS)
    except LoginTaken:
        left, content = max(60, link.expires_at - visit.parts.now()), visit.parts.mail_links.content(link)
        token = await visit.parts.mail_links.issue(PURPOSE, link.subject, left, content)
        return _form(visit, waiting, token, _TAKEN, is_taken=True)
    return see(DONE)


async def _went_on(visit: Visit, registrar: Registrar, waiting: Waiting, username: str) -> None:
    """Raises LoginTaken."""
    registrations, submissions = Registrations(visit.parts, registrar), Submissions(visit.parts, registrar)
    if waiting.registration is None:
        if await visit.parts.accounts.by_login(username) is not None:
            raise LoginTaken
        await submissions.tell_nobody(waiting)
        return
    registration = await registrations.get(waiting.registration)
    if registration is None or registration.sealed is None:
        await submissions.tell_nobody(waiting)
        return
    account = await _added(visit, registrations, registration, username, waiting.password_hash)
    await visit.parts.note("registration", "e-mail address of a registration confirmed", account=account)
    if await registrations.activated(registration.id, account) is None:
        # Another one of the same person has taken its place just now.
        await visit.parts.accounts.change(account.id, is_disabled=True)


class InvitedPage:
    """A dependent of age, whom the sponsor enrolled, takes up their own logon: what they say must be theirs."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET asks for birth date, DoD ID, username and password; POST makes the logon. Raises OAuthError 400, 429.

        The sponsor knows the birth date and chose the address: the number stands on the dependent's own card.
        """
        if visit.is_post:
            check_browser_form(visit)
        token = visit.value("token")
        link = await visit.parts.mail_links.find(INVITATION, token)
        registrations = Registrations(visit.parts, self.registrar)
        registration = None if link is None else await registrations.get(link.subject)
        if link is None or registration is None or registration.account is not None or registration.sealed is None:
            raise OAuthError(400, "invalid_request", INVITATION_OVER)
        if not visit.is_post:
            return self._form(visit, token, ())
        attempts = f"link {link.id}"
        await visit.parts.limits.check_logins(attempts)
        entered = registrations.entered(registration)
        is_theirs = numbers.dod_id(visit.value("dod_id")) == entered.dod_id
        if day(visit.value("birth_date")) != entered.birth_date or not is_theirs:
            await visit.parts.limits.failed_login(attempts)
            await visit.parts.note("registration", "wrong birth date or DoD ID at an invitation", is_failure=True)
            return self._form(visit, token, (CREDENTIAL_NOT_RECOGNIZED,), 401)
        await visit.parts.limits.check_logins(attempts)
        faults = logon_faults(visit, entered.shown_name, registration.email)
        if faults:
            return self._form(visit, token, faults)
        if await visit.parts.mail_links.use(INVITATION, token) is None:
            raise OAuthError(400, "invalid_request", INVITATION_OVER)
        hashed = await passwords.hashed(visit.value("password"))
        try:
            username = visit.value("username").strip()
            account = await _added(visit, registrations, registration, username, hashed)
        except LoginTaken:
            left = max(60, link.expires_at - visit.parts.now())
            token = await visit.parts.mail_links.issue(INVITATION, registration.id, left)
            return self._form(visit, token, (_TAKEN,))
        await registrations.activated(registration.id, account)
        await visit.parts.note("registration", "a dependent took up an invitation", account=account)
        return see(DONE)

    def _form(self, visit: Visit, token: str, faults: tuple[str, ...], status: int = 400) -> Response:
        kept = {name: visit.value(name) if visit.is_post else "" for name in ("birth_date", "username")}
        rules = visit.parts.password_policy.in_words()
        values = {**kept, "token": token, "rules": rules, "faults": faults, "fault": " ".join(faults)}
        return browser_form(visit, "registration_invited.html", values, status if faults else 200)


async def _added(
    visit: Visit, registrations: Registrations, registration: Registration, username: str, password_hash: str
) -> Account:
    """An account that lets nobody in yet. Raises LoginTaken."""
    accounts = visit.parts.accounts
    name = registrations.entered(registration).shown_name
    added = await accounts.add(
        username, "", "patient", name=name, level="level1", email=registration.email, added_by="registration"
    )
    # Until here there was no password, and from here on the logon is not active.
    fields = {"password_hash": password_hash, "is_logon_active": False, "email_verified_at": visit.parts.now()}
    return await accounts.change(added.id, **fields) or added


def _form(
    visit: Visit, waiting: Waiting, token: str, fault: str = "", status: int = 400, is_taken: bool = False
) -> Response:
    values = {"token": token, "username": waiting.username, "is_taken": is_taken, "fault": fault}
    return browser_form(visit, "registration_confirm.html", values, status if fault else 200)
