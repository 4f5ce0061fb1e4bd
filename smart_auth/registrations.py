"""Registrations on the side of sign-in: who asked, by which name and password they will sign in, and when they may.

The record has the Task and decides; here stands what may not be there, and everything until the link sent by e-mail was
used. Whatever is typed, the letter is the same, with a link; where it was not the person's, the link leads to another
letter that says so. docs/people/registration.md
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from smart_auth import registration_entered as sealing
from smart_auth import registration_letters as letters
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable
from smart_auth.identity.persons import PersonTaken
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proof, Proven, Typed, prove
from smart_auth.identity.registration import Application, Progress, Registrar, RegistrarConflict
from smart_auth.mail import Message
from smart_auth.records import REGISTRATIONS, Account, Beneficiary, Registration, kept, read
from smart_auth.registration_claims import ENDED, is_abandoned, is_held_too_long, may_displace
from smart_auth.registration_entered import Entered, full_name
from smart_auth.registration_files import RegistrationFiles

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization

__all__ = ["INVITATION", "PURPOSE", "WANTED", "Entered", "Registrations", "full_name", "task_of"]

PURPOSE = "registration"
INVITATION = "invitation"
"""Purposes of the links that go by mail: to who registers, and to a dependent of age whom the sponsor enrolled."""

WANTED: Mapping[Beneficiary, frozenset[str]] = {
    # Retirees hold an identification card without a certificate: they register by their numbers (domain.md I4).
    "active-duty": frozenset({"active-duty", "reserve", "national-guard"}),
    "retiree": frozenset({"retiree"}),
    "veteran": frozenset({"veteran"}),
    "dependent": frozenset({"dependent-spouse", "dependent-child", "dependent-parent"}),
}
"""The classes of beneficiary that register in each way."""

_SWEEP_SECONDS = 5.0
_MOST_OPEN = 500
_DAY = 86_400

_log = logging.getLogger("smart_auth")


class Registrations:
    """Those of all workers. There is one of a person at a time: its id is a keyed digest of the DoD ID number."""

    def __init__(self, parts: "Authorization", registrar: Registrar) -> None:
        self._parts = parts
        self._registrar = registrar

    async def claim(self, registration: Registration, is_proven: bool = True) -> bool:
        """Keep a registration, in place of one that it may displace; False where one goes on."""
        documents, id = self._parts.documents, registration.id
        if await documents.insert(REGISTRATIONS, id, kept(registration)):
            return True
        former = await self.get(id)
        if former is None:
            return False
        is_over = self._is_abandoned(former) or await self._is_past(former)
        if not may_displace(former, registration, is_proven=is_proven, is_over=is_over):
            return False
        same = {"account": former.account, "created_at": former.created_at, "status": former.status}
        if await documents.change(REGISTRATIONS, id, kept(registration), same) is None:
            return False
        await self._forget(former)
        return True

    async def _forget(self, former: Registration) -> None:
        """Leave nothing of one that was displaced."""
        if former.sealed is not None:
            await self.files.erase(self.entered(former).file)
        if former.account is not None and former.decided_at is None:
            await self._parts.accounts.change(former.account, is_disabled=True)

    async def _is_past(self, former: Registration) -> bool:
        """Whether it led to a logon that its owner has given up since: they register anew (domain.md L7)."""
        account = await self._parts.accounts.get(former.account or "")
        is_given_up = account is not None and not (account.is_logon_active or account.is_disabled)
        return former.status == "completed" and former.decided_at is not None and is_given_up

    async def activated(self, id: str, account: Account) -> Registration | None:
        """The person has confirmed and has an account: the registration goes on as far as it may.

        What cannot be done now is done by the sweeper. Raises the store's errors.
        """
        changed = await self._parts.documents.change(
            REGISTRATIONS, id, {"account": account.id}, {"account": None, "decided_at": None}
        )
        if changed is None:
            return None
        try:
            return await self.settle(id)
        except (RegistryUnavailable, RegistrarConflict):
            return await self.get(id)

    async def settle(self, id: str) -> Registration | None:
        """Do what follows from how far it has come in the record; the registration as it is now.

        Raises RegistryUnavailable and RegistrarConflict for what is to be tried again.
        """
        registration = await self.get(id)
        if registration is None or registration.decided_at is not None:
            return registration
        if self._is_abandoned(registration):
            await self._decide(registration, "cancelled")
            return await self.get(id)
        if is_held_too_long(registration, self._parts.settings.registration_hold_days * _DAY, self._parts.now()):
            await self._give_up(registration)
            return await self.get(id)
        if registration.account is not None and registration.entered_at is None:
            registration = await self._enter(registration)
        if registration is None or registration.task is None or registration.decided_at is not None:
            return registration
        await self._follow(registration)
        return await self.get(id)

    async def _follow(self, registration: Registration) -> None:
        progress = await self._registrar.progress(task_of(registration))
        if progress.status == "completed" and registration.account is not None:
            await self._open(registration, progress)
        elif progress.status == "completed" and not registration.email:
            # A child signs in by nothing: the sponsor sees the record.
            await self._identify(registration, progress)
            await self._decide(registration, "completed")
        elif progress.status in ENDED and progress.status != "completed":
            await self._close(registration, progress.status)
        elif progress.status != registration.status:
            await self._know(registration, progress)

    async def _know(self, registration: Registration, progress: Progress) -> None:
        now, changes = self._parts.now(), dict[str, Any](status=progress.status)
        if (progress.status == "on-hold") != (registration.status == "on-hold"):
            changes["held_at"] = now if progress.status == "on-hold" else None
        if registration.status == "on-hold" and registration.account is None:
            # The invitation's time begins now.
            changes["created_at"] = now
        where = {"status": registration.status, "created_at": registration.created_at}
        changed = await self._parts.documents.change(REGISTRATIONS, registration.id, changes, where)
        if changed is not None and "created_at" in changes and registration.email:
            await self.invite(registration, self.entered(registration).origin)

    async def _enter(self, registration: Registration) -> Registration | None:
        """The link was used: what was kept comes into the record. Whatever was cut off is made up for.

        Raises RegistryUnavailable, RegistrarConflict, and the store's errors.
        """
        id, entered = registration.id, self.entered(registration)
        result: Proof | None = None
        if registration.sponsor is None:
            result = await self.proof_of(registration.beneficiary, _typed(entered))
            if not isinstance(result, Proven | Discrepancy | NotEligible):
                # The registry knows them no longer.
                await self._close(registration, "rejected")
                return await self.get(id)
            application = Application(registration.beneficiary, result, id, awaits_confirmation=True)
            progress = await self._registrar.begin(application)
            changes: dict[str, Any] = {"task": f"Task/{progress.task}", "status": progress.status}
            changes["held_at"] = self._parts.now() if progress.status == "on-hold" else None
            where = {"task": None, "account": registration.account, "created_at": registration.created_at}
            await self._parts.documents.change(REGISTRATIONS, id, changes, where)
            proof = None if entered.file is None else await self.files.get(entered.file)
            if proof is not None and progress.status not in ENDED:
                await self._registrar.hand_in(progress.task, proof)
            task = progress.task
        else:
            task = task_of(registration)
        await self._registrar.complete(task)
        changed = await self._parts.documents.change(
            REGISTRATIONS, id, {"entered_at": self._parts.now()}, {"entered_at": None, "account": registration.account}
        )
        await self.files.erase(entered.file)
        if changed is not None and isinstance(result, Discrepancy):
            # As to whoever typed what is nobody's; staff look at it meanwhile.
            await self.send(registration.email, "Your registration", letters.NOT_RECOGNIZED)
        return await self.get(id)

    async def _give_up(self, registration: Registration) -> None:
        """End what has waited for too long, here and in the record."""
        if registration.task is not None:
            progress = await self._registrar.cancel(task_of(registration))
            if progress.status != "cancelled":
                await self._follow(registration)
                return
        await self._close(registration, "cancelled")

    async def invite(self, registration: Registration, origin: str) -> None:
        """A dependent of age gets a link to a logon of their own; one sent before ends."""
        days = self._parts.settings.invitation_days
        token = await self._parts.mail_links.issue(INVITATION, registration.id, days * _DAY)
        await self.send(registration.email, "You were enrolled", letters.invite(origin, token, days))

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
        if registration is None or registration.sealed is None:
            raise RegistrarConflict("Nothing of this registration can be asked once more.")
        result = await self.proof_of(registration.beneficiary, _typed(self.entered(registration)))
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
            except Exception:
                # What is wrong with one holds up no other. The error may say what somebody typed.
                _log.warning("a registration could not be followed up")

    def id_of(self, enrolled: Enrolled) -> str:
        """The id of a person's registration."""
        return self._parts.portal.seal.keyed_digest(f"registration {enrolled.dod_id}")

    def entered(self, registration: Registration) -> Entered:
        """What was sealed. Raises ValueError where nothing is there any more."""
        return sealing.opened(self._parts.portal.seal, registration)

    def seal(self, id: str, entered: Entered) -> str:
        """The same, sealed for the registration of this id."""
        return sealing.sealed(self._parts.portal.seal, id, entered)

    async def proof_of(self, beneficiary: Beneficiary, typed: Typed) -> Proof:
        """Whether somebody is who they say, and of a class that registers as this. Raises RegistryUnavailable."""
        registry = self._parts.portal.registry
        if registry is None:
            raise RegistryUnavailable
        return await prove(registry, typed, WANTED[beneficiary], self._today)

    async def _open(self, registration: Registration, progress: Progress) -> None:
        """Bind the account to the record and let it in; the letter is sent by the one who decides it here."""
        account = await self._parts.accounts.get(registration.account or "")
        if account is None or progress.patient is None:
            return
        await self._identify(registration, progress)
        opened = await self._parts.accounts.change(account.id, is_logon_active=True)
        try:
            await self._parts.persons.bind(account, self.entered(registration).dod_id, progress.patient, "level2")
        except PersonTaken:
            await self._close(registration)
            return
        if await self._decide(registration, "completed"):
            await self._parts.note("registration", "registration completed", account=opened, patient=progress.patient)
            await self.send(registration.email, "Registration complete", letters.COMPLETE)

    async def _identify(self, registration: Registration, progress: Progress) -> None:
        """What the sponsor said of the dependent's card is the record's only now that staff accepted the proof."""
        identification = self.entered(registration).identification if registration.sealed is not None else None
        if identification is not None and progress.patient is not None:
            await self._registrar.identify(progress.patient, identification)

    async def _close(self, registration: Registration, status: str = "rejected") -> None:
        if registration.account is not None:
            await self._parts.accounts.change(registration.account, is_disabled=True)
        if await self._decide(registration, status):
            await self._parts.note("registration", f"registration {status}", is_failure=True)
            await self.send(registration.email, "Your registration", letters.NOT_RECOGNIZED)

    def _is_abandoned(self, registration: Registration) -> bool:
        settings = self._parts.settings
        hours = settings.email_link_hours if registration.sponsor is None else settings.invitation_days * 24
        return is_abandoned(registration, hours * 3600, self._parts.now())

    async def _decide(self, registration: Registration, status: str) -> bool:
        """Whether this worker ended it. What was sealed is erased."""
        changes = {"status": status, "sealed": None, "password_hash": "", "decided_at": self._parts.now()}
        where = {"decided_at": None, "created_at": registration.created_at, "account": registration.account}
        if await self._parts.documents.change(REGISTRATIONS, registration.id, changes, where) is None:
            return False
        if registration.sealed is not None:
            await self.files.erase(self.entered(registration).file)
        return True

    async def send(self, email: str, subject: str, text: str) -> None:
        """A letter, where there is an address."""
        if email:
            portal = self._parts.portal
            await portal.mail.send(Message(email, subject, letters.signed(text, portal.help_desk)))

    @property
    def files(self) -> RegistrationFiles:
        """The proofs that are not yet in the record."""
        return RegistrationFiles(self._parts.documents, self._parts.portal.seal, self._parts.now)

    @property
    def _today(self) -> date:
        return datetime.fromtimestamp(self._parts.now(), UTC).date()


def task_of(registration: Registration) -> str:
    """The id of its Task; empty where there is none yet."""
    return (registration.task or "").partition("/")[2]


def _typed(entered: Entered) -> Typed:
    return Typed(entered.name, entered.birth_date, entered.typed_dod_id, entered.ssn)
