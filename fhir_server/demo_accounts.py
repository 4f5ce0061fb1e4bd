"""The demo accounts and apps, in a database that has the demo population: added once, whoever starts and however often.

Who removes one of them does not find it again after the next start.
"""

from datetime import date

import structlog

from fhir_server.store import populations
from fhir_server.store.mongo import Database
from seeds import accounts as seeds
from seeds.registry import enrolled
from smart_auth.authorization import Authorization
from smart_auth.client_metadata import checked
from smart_auth.identity.accounts import LoginTaken
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.identity.persons import PersonTaken
from smart_auth.random_secrets import new_id
from smart_auth.records import Client

ACCOUNTS = "demo accounts"
"""What is remembered of them is remembered as of a population of this name."""

log = structlog.get_logger()


async def demo_accounts_loaded(database: Database) -> bool:
    """Whether they were added to this database."""
    begun = await populations.read(database, ACCOUNTS)
    return begun is not None and begun.is_complete


async def add_demo_accounts(database: Database, authorization: Authorization, today: date) -> bool:
    """Add them where that was never done, and what the embedded registry knows of the population; whether this call
    did. One that is there already stays as it is.
    """
    if await demo_accounts_loaded(database):
        return False
    await populations.begin(database, ACCOUNTS, today)
    if isinstance(authorization.portal.registry, EmbeddedRegistry):
        await authorization.portal.registry.seed(enrolled(today))
    for user in seeds.users():
        await _add(authorization, user)
    for client in seeds.clients():
        if await authorization.clients.get(client.client_id) is None:
            await authorization.clients.add(checked(as_client(client)), secret=client.client_secret)
    await populations.complete(database, ACCOUNTS)
    return True


async def _add(authorization: Authorization, user: seeds.User) -> None:
    """As somebody whose contact data are verified and who accepted the conditions of use: nothing is due."""
    now, id = authorization.now(), new_id()
    secret = user.totp_secret
    try:
        account = await authorization.accounts.add(
            user.username,
            user.password,
            user.kind,
            name=user.name,
            fhir_user=user.fhir_user,
            patients=user.patients,
            agency=user.agency,
            level=user.level,
            email=f"{user.username}@example.org",
            added_by="seed",
            totp_secret=None if secret is None else authorization.portal.seal.sealed(secret, id),
            contact_verified_at=now,
            conditions_version=authorization.settings.conditions_version,
            id=id,
        )
    except LoginTaken:
        log.info("a demo account is there already", username=user.username)
        return
    await authorization.accounts.change(account.id, email_verified_at=now)
    # Whoever has a logon of level 1 has proved to be nobody yet.
    dod_id = seeds.dod_id(user.patients[0]) if user.patients and user.level == "level2" else None
    if dod_id is None:
        return
    try:
        await authorization.persons.bind(account, dod_id, user.patients[0], user.level)
    except PersonTaken:
        log.info("somebody else stands for this person", username=user.username)


def as_client(client: seeds.Client) -> Client:
    """A demo app as it is registered."""
    return Client(
        id=client.client_id,
        name=client.client_name,
        scope=client.scope,
        redirect_uris=client.redirect_uris,
        grant_types=client.grant_types,
        auth_method=client.token_endpoint_auth_method,
        jwks=client.jwks,
        initiate_login_uri=client.initiate_login_uri,
        agency=client.agency,
        purposes=client.purposes,
        may_see_ssn=client.may_see_ssn,
        may_introspect=client.may_introspect,
        registered_by="seed",
    )
