"""The commands `token` and `keys`: access tokens without a launch, the end of what was granted, a new signing key.

https://www.rfc-editor.org/rfc/rfc9068, https://www.rfc-editor.org/rfc/rfc7009
"""

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fhir_server.cli_auth import account_of, client_of, end_grants, run, show
from fhir_server.cli_start import DATA_DIR, console, settings_of, stop

if TYPE_CHECKING:
    from smart_auth.access import Acr
    from smart_auth.authorization import Authorization
    from smart_auth.records import Account, Client

tokens = typer.Typer(no_args_is_help=True, help="Access tokens: issue one by hand, end what was granted.")
signing_keys = typer.Typer(no_args_is_help=True, help="The keys that tokens are signed with.")

_ON_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/fhir", re.ASCII).fullmatch


@tokens.command("issue")
def issue(
    client: Annotated[str, typer.Option("--client", help="Whose token it is.")],
    scope: Annotated[str, typer.Option("--scope", help="Within what the client is registered for.")],
    user: Annotated[str | None, typer.Option("--user", help="Who it acts for; none for a system client.")] = None,
    patient: Annotated[str | None, typer.Option("--patient", help="The patient in context.")] = None,
    acr: Annotated[
        str, typer.Option("--acr", help="How sure it is who the person is: level1, level2 or card.")
    ] = "level2",
    base: Annotated[
        str | None, typer.Option("--base", help="The FHIR base it is for.  [default: that of the settings]")
    ] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Write an access token to standard output, without a launch."""

    async def make(authorization: "Authorization") -> None:
        from fhir_server.app import own_bases
        from smart_auth.identity.assurance import RANK
        from smart_auth.scopes import at_levels, intersect

        if acr not in RANK:
            stop(f"--acr is one of {', '.join(RANK)}.")
        holder = await client_of(authorization, client)
        account = None if user is None else await account_of(authorization, user)
        if holder.is_disabled or (account is not None and account.is_disabled):
            stop(f"{client if holder.is_disabled else user} is disabled.")
        levels = ("system",) if account is None else ("patient", "user")
        granted = at_levels(intersect(scope.split(), holder.scope.split()), cast("Any", levels))
        if not granted:
            stop(f"{client} is not registered for any of these scopes.")
        settings = settings_of(data_dir=data_dir)
        bases = own_bases(settings)
        where = base or bases[0]
        # The server may listen on another port than this command's settings say.
        if not authorization.is_own_base(where) and (settings.base_url is not None or not _ON_LOOPBACK(where)):
            stop(f"{where} is none of this server's bases: {', '.join(bases)}.")
        about = await _patient_of(authorization, account, granted, patient)
        print(await _minted(authorization, holder, account, granted, about, where, cast("Acr", acr)))  # noqa: T201

    run(make, data_dir)


@tokens.command("revoke")
def revoke(
    token: Annotated[str | None, typer.Argument(metavar="[TOKEN]", help="An access token, or - for stdin.")] = None,
    grant: Annotated[str | None, typer.Option("--grant", help="Everything of one grant.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="Every token of one client.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Every token of one person.")] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """End an access token, or all of a grant, client or person; effective within a second."""
    if sum(each is not None for each in (token, grant, client, user)) != 1:
        stop("Say one of TOKEN, --grant, --client or --user.")

    async def end(authorization: "Authorization") -> None:
        if token is not None:
            await _end_token(authorization, sys.stdin.readline().strip() if token == "-" else token)
        elif grant is not None:
            if await authorization.grants.find(grant) is None:
                stop(f"There is no grant {grant}, or it has ended.")
            await authorization.grants.revoke(grant)
            await authorization.note("revoke", f"grant {grant}, by command")
        elif client is not None:
            await _end_client(authorization, await client_of(authorization, client))
        else:
            account = await account_of(authorization, user or "")
            await end_grants(authorization, await authorization.grants.of_account(account.id))
            await authorization.note("revoke", "all grants, by command", account=account)
        console.print("Revoked.", highlight=False)

    run(end, data_dir)


@signing_keys.command("rotate")
def rotate_keys(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="End every token that was signed by another key, as after a theft.")
    ] = False,
    data_dir: DATA_DIR = None,
) -> None:
    """Sign new tokens with a new key from now on; tokens of the old one stay good until they expire."""

    async def rotate(authorization: "Authorization") -> None:
        key = await (authorization.replace_keys() if at_once else authorization.keys.rotate())
        ended = ", and the end of what others signed" if at_once else ""
        await authorization.note("register", f"new signing key {key.kid}{ended}, by command")
        show({"kid": key.kid})

    run(rotate, data_dir)


async def _patient_of(
    authorization: "Authorization", account: "Account | None", scopes: tuple[str, ...], patient: str | None
) -> str | None:
    """The patient in context, as a launch would have it; ends the command where there can be none."""
    if account is not None and account.kind == "patient":
        if patient is not None and patient not in await authorization.patients_of(account):
            stop(f"{account.username} acts for {', '.join(account.patients) or 'nobody'} alone.")
        if patient is None and len(account.patients) == 1:
            return account.patients[0]
    if patient is not None and not await authorization.directory.patient_exists(patient):
        stop(f"There is no Patient {patient}.")
    if patient is None and any(scope.startswith("patient/") for scope in scopes):
        stop("A patient/ scope is about one record: say --patient.")
    return patient


async def _minted(
    authorization: "Authorization",
    client: "Client",
    account: "Account | None",
    scopes: tuple[str, ...],
    patient: str | None,
    base: str,
    acr: "Acr",
) -> str:
    from smart_auth.random_secrets import new_id
    from smart_auth.records import Grant

    now = authorization.now()
    if account is None:
        grant = Grant(id=new_id(), client_id=client.id, account=None, scopes=scopes, base=base, patient=patient)
    else:
        grant = await authorization.grants.create(
            client=client, account=account, scopes=scopes, base=base, auth_time=now, acr=acr, amr=(), patient=patient
        )
    token, _ = await authorization.tokens.mint(grant, client, account, base)
    await authorization.note("token", "issued by command", client_id=client.id, account=account, patient=patient)
    return token


async def _end_token(authorization: "Authorization", token: str) -> None:
    from smart_auth.access import NotAdmitted

    try:
        access = await authorization.tokens.read(token)
    except NotAdmitted as refused:
        stop(f"That is no access token that is good now: {refused.text}")
    await authorization.revocations.revoke("token", access.token_id, access.expires)
    await authorization.note("revoke", "token, by command", client_id=access.client_id, patient=access.patient)


async def _end_client(authorization: "Authorization", client: "Client") -> None:
    await end_grants(authorization, await authorization.grants.of_client(client.id))
    if "client_credentials" in client.grant_types:
        # Its own tokens belong to no grant. Whatever it gets until the last of them has expired is refused too.
        until = authorization.now() + authorization.settings.system_access_token_seconds + 60
        await authorization.revocations.revoke("client", client.id, until)
    await authorization.note("revoke", "all grants, by command", client_id=client.id)
