"""The pages of the gates after sign-in: contact data and conditions of use.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code, docs/adr/0025
"""

from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

import msgspec
from starlette.responses import Response

from smart_auth.authorization import Authorization
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, access_denied
from smart_auth.gates import CONDITIONS, CONTACT, own_record
from smart_auth.identity.assurance import reaches
from smart_auth.identity.contact import Contact, ContactChanged
from smart_auth.identity.logons import email_of
from smart_auth.mail import Message
from smart_auth.own_logon_pages import SIGN_IN, is_owner
from smart_auth.pages.render import page
from smart_auth.random_secrets import digest
from smart_auth.records import ACCOUNTS, Account
from smart_auth.steps import LOGIN, Arrival, Gate, StepPage, page_of, refused_to_app
from smart_auth.visit import PageEndpoint, Visit, see

CONFIRM = "/auth/confirm"
"""Where a mailed link leads that confirms an e-mail address."""

_CHANGED = "The record was changed in the meantime. This is what it says now: check it again."
_STREET = ("line1", "line2", "line3")


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths; none where neither contact data nor conditions are asked for."""
    found: dict[str, PageEndpoint] = {}
    if parts.portal.contacts is not None:
        found[CONTACT] = PageEndpoint(parts, ContactPage(gates))
    if parts.portal.conditions is not None:
        found[CONDITIONS] = PageEndpoint(parts, ConditionsPage(gates))
    return found


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Contact data: on the way to a code when it is time to look at them, and for whoever comes to change them."""

    gates: tuple[Gate, ...]

    async def __call__(self, visit: Visit) -> Response:
        """Raises OAuthError for a request that is over, for a form that another page sent, and 403 without a record."""
        if visit.value("request"):
            return await StepPage(contact, self.gates)(visit)
        if visit.account is None or visit.session is None:
            return see(f"{SIGN_IN}contact")
        patient = own_record(visit.account)
        if patient is None or not reaches(visit.session.acr, "level2"):
            raise OAuthError(403, "insufficient-assurance", "There is no record that this sign-in opens.")
        if visit.is_post:
            visit.check_form()
        return await _answered(visit, visit.account, patient, None) or see(f"{CONTACT}?done=yes")


async def contact(visit: Visit, at: Arrival, there: str) -> Response:
    """GET shows what the record says, POST confirms or changes it."""
    patient = None if at.account is None else own_record(at.account)
    if there != CONTACT or at.account is None or patient is None:
        return see(page_of(there, at.request.id))
    return await _answered(visit, at.account, patient, at) or see(page_of(LOGIN, at.request.id))


async def _answered(visit: Visit, account: Account, patient: str, at: Arrival | None) -> Response | None:
    """The page; None where the contact data are confirmed."""
    contacts = visit.parts.portal.contacts
    if contacts is None:
        return None
    current = await contacts.read(patient) or Contact()
    if not visit.is_post:
        return _contact_page(visit, account, at, _offered(current, account), current)
    typed = _typed(visit, current)
    if faults := typed.faults():
        return _contact_page(visit, account, at, typed, current, faults)
    if visit.value("seen") != _seen(current):
        # What was confirmed is not what stands there any more: it must not overwrite what nobody has looked at.
        return _contact_page(visit, account, at, current, current, (_CHANGED,), 409)
    is_sure = await _is_owner(visit, account)
    if not is_sure and (visit.value("password") or _is_new(typed.email, current, account)):
        return _contact_page(visit, account, at, typed, current, (CREDENTIAL_NOT_RECOGNIZED,), 401)
    try:
        await contacts.verify(account.id, patient, typed)
    except ContactChanged:
        current = await contacts.read(patient) or Contact()
        return _contact_page(visit, account, at, current, current, (_CHANGED,), 409)
    await _verified(visit, account, patient, typed != current)
    if is_sure and typed.email and email_of(typed.email) != account.email:
        await _send_link(visit, account, typed.email)
    return None


def _offered(current: Contact, account: Account) -> Contact:
    """What the page shows: what the record says, with the address that the account has confirmed where it has none."""
    if current.email or account.email is None or account.email_verified_at is None:
        return current
    return replace(current, email=account.email)


def _is_new(email: str, current: Contact, account: Account) -> bool:
    """Whether this is neither the address of the record nor the one that the account has confirmed."""
    is_confirmed = account.email_verified_at is not None and email != "" and email_of(email) == account.email
    return email != current.email and not is_confirmed


async def _is_owner(visit: Visit, account: Account) -> bool:
    """Whether the address that letters go to may be changed by this form, which may leave the password out."""
    if not visit.value("password"):
        return not account.password_hash and visit.session is not None and visit.session.acr == "card"
    return await is_owner(visit, account, "e-mail address not changed: the password was wrong")


async def _verified(visit: Visit, account: Account, patient: str, is_changed: bool) -> None:
    """Let the person on."""
    await visit.parts.documents.change(ACCOUNTS, account.id, {"contact_verified_at": visit.parts.now()})
    text = "contact data changed" if is_changed else "contact data confirmed"
    await visit.parts.note("contact", text, account=account, patient=patient)


async def _send_link(visit: Visit, account: Account, email: str) -> None:
    """Have an e-mail address confirmed by a link, where mail is sent."""
    if not visit.parts.portal.mail.is_available:
        return
    hours = visit.parts.settings.email_link_hours
    token = await visit.parts.mail_links.issue("email", account.id, hours * 3600, content=email)
    base = urlsplit(visit.base)
    link = f"{base.scheme}://{base.netloc}{CONFIRM}?token={quote(token, safe='')}"
    text = (
        "You gave this e-mail address as yours.\n\n"
        f"To confirm it, open this page:\n{link}\n\n"
        f"The link works once, for {hours} hours. If it was not you, do nothing.\n\n"
        f"Nobody of ours asks for your password. Help: {visit.parts.portal.help_desk}.\n"
    )
    await visit.parts.portal.mail.send(Message(email, "Confirm your e-mail address", text))


@dataclass(frozen=True, slots=True)
class ConditionsPage:
    """The conditions of use: for everybody to read, and for those on the way to a code to accept or not."""

    gates: tuple[Gate, ...]

    async def __call__(self, visit: Visit) -> Response:
        """Raises OAuthError for a request that is over, and for a form that another page sent."""
        if not visit.is_post and not visit.value("request"):
            return page(
                "conditions_reading.html", {"paragraphs": _text(visit), "version": _version(visit), "fault": ""}
            )
        return await StepPage(conditions, self.gates)(visit)


async def conditions(visit: Visit, at: Arrival, there: str) -> Response:
    """GET shows the conditions, POST answers: `decision` is `accept` or `decline`."""
    records = visit.parts.portal.conditions
    if there != CONDITIONS or records is None or at.account is None:
        return see(page_of(there, at.request.id))
    if not visit.is_post:
        return _conditions_page(visit, at)
    decision = visit.value("decision")
    if decision == "decline":
        refusal = access_denied("The conditions of use were not accepted (terms-not-accepted).")
        return await refused_to_app(visit, at, refusal)
    if decision != "accept":
        raise OAuthError(400, "invalid_request", "The answer is to accept or to decline.")
    if visit.value("version") != _version(visit):
        # Another version came while this one was read.
        return _conditions_page(visit, at)
    version = _version(visit)
    consent = await records.accept(at.account, version)
    changes = {
        "conditions_version": version,
        "conditions_consent": consent,
        "conditions_accepted_at": visit.parts.now(),
    }
    await visit.parts.documents.change(ACCOUNTS, at.account.id, changes)
    await visit.parts.note(
        "conditions", f"version {version} accepted", account=at.account, patient=own_record(at.account)
    )
    return see(page_of(LOGIN, at.request.id))


def _typed(visit: Visit, current: Contact) -> Contact:
    def text(name: str) -> str:
        return " ".join(visit.value(name).split())

    lines = tuple(line for name in _STREET if (line := text(name)))
    # The page has three lines; what the record has beyond stays while nobody touches the street.
    if lines == current.lines[: len(_STREET)]:
        lines = current.lines
    return Contact(
        email=text("email"),
        phone=text("phone"),
        lines=lines,
        city=text("city"),
        state=text("state"),
        postal_code=text("postal_code"),
    )


def _seen(contact: Contact) -> str:
    """What a form says of the record it was drawn from, without repeating it."""
    return digest(msgspec.json.encode(contact).decode())


def _contact_page(
    visit: Visit,
    account: Account,
    at: Arrival | None,
    shown: Contact,
    current: Contact,
    faults: tuple[str, ...] = (),
    status: int = 400,
) -> Response:
    values = {
        "app": None if at is None else at.client.name,
        "account": account,
        "request": "" if at is None else at.request.id,
        "done": visit.value("done") == "yes" and not faults,
        "csrf": visit.csrf,
        "contact": shown,
        "street": tuple(zip(_STREET, (*shown.lines, "", "", ""), strict=False)),
        "seen": _seen(current),
        "days": visit.parts.settings.contact_verification_days,
        "is_mail_available": visit.parts.portal.mail.is_available,
        "has_password": bool(account.password_hash),
        "faults": faults,
        "fault": " ".join(faults),
    }
    return page("contact.html", values, status=status if faults else 200)


def _conditions_page(visit: Visit, at: Arrival) -> Response:
    values = {
        "app": at.client.name,
        "account": at.account,
        "request": at.request.id,
        "csrf": visit.csrf,
        "paragraphs": _text(visit),
        "version": _version(visit),
        "fault": "",
    }
    return page("conditions.html", values)


def _version(visit: Visit) -> str:
    return visit.parts.settings.conditions_version


def _text(visit: Visit) -> tuple[str, ...]:
    """The wording of whoever runs the server, in paragraphs; empty for the built-in one."""
    records = visit.parts.portal.conditions
    text = "" if records is None else records.text
    return tuple(" ".join(each.split()) for each in text.replace("\r\n", "\n").split("\n\n") if each.strip())
