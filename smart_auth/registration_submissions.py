"""Who registers alone sends a form, gets a letter with a link whatever was typed, and shows by it whose the address is.

Where it was not the person's, the link leads to another letter that says so. Nothing of it stands in the record before
the link is used. docs/people/registration.md
"""

from typing import TYPE_CHECKING

import msgspec

from smart_auth import registration_letters as letters
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proof, Proven
from smart_auth.identity.registration import Registrar
from smart_auth.records import MailLink, Registration
from smart_auth.registration_entered import Asked, entered_of
from smart_auth.registrations import PURPOSE, Registrations

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a link of who registers alone stands for.

    `registration` is the id of the one that was kept at `created_at`; None where it is nobody's.
    """

    username: str
    password_hash: str
    email: str
    registration: str | None = None
    created_at: int = 0


class Submissions:
    """What comes of the forms, up to the link."""

    def __init__(self, parts: "Authorization", registrar: Registrar) -> None:
        self._parts = parts
        self._registrations = Registrations(parts, registrar)

    async def submit(self, asked: Asked) -> bool:
        """Keep what was asked for until the link is used; whether it was anybody's.

        Nothing of it stands in the record before. Raises RegistryUnavailable, and the store's errors.
        """
        result = await self._registrations.proof_of(asked.beneficiary, asked.typed)
        settings = self._parts.settings
        if not await self._parts.limits.is_left("registration link", asked.email, settings.mails_per_hour):
            # Whoever has many letters of this kind gets no more of them, and nothing is kept for them.
            return False
        if not isinstance(result, Proven | Discrepancy | NotEligible):
            await self._send_link(asked)
            return False
        account = await self._parts.persons.account_of(result.enrolled.dod_id)
        if account is not None and account.is_disabled:
            await self._parts.note("registration", "the person's account is disabled", account=account, is_failure=True)
            await self._send_link(asked)
        elif account is not None and account.is_logon_active:
            await self._send_instead(asked, result, letters.REGISTERED)
        elif not await self._keep(asked, result):
            await self._send_instead(asked, result, letters.UNDER_WAY)
        return True

    async def _keep(self, asked: Asked, result: Proven | Discrepancy | NotEligible) -> bool:
        """The claim comes first: of two at the same time one has the letter. False where one goes on already."""
        id, seconds = self._registrations.id_of(result.enrolled), self._parts.settings.email_link_hours * 3600
        file = None if asked.proof is None else await self._registrations.files.keep(asked.proof, seconds)
        is_proven, entered = isinstance(result, Proven), entered_of(asked, result.enrolled, file)
        registration = Registration(
            id=id,
            beneficiary=asked.beneficiary,
            task=None,
            account=None,
            username=asked.username,
            login=asked.login,
            password_hash=asked.password_hash,
            email=asked.email,
            sealed=self._registrations.seal(id, entered),
            sponsor=None,
            status="requested" if is_proven else "on-hold",
            created_at=self._parts.now(),
            decided_at=None,
        )
        if not await self._registrations.claim(registration, is_proven):
            await self._registrations.files.erase(file)
            return False
        await self._send_link(asked, registration)
        return True

    async def _send_instead(self, asked: Asked, result: Proof, text: str) -> None:
        """Tell it to who is proven. To whoever differs in a name it must not be said that there is anybody."""
        if isinstance(result, Proven):
            await self._registrations.send(asked.email, "Your registration", text)
        else:
            await self._send_link(asked)

    async def _send_link(self, asked: Asked, registration: Registration | None = None) -> None:
        """The letter that everybody gets, with a link that leads to this registration or, the same to see, to none.

        A newer one for the same address and number ends the one before, whether or not they are anybody's.
        """
        waiting = Waiting(
            username=asked.username,
            password_hash=asked.password_hash,
            email=asked.email,
            registration=None if registration is None else registration.id,
            created_at=0 if registration is None else registration.created_at,
        )
        hours, portal = self._parts.settings.email_link_hours, self._parts.portal
        subject = portal.seal.keyed_digest(f"{asked.email.casefold()} {asked.typed.ssn}")
        content = msgspec.json.encode(waiting).decode()
        token = await self._parts.mail_links.issue(PURPOSE, subject, hours * 3600, content)
        await self._registrations.send(
            asked.email, "Confirm your registration", letters.confirm(asked.origin, token, hours)
        )

    async def waiting(self, link: MailLink) -> Waiting:
        """What a link stands for. One whose registration was displaced leads to none, and does not show it."""
        waiting = msgspec.json.decode(self._parts.mail_links.content(link), type=Waiting)
        nobody = msgspec.structs.replace(waiting, registration=None)
        registration = await self._registrations.get(waiting.registration or "")
        if registration is not None and registration.account is None and registration.decided_at is None:
            # Kept at another moment it is another one, which has taken its place.
            return waiting if registration.created_at == waiting.created_at else nobody
        return nobody

    async def tell_nobody(self, waiting: Waiting) -> None:
        """The letter past a link that led to no registration."""
        await self._parts.note("registration", "e-mail address confirmed, but nobody's registration", is_failure=True)
        await self._registrations.send(waiting.email, "Your registration", letters.NOT_RECOGNIZED)
