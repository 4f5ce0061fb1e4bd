"""Notices by e-mail: that a message waits, a visit comes near, a renewal was decided. None says what it is about.

They are written with what they tell of (store/notices.py); here they become letters, once each, when they are due.
docs/people/mail.md, docs/adr/0029-an-outbox-for-mail.md
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from fhir_server.care import reminders
from fhir_server.care.contact import telecom_value
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Notice
from fhir_server.interactions.context import Server
from fhir_server.interactions.proxy_relation import proxied
from fhir_server.record_writer import RecordWriter
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.search.parameter_types.reference import located
from fhir_server.store import notices, related, resources
from fhir_server.store.notices import Letter
from fhir_server.store.related import Naming
from smart_auth.documents import Documents
from smart_auth.mail import Message, Outbox, is_address
from smart_auth.records import ACCOUNTS, Account, read

POLL_SECONDS = 2.0
_AT_A_TIME = 100
_LATER_MILLISECONDS = 60_000
_MOST_RELATIVES = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wording:
    """Subject and first sentence of a kind of letter."""

    subject: str
    text: str


WORDINGS: Mapping[str, Wording] = {
    "message": Wording("A new message waits for you", "A new secure message waits for you."),
    "visit-reminder": Wording("You have a visit soon", "You have a visit within the next day or two."),
    "renewal-approved": Wording("News of your request", "A request of yours was decided."),
    "renewal-denied": Wording("News of your request", "A request of yours was decided."),
    "reminder": Wording("A reminder that you set", "A reminder that you set for yourself is due."),
}
"""By the kind of a notice. Which request, and how it was decided, is nobody's to read in a mailbox."""

_NOTHING_ELSE = (
    "This mail says nothing else, so that nobody who reads it along learns of your health. Do not answer it."
)

_OTHER = Wording("News in your health portal", "There is something new for you.")


class Notices:
    """Makes letters of the notices that are due. Every worker does; each notice is one worker's."""

    def __init__(
        self,
        server: Server,
        writer: RecordWriter,
        documents: Documents,
        outbox: Outbox | None,
        portal: str,
        help_desk: str,
        moment: Callable[[], int] = lambda: to_milliseconds(now()),
    ) -> None:
        self._server = server
        self._writer = writer
        self._documents = documents
        self._outbox = outbox
        self._portal = portal
        self._help_desk = help_desk
        self._moment = moment

    async def run(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            try:
                await self.deliver_due()
            except Exception as error:
                # The database is away: what is kept there waits for it.
                log.warning("notices cannot be told at the moment", kind=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def deliver_due(self) -> int:
        """Make letters of the notices whose time has come; of how many. One that cannot be told waits a while, so that
        it keeps no other from being told. Raises FhirError 503 where the database is away.
        """
        database = self._server.database
        found = await notices.due(database, self._moment(), _AT_A_TIME)
        for notice in found:
            try:
                await self._deliver(notice)
            except Exception as error:
                log.warning("a notice cannot be told at the moment", notice=notice.kind, kind=type(error).__name__)
                await notices.put_off(database, notice, self._moment() + _LATER_MILLISECONDS)
        return len(found)

    async def _deliver(self, notice: Notice) -> None:
        letters: list[Letter] = []
        if await self._holds(notice):
            letters = [] if self._outbox is None else await self._letters(notice, self._outbox)
            await self._give(notice)
        await notices.hand_over(self._server.database, notice, letters)

    async def _holds(self, notice: Notice) -> bool:
        """Whether what it tells of is still so."""
        if not notice.about:
            return True
        type, _, id = notice.about.partition("/")
        resource = await self._read(type, id)
        if resource is None or not notice.state or resource.get("status") == notice.state:
            return resource is not None
        # It was given already: by a worker that died before the letter was written, to another one whom it is for too,
        # or by a worker that is about to write it.
        return type == "CommunicationRequest" and await self._read("Communication", _given(notice)) is not None

    async def _give(self, notice: Notice) -> None:
        """Put a reminder into the record of whose it is, and close it. Whoever comes second finds it done."""
        type, _, id = notice.about.partition("/")
        if type != "CommunicationRequest":
            return
        kept = await self._writer.read(type, id)
        if kept is None:
            return
        request, version = kept
        if request.get("status") != notice.state:
            return
        done, given = reminders.fired(request, now())
        context = self._writer.context("server", notice.place, notice.place.removeprefix("Patient/"))
        documents = [
            self._writer.put(context, done, id, if_version=version),
            self._writer.put(context, given, _given(notice), creates_only=True),
        ]
        try:
            await self._writer.commit(context, *documents)
        except FhirError as error:
            if error.status != 412:
                raise

    async def _letters(self, notice: Notice, outbox: Outbox) -> list[Letter]:
        wording = WORDINGS.get(notice.kind, _OTHER)
        text = f"{wording.text}\n\nTo see it, sign in: {self._portal}\n\n{_NOTHING_ELSE} {self._help_desk}".rstrip()
        letters = []
        for address in await self._addresses(notice.place):
            kept = outbox.letter(Message(address, wording.subject, f"{text}\n"), f"{notice.id} {address}")
            letters.append(Letter(kept.id, kept.document))
        return letters

    async def _addresses(self, place: str) -> list[str]:
        """Where the account of a person is told; of a patient without one, those who act for that one."""
        type, _, id = place.partition("/")
        if type == "RelatedPerson":
            return await self._of_patients(await self._patients_of_relative(id))
        if type == "Practitioner":
            return await self._of_accounts({"fhir_user": place}, "Practitioner", id)
        if type != "Patient":
            return []
        return await self._of_patients([id]) or await self._of_patients(await self._acting_for(id))

    async def _of_patients(self, patients: Sequence[str]) -> list[str]:
        found = [await self._of_accounts({"patients": id}, "Patient", id) for id in patients]
        return list(dict.fromkeys(address for each in found for address in each))

    async def _of_accounts(self, equal: Mapping[str, str], type: str, id: str) -> list[str]:
        """The confirmed address of each account of a person, or that of the record."""
        accounts = [read(Account, each) for each in await self._documents.find(ACCOUNTS, equal)]
        own = [each for each in accounts if not each.is_disabled and (type != "Patient" or each.patients[:1] == (id,))]
        if not own:
            return []
        confirmed = [each.email for each in own if each.email and each.email_verified_at is not None]
        if not confirmed:
            record = await self._read(type, id)
            confirmed = [] if record is None else [telecom_value(record, "email", now().date())]
        return [each for each in dict.fromkeys(confirmed) if is_address(each)]

    async def _acting_for(self, patient: str) -> list[str]:
        """The patients who act for one who has no account, and see all of that record."""
        naming = Naming("RelatedPerson", (f"patient|Patient/{patient}",), without=("active|false|",))
        rows = await related.owned_rows(self._server.database, naming, _MOST_RELATIVES)
        found: dict[str, None] = {}
        for row in rows:
            for relative in await self._patients_of_relative(row.id):
                acts = await proxied(self._server, (relative,))
                if any(each.patient == patient and not each.without_labels for each in acts):
                    found[relative] = None
        return list(found)

    async def _patients_of_relative(self, related_person: str) -> list[str]:
        """The own Patients of whom a RelatedPerson is, by the Person that links them."""
        database = self._server.database
        naming = Naming("Person", (f"relatedperson|RelatedPerson/{related_person}",))
        rows = await related.owned_rows(database, naming, _MOST_RELATIVES)
        bodies = await related.bodies(database, "Person", [row.id for row in rows])
        found: dict[str, None] = {}
        for _, body in bodies.values():
            for link in decode(body).get("link", ()):
                place = located(str((link.get("target") or {}).get("reference") or ""), self._server.own_bases)
                if place is not None and place.startswith("Patient/"):
                    found[place.removeprefix("Patient/")] = None
        return list(found)

    async def _read(self, type: str, id: str) -> Resource | None:
        row = await resources.read(self._server.database, type, id)
        return None if row is None or row.body is None else decode(row.body)


def _given(notice: Notice) -> str:
    """The id of the Communication that gives a reminder: one for all whom it is for."""
    reminder = notice.id.removesuffix(f"/{notice.place}")
    return "reminder-" + hashlib.sha256(reminder.encode()).hexdigest()[:40]
