"""The page on which people see what they let apps do, and end it.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata (management_endpoint)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from smart_auth.errors import OAuthError
from smart_auth.identity.assurance import reaches
from smart_auth.pages.render import page
from smart_auth.records import GRANTS, Account, Grant
from smart_auth.scope_words import deeds, scope_words, special_words
from smart_auth.scopes import SPECIAL, resource_scopes
from smart_auth.visit import Visit, see

SIGN_IN = "/auth/login?next=manage"
HERE = "/auth/manage"


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant as it is shown: whose record it is about, when it was given (ISO 8601), what it lets do."""

    grant: Grant
    patient: str
    given: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class App:
    """An app with what it was granted; `name` is its id where it is no longer registered."""

    id: str
    name: str
    granted: tuple[Granted, ...]


async def manage(visit: Visit) -> Response:
    """GET shows, POST ends one grant (`grant`) or all of an app (`client`). Raises OAuthError for another's grant."""
    if visit.account is None:
        return see(SIGN_IN)
    grants = await visit.parts.grants.of_account(visit.account.id)
    if not visit.is_post:
        return await _page(visit, visit.account, grants)
    visit.check_form()
    id, client_id = visit.value("grant"), visit.value("client")
    ended = [grant for grant in grants if grant.id == id or (client_id and grant.client_id == client_id)]
    if not ended and not await _is_over(visit, visit.account, id):
        raise OAuthError(400, "invalid_request", "There is no such access, or it is not yours.")
    for grant in ended:
        await visit.parts.grants.revoke(grant.id)
        await visit.parts.note(
            "revoke",
            "ended by the person who had granted it",
            client_id=grant.client_id,
            account=visit.account,
            patient=grant.patient,
        )
    return see(f"{HERE}?ended=yes")


async def _is_over(visit: Visit, account: Account, id: str) -> bool:
    """Whether a grant of this person had ended already, so that who clicks twice hears the same."""
    document = await visit.parts.documents.get(GRANTS, id) if id else None
    return document is not None and document.get("account") == account.id


async def _page(visit: Visit, account: Account, grants: Sequence[Grant]) -> Response:
    values = {
        "account": account,
        "apps": await _apps(visit, grants),
        "ended": visit.value("ended") == "yes",
        "can_launch": account.kind == "practitioner",
        "can_upgrade": _can_upgrade(visit, account),
        "links": _links(visit, account, visit.session is not None and reaches(visit.session.acr, "level2")),
        "csrf": visit.csrf,
    }
    return page("manage.html", values)


def _can_upgrade(visit: Visit, account: Account) -> bool:
    portal = visit.parts.portal
    return account.kind == "patient" and account.level == "level1" and None not in (portal.registry, portal.registrar)


def _links(visit: Visit, account: Account, is_sure: bool) -> list[tuple[str, str]]:
    """The pages on which this person changes how they sign in, and for whom they act: path and words of each.

    `is_sure` of whose session has a level at which there are records.
    """
    portal, has_password = visit.parts.portal, bool(account.password_hash)
    has_record = account.kind == "patient" and bool(account.patients) and is_sure
    registers = portal.registrar is not None and portal.registry is not None
    is_staff = account.kind == "practitioner" and account.fhir_user is not None
    links = (
        ("/auth/logon/password", "Change your password", has_password),
        ("/auth/one-time-codes", "One-time codes", has_password),
        ("/auth/contact", "Contact data and e-mail address", has_record and portal.contacts is not None),
        ("/auth/cards", "Your cards", portal.cards is not None),
        ("/auth/card/register?next=cards", "Register a PIV card", None not in (portal.cards, portal.registry)),
        *((f"/auth/provider/{each.name}?next=manage", f"Sign-in by {each.label}", True) for each in portal.providers),
        ("/auth/family", "Your family", has_record and portal.proxies is not None),
        ("/auth/family/enroll", "Enroll a dependent", has_record and registers),
        ("/auth/registrations", "Registrations that wait for staff", is_staff and registers),
        ("/auth/logon/deactivate", "Deactivate your DS Logon", has_password),
    )
    return [(path, words) for path, words, is_shown in links if is_shown]


async def _apps(visit: Visit, grants: Sequence[Grant]) -> list[App]:
    ids = list(dict.fromkeys(grant.patient for grant in grants if grant.patient is not None))
    names = {each.id: each.name for each in await visit.parts.directory.patients(ids)} if ids else {}
    apps = []
    for client_id in dict.fromkeys(grant.client_id for grant in grants):
        client = await visit.parts.clients.get(client_id)
        theirs = tuple(_granted(each, names) for each in grants if each.client_id == client_id)
        apps.append(App(client_id, client_id if client is None else client.name, theirs))
    return sorted(apps, key=lambda app: app.name.casefold())


def _granted(grant: Grant, names: dict[str, str]) -> Granted:
    given = datetime.fromtimestamp(grant.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    patient = "" if grant.patient is None else names.get(grant.patient, grant.patient)
    special = [special_words(scope)[0] for scope in grant.scopes if scope in SPECIAL]
    resources = [f"{scope_words(scope)}: {deeds(scope.permissions)}" for scope in resource_scopes(grant.scopes)]
    # `patient/` and `user/` of the same type are the same words.
    return Granted(grant, patient, given, tuple(dict.fromkeys((*resources, *special))))
