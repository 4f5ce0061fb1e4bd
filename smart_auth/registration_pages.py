"""The pages of registration by beneficiary status: by card, as a retiree, as a veteran, and the links that follow.

Whatever was typed, the page says the same: only the letter to the address tells how it went on. domain.md I1 to I14.
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth import enroll_pages, invitation_pages, staff_enroll_pages, staff_pages
from smart_auth.authorization import Authorization
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.card_pages import BY_CARD
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, slow_down
from smart_auth.even_time import in_even_time
from smart_auth.identity import passwords
from smart_auth.identity.accounts import login_of
from smart_auth.identity.certificates import CertificateRefused
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable
from smart_auth.identity.logons import email_of
from smart_auth.identity.persons import PersonTaken
from smart_auth.identity.proofing import NotEligible, Proven, Typed
from smart_auth.identity.registration import Application, Proof, Registrar, RegistrarConflict
from smart_auth.logon_mail import no_mail, origin
from smart_auth.pages.render import page
from smart_auth.random_secrets import new_id
from smart_auth.records import Account, Beneficiary
from smart_auth.registration_days import today
from smart_auth.registration_entered import Asked
from smart_auth.registration_forms import VETERAN_PROOFS, Person, logon_faults, person, proof
from smart_auth.registration_submissions import Submissions
from smart_auth.registrations import WANTED, Registrations, full_name
from smart_auth.sent_card import sent_card
from smart_auth.sign_in import next_of, signed_in
from smart_auth.steps import Gate, arrival
from smart_auth.visit import Answer, PageEndpoint, Visit, see

START = "/auth/registration"
ACTIVE_DUTY = f"{START}/active-duty"
SENT = f"{START}?sent=yes"
FORM = f"{START}/"

EVEN_SECONDS = 1.5
"""Three times what a form with the largest proof takes, which is sealed and kept (0.5 s on two busy cores); one that is
nobody's writes next to nothing (0.05 s).
"""

MOST_KEPT_AN_HOUR = 100
"""Forms of one address, each with a proof of at most `proof_bytes_max`, that may be kept within an hour."""

_NUMBERS: Mapping[str, tuple[str, ...]] = {"retiree": ("dod_id", "ssn"), "veteran": ("ssn",)}
"""The numbers that each kind types. A name alone proves nothing."""

_TITLES = {"retiree": "Register as a retiree", "veteran": "Register as a veteran"}


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths; none where no record or no registry stands behind them."""
    registrar = parts.portal.registrar
    if registrar is None or parts.portal.registry is None:
        return {}
    answers: dict[str, Answer] = {
        START: start,
        f"{FORM}retiree": RegistrationPage("retiree", registrar),
        **staff_pages.answers(registrar),
        **invitation_pages.answers(registrar),
    }
    if parts.portal.cards is not None:
        answers[ACTIVE_DUTY] = CardRegistrationPage(registrar)
    found = {path: PageEndpoint(parts, answer) for path, answer in answers.items()}
    veteran = RegistrationPage("veteran", registrar)
    found[f"{FORM}veteran"] = PageEndpoint(parts, veteran, takes_files=True)
    with_files = enroll_pages.answers(registrar) | staff_enroll_pages.answers(registrar)
    for path, answer in with_files.items():
        found[path] = PageEndpoint(parts, answer, takes_files=True)
    return found


async def start(visit: Visit) -> Response:
    """Which way in is whose; or that a letter is on its way."""
    template = "registration_sent.html" if visit.value("sent") == "yes" else "registration.html"
    return page(template, {"fault": "", "has_cards": visit.parts.portal.cards is not None})


class RegistrationPage:
    """Registering alone, as a retiree or a veteran."""

    def __init__(self, beneficiary: Beneficiary, registrar: Registrar) -> None:
        self.beneficiary: Beneficiary = beneficiary
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET shows the form, POST begins. Raises OAuthError 429, and 503 where the registry does not answer."""
        if not visit.parts.portal.mail.is_available:
            return no_mail(visit, _TITLES[self.beneficiary])
        if not visit.is_post:
            return self._form(visit, ())
        check_browser_form(visit)
        parts = visit.parts
        await parts.limits.take("registration", visit.address, parts.settings.beneficiary_registrations_per_minute)
        said = person(visit, _NUMBERS[self.beneficiary])
        handed_in = proof(visit, VETERAN_PROOFS) if self.beneficiary == "veteran" else None
        faults = logon_faults(visit, visit.value("name").strip())
        if said is None:
            faults = ("Type your name, your birth date such as 1980-07-04, and all digits of the numbers.", *faults)
        if isinstance(handed_in, str):
            faults = (*faults, handed_in)
        if said is None or faults:
            return self._form(visit, faults)
        await self._check_lock(visit, said)
        if not await parts.limits.is_left("registrations kept", visit.address, MOST_KEPT_AN_HOUR):
            # Counted for nobody's as well: what is kept of somebody's must not show by it.
            raise slow_down("Too many registrations from here: try again later.", 3600 - parts.now() % 3600)
        document = handed_in if isinstance(handed_in, Proof) else None
        await in_even_time(self._submitted(visit, said, document), EVEN_SECONDS)
        return see(SENT)

    async def _submitted(self, visit: Visit, said: Person, document: Proof | None) -> None:
        parts = visit.parts
        asked = Asked(
            beneficiary=self.beneficiary,
            typed=Typed(said.name, said.birth_date, said.dod_id, said.ssn),
            username=visit.value("username").strip(),
            login=login_of(visit.value("username")),
            password_hash=await passwords.hashed(visit.value("password")),
            email=email_of(visit.value("email")) or "",
            origin=origin(visit),
            proof=document,
        )
        try:
            is_somebodys = await Submissions(parts, self.registrar).submit(asked)
        except RegistryUnavailable:
            raise unavailable() from None
        for number in _numbers(said):
            # Right or wrong: whoever is locked out must not learn by it which it was.
            await parts.limits.failed_login(_counted(visit, number))
        text = f"registration as {self.beneficiary}" + ("" if is_somebodys else " that is nobody's")
        await parts.note("registration", text, is_failure=not is_somebodys)

    async def _check_lock(self, visit: Visit, said: Person) -> None:
        """Raises OAuthError 429 after too many attempts about one of the numbers."""
        for number in _numbers(said):
            await visit.parts.limits.check_logins(_counted(visit, number))

    def _form(self, visit: Visit, faults: tuple[str, ...]) -> Response:
        kept = {
            name: visit.value(name) if visit.is_post else "" for name in ("name", "birth_date", "email", "username")
        }
        values = {
            **kept,
            "title": _TITLES[self.beneficiary],
            "action": f"{FORM}{self.beneficiary}",
            "numbers": _NUMBERS[self.beneficiary],
            "proofs": VETERAN_PROOFS if self.beneficiary == "veteran" else {},
            "most_megabytes": visit.parts.settings.proof_bytes_max // 1_048_576,
            "rules": visit.parts.password_policy.in_words(),
            "faults": faults,
            "fault": " ".join(faults),
        }
        return browser_form(visit, "registration_form.html", values, 400 if faults else 200)


class CardRegistrationPage:
    """Registering by the card alone, whose certificate says the DoD ID number; what is typed counts for nothing."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET shows whose card it is, POST registers and signs in. A card that is none is a 401 page that says why."""
        parts = visit.parts
        await parts.limits.take("registration", visit.address, parts.settings.beneficiary_registrations_per_minute)
        at = await arrival(visit) if visit.value("request") else None
        if visit.is_post:
            check_browser_form(visit)
        try:
            card = await sent_card(visit)
        except CertificateRefused as refusal:
            return self._page(visit, "", refusal.text, refusal.reason, 401)
        if card.dod_id is None:
            await parts.floods.note(f"card {card.key}", "card", "certificate-policy")
            return self._page(visit, card.name, "This way in takes a CAC.", "certificate-policy", 401)
        if not visit.is_post:
            return self._page(visit, card.name)
        account = await self._registered(visit, card.dod_id)
        if account is None:
            await parts.floods.note(f"card {card.key}", "registration", "a valid CAC that registers nobody")
            return self._page(visit, card.name, CREDENTIAL_NOT_RECOGNIZED, "credential-not-recognized", 403)
        await parts.note("registration", "registered by CAC", account=account, patient=account.patients[0])
        # No binding of the card: its DoD ID finds the account, and finds the next one where the person has another.
        return await signed_in(visit, at, account, "card", BY_CARD, "CAC", by_cac=True)

    async def _registered(self, visit: Visit, dod_id: str) -> Account | None:
        """The account of who holds the card; None where nobody may register by it. Raises OAuthError 503."""
        registry, parts = visit.parts.portal.registry, visit.parts
        try:
            enrolled = None if registry is None else await registry.by_dod_id(dod_id)
        except RegistryUnavailable:
            raise unavailable() from None
        if enrolled is None or await parts.persons.account_of(dod_id) is not None:
            return None
        is_wanted = bool(enrolled.classes(today(parts)) & WANTED["active-duty"])
        result = Proven(enrolled) if is_wanted else NotEligible(enrolled)
        id = Registrations(parts, self.registrar).id_of(enrolled)
        try:
            progress = await self.registrar.begin(Application("active-duty", result, id))
        except RegistrarConflict:
            return None
        if progress.status != "completed" or progress.patient is None:
            return None
        return await self._account(visit, enrolled, progress.patient)

    async def _account(self, visit: Visit, enrolled: Enrolled, patient: str) -> Account | None:
        accounts = visit.parts.accounts
        # Nobody signs in by this name: there is no password.
        added = await accounts.add(f"card {new_id()}", "", "patient", name=full_name(enrolled), added_by="card")
        try:
            return await visit.parts.persons.bind(added, enrolled.dod_id, patient, "level2")
        except PersonTaken:
            # Another registration of the same card was first.
            await accounts.change(added.id, is_disabled=True)
            return None

    def _page(self, visit: Visit, name: str, fault: str = "", error: str = "", status: int = 200) -> Response:
        onward = {"request": visit.value("request"), "next": next_of(visit)}
        values = {**onward, "name": name, "fault": fault, "error": error, "action": ACTIVE_DUTY}
        return browser_form(visit, "registration_card.html", values, status)


def unavailable() -> OAuthError:
    """The registry does not answer: nobody is let in by that, and nobody is refused for good."""
    return OAuthError(
        503, "temporarily_unavailable", "Who is enrolled cannot be looked up at the moment: try again later."
    )


def _numbers(said: Person) -> tuple[str, ...]:
    return tuple(each for each in (said.dod_id, said.ssn) if each is not None)


def _counted(visit: Visit, number: str) -> str:
    """What stands for a number where attempts are counted, here as at the upgrade of a DS Logon."""
    return f"number {visit.parts.portal.seal.keyed_digest(number)}"
