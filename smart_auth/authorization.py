"""The parts of the authorization server, put together once for a worker."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.routing import Route

from smart_auth.audit import AuditTrail, AuthEvent, AuthEventKind
from smart_auth.client_assertions import ClientAssertions
from smart_auth.client_authentication import ClientAuthentication
from smart_auth.clients import Clients
from smart_auth.directory import Directory
from smart_auth.documents import Documents
from smart_auth.floods import Floods
from smart_auth.grants import Grants
from smart_auth.guard import TokenGuard
from smart_auth.identity.accounts import Accounts
from smart_auth.identity.cards import CardBindings
from smart_auth.identity.one_time_codes import OneTimeCodes
from smart_auth.identity.password_policy import PasswordPolicy
from smart_auth.identity.persons import Persons
from smart_auth.identity.sessions import Sessions
from smart_auth.jwks_of_clients import FetchJwks, JwksOfClients, fetch_jwks
from smart_auth.key_seal import KeySeal
from smart_auth.keys import Keys, SigningKey
from smart_auth.limits import Limits
from smart_auth.mail_links import MailLinks
from smart_auth.portal import Portal
from smart_auth.records import Account, Client, Grant
from smart_auth.request_id import request_id
from smart_auth.revocations import Revocations
from smart_auth.settings import SmartSettings
from smart_auth.tokens import AccessTokens


@dataclass(frozen=True, slots=True)
class Authorization:
    """Everything an endpoint or page needs. `base_of` is the FHIR base by which a request's sender knows the server."""

    documents: Documents
    directory: Directory
    audit: AuditTrail
    settings: SmartSettings
    now: Callable[[], int]
    is_own_base: Callable[[str], bool]
    base_of: Callable[[Request], str]
    keys: Keys
    tokens: AccessTokens
    revocations: Revocations
    limits: Limits
    floods: Floods
    clients: Clients
    authentication: ClientAuthentication
    grants: Grants
    accounts: Accounts
    sessions: Sessions
    guard: TokenGuard
    portal: Portal
    persons: Persons
    card_bindings: CardBindings
    mail_links: MailLinks
    one_time_codes: OneTimeCodes
    password_policy: PasswordPolicy

    @classmethod
    def compose(
        cls,
        documents: Documents,
        directory: Directory,
        audit: AuditTrail,
        settings: SmartSettings,
        now: Callable[[], int],
        is_own_base: Callable[[str], bool],
        base_of: Callable[[Request], str],
        fetch: FetchJwks = fetch_jwks,
        seal: KeySeal | None = None,
        *,
        portal: Portal | None = None,
        blocked_passwords: Path | None = None,
    ) -> "Authorization":
        """The parts over these documents; all workers that share them act as one, and have the same `seal` and the
        same seal of the `portal`. `blocked_passwords` is a file of more passwords that nobody may choose.
        """
        portal = portal or Portal()
        accounts = Accounts(documents, now)
        lifetimes = (settings.access_token_seconds, settings.system_access_token_seconds, settings.id_token_seconds)
        revocations = Revocations(documents, now)
        keys = Keys(documents, now, max(lifetimes), revocations.is_key_revoked, seal)
        tokens = AccessTokens(keys, settings, now, is_own_base)
        limits = Limits(documents, settings, now)
        floods = Floods(audit, now)
        clients = Clients(documents, now, revocations)
        assertions = ClientAssertions(documents, clients, JwksOfClients(fetch, settings, now), settings, now)
        return cls(
            documents=documents,
            directory=directory,
            audit=audit,
            settings=settings,
            now=now,
            is_own_base=is_own_base,
            base_of=base_of,
            keys=keys,
            tokens=tokens,
            revocations=revocations,
            limits=limits,
            floods=floods,
            clients=clients,
            authentication=ClientAuthentication(clients, assertions),
            grants=Grants(documents, tokens, revocations, settings, now),
            accounts=accounts,
            sessions=Sessions(documents, settings, now),
            guard=TokenGuard(tokens, revocations, limits, floods),
            portal=portal,
            persons=Persons(documents, accounts, portal.seal, now),
            card_bindings=CardBindings(documents, accounts, now),
            mail_links=MailLinks(documents, portal.seal, now),
            one_time_codes=OneTimeCodes(documents, portal.seal, now),
            password_policy=PasswordPolicy.of(settings, blocked_passwords),
        )

    def routes(self) -> list[Route]:
        """The routes of all endpoints and pages."""
        # The endpoints are written against this class, so they can be imported only after it.
        from smart_auth.app import routes

        return routes(self)

    async def run(self) -> None:
        """The work in the background, until cancelled: revocations, CORS origins and shared counts kept current,
        floods told, mail sent, registrations followed up.
        """
        parts = self.revocations, self.clients, self.limits, self.floods, self.portal.mail
        work = [each.run() for each in parts]
        registrar = self.portal.registrar
        if registrar is not None and self.portal.registry is not None:
            # Not above: it needs this module.
            from smart_auth.registrations import Registrations

            work += [registrar.run(), Registrations(self, registrar).run()]
        await asyncio.gather(*work)

    async def end(self) -> None:
        """Tell the audit log what is not told yet."""
        await self.floods.end()

    async def replace_keys(self) -> SigningKey:
        """Sign by a new key, and end within a second, on all workers, whatever was signed by another."""
        newest = await self.keys.rotate()
        for kid in await self.keys.before(newest):
            # For good: whoever has a stolen key writes into a token until when it is to last.
            await self.revocations.revoke("key", kid, None)
        await self.keys.forget_before(newest)
        return newest

    async def standing(self, grant_id: str) -> tuple[Grant, Account] | None:
        """A grant that still stands, and whose it is: an account in use that acts for the patient to this day."""
        grant = await self.grants.find(grant_id)
        account = None if grant is None or grant.account is None else await self.accounts.get(grant.account)
        if grant is None or account is None or account.is_disabled:
            return None
        # What a card opened stays by a card when it counts for less by now.
        is_by_card = grant.acr == "card" or "sc" in grant.amr
        if not account.is_logon_active and not is_by_card:
            # Granted at the same moment as the DS Logon was deactivated, at another worker.
            return None
        if account.kind != "patient" or grant.patient is None or grant.patient in account.patients:
            return grant, account
        # A relative's record: whether they act for it is asked of the records each time.
        return (grant, account) if grant.patient in await self.patients_of(account) else None

    async def patients_of(self, account: Account) -> tuple[str, ...]:
        """The Patients that an account acts for now: those it was given, and whoever's relative its own one is."""
        if self.portal.proxies is None or account.kind != "patient" or not account.patients:
            return account.patients
        # Only the own record leads to relatives; whoever an administrator named stands for themselves alone.
        found = await self.portal.proxies.acts_for(account.patients[:1])
        return tuple(dict.fromkeys((*account.patients, *found)))

    async def count_token_request(self, client: Client, request: Request) -> None:
        """Raises OAuthError slow_down where this client asks too often.

        Anybody can call itself by the name of a public client, so that one is counted by address as well: nobody keeps
        its other users out.
        """
        address = request.client.host if client.auth_method == "none" and request.client else ""
        await self.limits.take("token", f"{client.id} {address}", self.settings.token_requests_per_minute)

    async def note(
        self,
        kind: AuthEventKind,
        text: str,
        *,
        client_id: str | None = None,
        account: Account | None = None,
        patient: str | None = None,
        is_failure: bool = False,
    ) -> None:
        """Write an event to the audit log; it is durable when this returns."""
        event = AuthEvent(
            kind=kind,
            at=self.now(),
            outcome="failed" if is_failure else "ok",
            account=None if account is None else account.id,
            client_id=client_id,
            fhir_user=None if account is None else account.fhir_user,
            patient=patient,
            text=text,
            request_id=request_id(),
        )
        await self.audit.record(event)
