"""Registrations on the side of sign-in: who asked, by which name and password they will sign in, and when they may.

The record has the Task and decides; here stands what may not be there. What is typed and not the person's leads to no
account and no Task; the browser is told the same whatever it was, and only a letter says how it went on.
docs/people/registration.md
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from smart_auth import registration_letters as letters
from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.persons import PersonTaken
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proven, Typed, prove
from smart_auth.identity.registration import Application, Progress, Proof, Registrar, RegistrarConflict
from smart_auth.mail import Message
from smart_auth.records import REGISTRATIONS, Account, Beneficiary, Registration, kept, read

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization

PURPOSE = "registration"
INVITATION = "invitation"
"""Purposes of the links that go by mail: to who registers, and to a dependent of age whom the sponsor enrolled."""

WANTED: Mapping[Beneficiary, frozenset[str]] = {
    "active-duty": frozenset({"active-duty", "reserve", "national-guard", "retiree"}),
    "retiree": frozenset({"retiree"}),
    "veteran": frozenset({"veteran"}),
    "dependent": frozenset({"dependent-spouse", "dependent-child", "dependent-parent"}),
}
"""The classes of beneficiary that register in each way."""

ENDED = ("completed", "rejected")

_SWEEP_SECONDS = 5.0
_MOST_OPEN = 500

_log = logging.getLogger("smart_auth")


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration still needs until it is decided; kept sealed. `origin` is where its links lead."""

    name: str
    birth_date: date
    dod_id: str
    shown_name: str
    origin: str
    typed_dod_id: str | None = None
    ssn: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A form of somebody who registers alone; the password is hashed already."""

    beneficiary: Beneficiary
    typed: Typed
    username: str
    login: str
    password_hash: str
    email: str
    origin: str
    proof: Proof | None = None


class Registrations:
    """Those of all workers. There is one of a person at a time: its id is a keyed digest of the DoD ID number."""

    def __init__(self, parts: "Authorization", registrar: Registrar) -> None:
        self._parts = parts
        self._registrar = registrar

    async def submit(self, asked: Asked) -> bool:
        """Begin what was asked for; whether it was anybody's. Raises RegistryUnavailable, and the record's errors."""
        registry = self._parts.portal.registry
        assert registry is not None
        result = await prove(registry, asked.typed, WANTED[asked.beneficiary], self._today)
        if not isinstance(result, Proven | Discrepancy | NotEligible):
            await self._send(asked.email, "Your registration", letters.NOT_RECOGNIZED)
            return False
        account = await self._parts.persons.account_of(result.enrolled.dod_id)
        if account is not None and account.is_logon_active and not account.is_disabled:
            # To whoever differs in a name it must not be said that there is an account.
            text = letters.REGISTERED if isinstance(result, Proven) else letters.NOT_RECOGNIZED
            await self._send(asked.email, "Your registration", text)
            return True
        try:
            await self._begin(asked, result)
        except RegistrarConflict:
            await self._send(asked.email, "Your registration", letters.NOT_RECOGNIZED)
        return True

    async def _begin(self, asked: Asked, result: Proven | Discrepancy | NotEligible) -> None:
        """The claim comes first: of two at the same time one has the Task, the name and the letter."""
        id, entered = self.id_of(result.enrolled), _entered(asked, result.enrolled)
        registration = Registration(
            id=id,
            beneficiary=asked.beneficiary,
            task=None,
            account=None,
            username=asked.username,
            login=asked.login,
            password_hash=asked.password_hash,
            email=asked.email,
            sealed=self.seal(id, entered),
            sponsor=None,
            status="requested",
            created_at=self._parts.now(),
            decided_at=None,
        )
        is_proven = isinstance(result, Proven)
        if not await self.claim(registration, is_proven):
            await self._send(
                asked.email, "Your registration", letters.UNDER_WAY if is_proven else letters.NOT_RECOGNIZED
            )
            return
        application = Application(asked.beneficiary, result, id, awaits_confirmation=True)
        progress = await self._registrar.begin(application)
        if asked.proof is not None and progress.status not in ENDED:
            progress = await self._registrar.hand_in(progress.task, asked.proof)
        await self._know(id, progress)
        if is_proven:
            await self.send_link(registration, entered.origin)
        else:
            await self._send(asked.email, "Your registration", letters.NOT_RECOGNIZED)
        if progress.status in ENDED:
            await self.settle(id)

    async def claim(self, registration: Registration, is_proven: bool = True) -> bool:
        """Keep a registration, in place of one whose link nobody used or that was rejected; False where one goes on.

        Who is not proven displaces nobody who was.
        """
        documents, id = self._parts.documents, registration.id
        if await documents.insert(REGISTRATIONS, id, kept(registration)):
            return True
        former = await self.get(id)
        if former is None or not (former.account is None or former.status == "rejected"):
            return False
        if not is_proven and former.status not in ("on-hold", "rejected"):
            return False
        if former.status == "requested" and self._parts.now() - former.created_at < 1:
            # Sent twice by the same hand: the first one is on its way.
            return False
        same = {"account": former.account, "created_at": former.created_at, "status": former.status}
        return await documents.change(REGISTRATIONS, id, kept(registration), same) is not None

    async def send_link(self, registration: Registration, origin: str) -> None:
        """A link to confirm the address; one sent before ends."""
        hours = self._parts.settings.email_link_hours
        token = await self._parts.mail_links.issue(PURPOSE, registration.id, hours * 3600)
        text = letters.confirm(origin, token, hours)
        await self._send(registration.email, "Confirm your registration", text)

    async def activated(self, id: str, account: Account) -> Registration | None:
        """The person has confirmed and has an account: the registration goes on as far as it may."""
        changed = await self._parts.documents.change(
            REGISTRATIONS, id, {"account": account.id}, {"account": None, "decided_at": None}
        )
        registration = await self.get(id)
        if changed is None or registration is None or registration.task is None:
            return None
        await self._registrar.complete(task_of(registration))
        return await self.settle(id)

    async def settle(self, id: str) -> Registration | None:
        """Do what follows from how far it has come in the record; the registration as it is now."""
        registration = await self.get(id)
        if registration is None or registration.task is None or registration.decided_at is not None:
            return registration
        if self._is_abandoned(registration):
            await self._decide(registration, "cancelled")
            return await self.get(id)
        progress = await self._registrar.progress(task_of(registration))
        if progress.status == "completed" and registration.account is not None:
            await self._open(registration, progress)
        elif progress.status == "completed" and not registration.email:
            # A child signs in by nothing: the sponsor sees the record.
            await self._decide(registration, "completed")
        elif progress.status in ("rejected", "cancelled"):
            await self._close(registration)
        elif progress.status != registration.status:
            was_held = registration.status == "on-hold" and registration.account is None
            changes: dict[str, Any] = {"status": progress.status}
            if was_held:
                # The link's time begins now.
                changes["created_at"] = self._parts.now()
            where = {"status": registration.status}
            changed = await self._parts.documents.change(REGISTRATIONS, id, changes, where)
            if changed is not None and was_held and registration.sponsor is None:
                await self.send_link(registration, self.entered(registration).origin)
        return await self.get(id)

    async def of_task(self, task: str) -> Registration | None:
        """The registration of a Task (an id)."""
        for document in await self._parts.documents.find(REGISTRATIONS, {"task": f"Task/{task}"}, 1):
            return read(Registration, document)
        return None

    async def get(self, id: str) -> Registration | None:
        """The registration with this id."""
        document = await self._parts.documents.get(REGISTRATIONS, id)
        return None if document is None else read(Registration, document)

    async def check_again(self, task: str) -> None:
        """Ask the registry once more about what was typed. Raises RegistrarConflict where nothing is kept for it."""
        registration = await self.of_task(task)
        registry = self._parts.portal.registry
        if registration is None or registration.sealed is None or registry is None:
            raise RegistrarConflict("Nothing of this registration can be asked once more.")
        entered = self.entered(registration)
        typed = Typed(entered.name, entered.birth_date, entered.typed_dod_id, entered.ssn)
        result = await prove(registry, typed, WANTED[registration.beneficiary], self._today)
        if isinstance(result, Proven | Discrepancy | NotEligible):
            application = Application(registration.beneficiary, result, registration.id, awaits_confirmation=True)
            await self._registrar.begin(application)
        await self.settle(registration.id)

    async def run(self) -> None:
        """Follow up what staff decided anywhere, every five seconds, until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception:
                _log.warning("registrations cannot be followed up at the moment")
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Settle each registration that is not decided."""
        for document in await self._parts.documents.find(REGISTRATIONS, {"decided_at": None}, _MOST_OPEN):
            try:
                await self.settle(document["id"])
            except (RegistrarConflict, ValueError):
                _log.warning("a registration could not be followed up")

    def id_of(self, enrolled: Enrolled) -> str:
        """The id of a person's registration."""
        return self._parts.portal.seal.keyed_digest(f"registration {enrolled.dod_id}")

    def entered(self, registration: Registration) -> Entered:
        """What was sealed. Raises ValueError where nothing is there any more."""
        if registration.sealed is None:
            raise ValueError("Nothing is kept of a registration that is decided.")
        return msgspec.json.decode(self._parts.portal.seal.opened(registration.sealed, registration.id), type=Entered)

    def seal(self, id: str, entered: Entered) -> str:
        """The same, sealed for the registration of this id."""
        return self._parts.portal.seal.sealed(msgspec.json.encode(entered).decode(), id)

    async def _know(self, id: str, progress: Progress) -> None:
        changes = {"task": f"Task/{progress.task}", "status": progress.status}
        await self._parts.documents.change(REGISTRATIONS, id, changes)

    async def _open(self, registration: Registration, progress: Progress) -> None:
        """Bind the account to the record and let it in; the letter is sent by the one who decides it here."""
        account = await self._parts.accounts.get(registration.account or "")
        if account is None or progress.patient is None:
            return
        opened = await self._parts.accounts.change(account.id, is_logon_active=True)
        try:
            await self._parts.persons.bind(account, self.entered(registration).dod_id, progress.patient, "level2")
        except PersonTaken:
            await self._close(registration)
            return
        if await self._decide(registration, "completed"):
            await self._parts.note("registration", "registration completed", account=opened, patient=progress.patient)
            await self._send(registration.email, "Registration complete", letters.COMPLETE)

    async def _close(self, registration: Registration) -> None:
        if registration.account is not None:
            await self._parts.accounts.change(registration.account, is_disabled=True)
        if await self._decide(registration, "rejected"):
            await self._parts.note("registration", "registration rejected", is_failure=True)
            await self._send(registration.email, "Your registration", letters.NOT_RECOGNIZED)

    def _is_abandoned(self, registration: Registration) -> bool:
        """Whether nobody used the link in its time: what is sealed is not kept for them."""
        if registration.account is not None or not registration.email or registration.status == "on-hold":
            return False
        settings = self._parts.settings
        hours = settings.email_link_hours if registration.sponsor is None else settings.invitation_days * 24
        return self._parts.now() - registration.created_at > hours * 3600

    async def _decide(self, registration: Registration, status: str) -> bool:
        """Whether this worker ended it. What was sealed is erased."""
        changes = {"status": status, "sealed": None, "password_hash": "", "decided_at": self._parts.now()}
        where = {"decided_at": None, "created_at": registration.created_at, "account": registration.account}
        return await self._parts.documents.change(REGISTRATIONS, registration.id, changes, where) is not None

    async def _send(self, email: str, subject: str, text: str) -> None:
        if email:
            portal = self._parts.portal
            await portal.mail.send(Message(email, subject, letters.signed(text, portal.help_desk)))

    @property
    def _today(self) -> date:
        return datetime.fromtimestamp(self._parts.now(), UTC).date()


def task_of(registration: Registration) -> str:
    """The id of its Task; empty where there is none yet."""
    return (registration.task or "").partition("/")[2]


def full_name(enrolled: Enrolled) -> str:
    """The name as an account shows it."""
    return " ".join(each for each in (*enrolled.given, enrolled.family, enrolled.suffix) if each)


def _entered(asked: Asked, enrolled: Enrolled) -> Entered:
    return Entered(
        name=asked.typed.name,
        birth_date=asked.typed.birth_date,
        dod_id=enrolled.dod_id,
        shown_name=full_name(enrolled),
        origin=asked.origin,
        typed_dod_id=asked.typed.dod_id,
        ssn=asked.typed.ssn,
    )
