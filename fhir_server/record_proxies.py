"""Families in the record: the Proxies of smart_auth (smart_auth/identity/proxies.py says what each means)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from fhir_server.care.contested import contested, review_id, review_of
from fhir_server.care.human_name import name_in_use
from fhir_server.care.own_consent import consent_id, own_consent
from fhir_server.care.proxies import band, decided_by, lets_act, without_actor
from fhir_server.care.proxies import proxied as acts
from fhir_server.care.registration_tasks import REGISTRATION, SYSTEM, dod_ids, sponsor_of
from fhir_server.care.relationships import of_patient, to_patient
from fhir_server.core.instant import format_instant, now
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.interactions.proxy_relation import active_consents, proxied, relations
from fhir_server.record_writer import PORTAL, RecordWriter
from fhir_server.store import related as related_rows
from fhir_server.store.related import Naming
from smart_auth.identity.proxies import NoSuchRelation, Relative, Represented
from smart_auth.records import Account

MOST_RELATIVES = 100

_Write = Callable[[Account, str, str], Awaitable[None]]

_LOST = frozenset({409, 412})
_ATTEMPTS = 3


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class RecordProxies:
    """Reads and changes who acts for whom."""

    writer: RecordWriter
    today: Callable[[], date] = _today

    async def acts_for(self, patients: Sequence[str]) -> tuple[str, ...]:
        """At most a second old. Raises FhirError 503 without a database."""
        return tuple(each.patient for each in await proxied(self.writer.server, patients))

    async def represented(self, patients: Sequence[str]) -> list[Represented]:
        """Of who is a relative twice over, the first."""
        found: dict[str, Represented] = {}
        server = self.writer.server
        for each in await relations(server, patients):
            seen = each.seen(server, self.today())
            if seen is not None and seen.patient not in found:
                found[seen.patient] = Represented(
                    seen.patient,
                    str(each.related_person["id"]),
                    of_patient(each.related_person),
                    bool(seen.without_labels),
                )
        return list(found.values())

    async def relatives_of(self, patient: str) -> list[Relative]:
        """By name; at most MOST_RELATIVES."""
        kept = await self.writer.read("Patient", patient) if is_id(patient) else None
        if kept is None:
            return []
        consents = (await active_consents(self.writer.server, (patient,)))[patient]
        found = [self._relative(kept[0], each, consents) for each in await self._beside(patient)]
        return sorted(found, key=lambda each: (not each.acts, not each.is_active, each.name.casefold(), each.id))

    async def revoke(self, account: Account, patient: str, related: str) -> None:
        """The Consents no longer name the relative, or become inactive, all at once. Raises NoSuchRelation, FhirError
        503.
        """
        for _ in range(_ATTEMPTS):
            if await self._is_written(self._revoked, account, patient, related):
                return
        raise NoSuchRelation

    async def let(self, account: Account, patient: str, related: str) -> None:
        """The patient's own Consent names the relative. Raises NoSuchRelation, FhirError 503."""
        for _ in range(_ATTEMPTS):
            if await self._is_written(self._let, account, patient, related):
                return
        raise NoSuchRelation

    async def contest(self, account: Account, patient: str, related: str) -> None:
        """The RelatedPerson is no longer active, and a Task of review waits. Raises NoSuchRelation, FhirError 503."""
        for _ in range(_ATTEMPTS):
            if await self._is_written(self._contested, account, patient, related):
                return
        raise NoSuchRelation

    async def _is_written(self, write: _Write, account: Account, patient: str, related: str) -> bool:
        """False where another write won, so that it must be looked at anew."""
        if account.kind != "patient" or not (is_id(patient) and is_id(related)) or not account.patients:
            raise NoSuchRelation
        try:
            await write(account, patient, related)
        except FhirError as error:
            if error.status in _LOST:
                return False
            raise
        return True

    async def _revoked(self, account: Account, patient: str, related: str) -> None:
        whose, is_self = await self._concerned(account, patient, related)
        context = self.writer.context(account.id, account.fhir_user, patient)
        documents = []
        for each in (await active_consents(self.writer.server, (patient,)))[patient]:
            if not lets_act(each, patient, related, self.today(), self._bases):
                continue
            if not is_self and not decided_by(each, whose, self.today(), self.writer.server.age_bands, self._bases):
                continue
            version = int(each["meta"]["versionId"])
            ended = without_actor(each, related, self._bases)
            documents.append(self.writer.put(context, ended, str(each["id"]), if_version=version))
        if not documents:
            raise NoSuchRelation
        await self.writer.commit(context, *documents)

    async def _let(self, account: Account, patient: str, related: str) -> None:
        whose, is_self = await self._concerned(account, patient, related)
        kept = await self.writer.read("RelatedPerson", related)
        consents = (await active_consents(self.writer.server, (patient,)))[patient]
        if is_self or kept is None:
            raise NoSuchRelation
        found = self._relative(whose, kept[0], consents)
        if found.acts:
            return
        if not found.can_be_let:
            raise NoSuchRelation
        id, context = consent_id(patient, related), self.writer.context(account.id, account.fhir_user, patient)
        held = await self.writer.read("Consent", id)
        given = own_consent(patient, related, format_instant(now()))
        put = self.writer.put
        if held is None:
            await self.writer.commit(context, put(context, given, id, creates_only=True))
        else:
            await self.writer.commit(context, put(context, given, id, if_version=held[1]))

    async def _contested(self, account: Account, patient: str, related: str) -> None:
        whose, _ = await self._concerned(account, patient, related)
        kept = await self.writer.read("RelatedPerson", related)
        if kept is None or kept[0].get("active") is not True:
            raise NoSuchRelation
        resource, version = kept
        context = self.writer.context(account.id, account.fhir_user, patient)
        by, came_by = account.fhir_user or f"Patient/{account.patients[0]}", await self._registration(patient, resource)
        task = review_of(whose, resource, by, format_instant(now()), came_by)
        await self.writer.commit(
            context,
            self.writer.put(context, contested(resource), related, if_version=version),
            self.writer.put(context, task, review_id(related, version), creates_only=True),
        )

    async def _registration(self, patient: str, related: Resource) -> str | None:
        """The id of the completed registration that somebody with the same number as this relative asked for."""
        known = dod_ids(related)
        pairs = [("code", f"{SYSTEM}|{REGISTRATION}"), ("patient", f"Patient/{patient}"), ("status", "completed")]
        for task in await self.writer.found(self.writer.context(PORTAL), "Task", pairs):
            sponsor = await self.writer.read("Patient", sponsor_of(task) or "-")
            if f"{task['id']}-sponsor" == related["id"] or (sponsor is not None and known & dod_ids(sponsor[0])):
                return str(task["id"])
        return None

    async def _concerned(self, account: Account, patient: str, related: str) -> tuple[Resource, bool]:
        """The Patient, and whether the account is the relative; the patient themselves otherwise.

        Raises NoSuchRelation for anybody else.
        """
        kept = await self.writer.read("Patient", patient)
        if kept is None:
            raise NoSuchRelation
        own = account.patients[:1]
        if own == (patient,):
            if related in {str(each["id"]) for each in await self._beside(patient)}:
                return kept[0], False
            raise NoSuchRelation
        for each in await relations(self.writer.server, own):
            if each.related_person["id"] == related and each.patient["id"] == patient:
                return kept[0], True
        raise NoSuchRelation

    def _relative(self, patient: Resource, person: Resource, consents: tuple[Resource, ...]) -> Relative:
        server, today = self.writer.server, self.today()
        id = str(person["id"])
        seen = acts(patient, person, consents, today, server.age_bands, self._bases)
        can_be_revoked = any(
            lets_act(each, str(patient["id"]), id, today, self._bases)
            and decided_by(each, patient, today, server.age_bands, self._bases)
            for each in consents
        )
        name = name_in_use(person) or "Somebody without a name"
        is_active = person.get("active") is True
        # What somebody would see by the patient's word of today: a deny of another Consent is not undone by it.
        given = {**own_consent(str(patient["id"]), id, format_instant(now())), "id": consent_id(str(patient["id"]), id)}
        is_of_age = band(patient, today, server.age_bands) == "adult" and "birthDate" in patient
        lets = is_of_age and acts(patient, person, (*consents, given), today, server.age_bands, self._bases) is not None
        can_be_let = seen is None and lets and "deceasedDateTime" not in patient
        return Relative(id, name, to_patient(person), is_active, can_be_revoked, seen is not None, can_be_let)

    async def _beside(self, patient: str) -> list[Resource]:
        database = self.writer.server.database
        naming = Naming("RelatedPerson", (f"patient|Patient/{patient}",))
        rows = await related_rows.owned_rows(database, naming, MOST_RELATIVES)
        return [kept[0] for row in rows if (kept := await self.writer.read("RelatedPerson", row.id)) is not None]

    @property
    def _bases(self) -> tuple[str, ...]:
        return self.writer.server.own_bases
