"""What the sign-in of beneficiaries stands on, made of the settings: the records, the registry, mail and cards."""

import time

from fhir_server.card_trust import card_trust
from fhir_server.interactions.context import Server
from fhir_server.mailing import Relay, mail_of
from fhir_server.record_conditions import RecordConditions
from fhir_server.record_contacts import RecordContacts
from fhir_server.record_proxies import RecordProxies
from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar, RegistrySponsoring
from fhir_server.settings import Settings
from fhir_server.store import keys
from fhir_server.store.audit import Auditor
from smart_auth.documents import Documents
from smart_auth.identity.eligibility import EligibilityRegistry
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.identity.eligibility_http import HttpRegistry
from smart_auth.identity.password_policy import PasswordPolicy
from smart_auth.identity.providers import Provider, providers_of
from smart_auth.portal import Portal
from smart_auth.sealing import Seal
from smart_auth.settings import SmartSettings


def portal_refusal(settings: Settings) -> str | None:
    """Why sign-in cannot stand on these settings, in a sentence for whoever runs the server; None where it can.

    Reads the files that they name, and asks nobody.
    """
    try:
        card_trust(settings)
        _conditions(settings)
        _providers(settings)
        _relay(settings)
        _blocked_passwords(settings)
    except ValueError as error:
        return str(error)
    return None


async def portal_of(settings: Settings, server: Server, auditor: Auditor, documents: Documents) -> Portal:
    """The portal of one process. Raises ValueError, in words for whoever runs the server, for what cannot be used."""
    seal = await _seal(settings, server)
    writer = RecordWriter(server, auditor, server.own_bases[0])
    registry = _registry(settings, documents, seal)
    return Portal(
        seal=seal,
        mail=mail_of(settings, documents, seal, lambda: int(time.time())),
        help_desk=settings.help_desk,
        cards=card_trust(settings),
        providers=_providers(settings),
        contacts=RecordContacts(writer),
        conditions=RecordConditions(writer, _conditions(settings)),
        proxies=RecordProxies(writer),
        registry=registry,
        registrar=RecordRegistrar(writer, settings.proxy_adult_years, RegistrySponsoring(registry)),
    )


async def _seal(settings: Settings, server: Server) -> Seal:
    """Of the key outside the database, if there is one: whoever has a copy of the database alone opens nothing then."""
    path = settings.key_encryption_key_file
    return Seal(await keys.server_key(server.database, "secrets") if path is None else path.read_bytes())


def _registry(settings: Settings, documents: Documents, seal: Seal) -> EligibilityRegistry:
    if settings.registry_url is None:
        return EmbeddedRegistry(documents, seal)
    token = settings.registry_token
    return HttpRegistry(settings.registry_url, None if token is None else token.get_secret_value())


def _providers(settings: Settings) -> tuple[Provider, ...]:
    try:
        return providers_of(settings.providers)
    except ValueError as error:
        raise ValueError(f"FHIR_PROVIDERS is wrong: {error}") from error


def _relay(settings: Settings) -> None:
    if settings.mail_url is not None:
        Relay.of(settings.mail_url.get_secret_value(), settings.mail_from)


def _blocked_passwords(settings: Settings) -> None:
    path = settings.password_blocklist
    try:
        PasswordPolicy.of(SmartSettings(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"FHIR_PASSWORD_BLOCKLIST cannot be read as UTF-8: {path}.") from error


def _conditions(settings: Settings) -> str:
    path = settings.conditions_text
    try:
        return "" if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"FHIR_CONDITIONS_TEXT cannot be read as UTF-8: {path}.") from error
