"""The command `client`: apps and systems, and who may register one.

https://www.rfc-editor.org/rfc/rfc7591
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from fhir_server.cli_auth import client_of, run, show, table_of
from fhir_server.cli_start import DATA_DIR, console, stop

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization

clients = typer.Typer(no_args_is_help=True, help="Apps and systems: who may ask for access tokens.")

ID = Annotated[str, typer.Argument(metavar="CLIENT", help="The client_id.")]


@clients.command("add")
def add_client(
    name: Annotated[str, typer.Option("--name", help="What people are shown on the consent page.")],
    redirect_uri: Annotated[list[str], typer.Option("--redirect-uri", help="Repeatable. An address of the app.")] = [],  # noqa: B006
    scope: Annotated[str, typer.Option("--scope", help="The most it may ever be granted.")] = "",
    auth_method: Annotated[
        str | None,
        typer.Option(
            "--auth-method",
            help="none, client_secret_basic, client_secret_post or private_key_jwt.  "
            "[default: none; private_key_jwt with --system]",
        ),
    ] = None,
    jwks: Annotated[Path | None, typer.Option("--jwks", help="File with its public keys, as a JWK Set.")] = None,
    jwks_uri: Annotated[str | None, typer.Option("--jwks-uri", help="Where its public keys are found.")] = None,
    launch_uri: Annotated[
        str | None, typer.Option("--launch-uri", help="Where the EHR launch page sends the browser.")
    ] = None,
    system: Annotated[bool, typer.Option("--system", help="A backend service: no person signs in.")] = False,
    agency: Annotated[
        str | None, typer.Option("--agency", help="URI of the agency it writes for; stamped as meta.source.")
    ] = None,
    purpose: Annotated[list[str], typer.Option("--purpose", help="Repeatable. Code of v3-PurposeOfUse: TREAT.")] = [],  # noqa: B006
    may_see_ssn: Annotated[bool, typer.Option("--may-see-ssn", help="It is shown Social Security numbers.")] = False,
    may_introspect: Annotated[bool, typer.Option("--may-introspect", help="It may ask about any token.")] = False,
    id: Annotated[str, typer.Option("--id", help="Its client_id.  [default: a random one]")] = "",
    data_dir: DATA_DIR = None,
) -> None:
    """Register a client and show its id and, this once, its secret."""
    from smart_auth.client_metadata import DEFAULT_SCOPE, DEFAULT_SYSTEM_SCOPE, checked
    from smart_auth.records import Client

    if not (redirect_uri or system or may_introspect):
        stop(
            "Say --redirect-uri for an app, --system for a backend service, or --may-introspect for a resource server."
        )
    if system and jwks is None and jwks_uri is None:
        stop("A backend service signs with a key: say --jwks or --jwks-uri.")
    client = Client(
        id=id,
        name=name,
        scope=scope or (DEFAULT_SYSTEM_SCOPE if system else "" if may_introspect else DEFAULT_SCOPE),
        redirect_uris=tuple(redirect_uri),
        grant_types=("client_credentials",) if system else ("authorization_code",) if redirect_uri else (),
        auth_method=auth_method or ("private_key_jwt" if system else "none"),
        jwks=None if jwks is None else _key_set(jwks),
        jwks_uri=jwks_uri,
        initiate_login_uri=launch_uri,
        agency=agency,
        purposes=tuple(purpose),
        may_see_ssn=may_see_ssn,
        may_introspect=may_introspect,
        registered_by="command",
    )

    async def add(authorization: "Authorization") -> None:
        new = await authorization.clients.add(checked(client))
        await authorization.note("register", f"client {new.client.name}, by command", client_id=new.client.id)
        show({"client_id": new.client.id, **({"client_secret": new.secret} if new.secret else {})})

    run(add, data_dir)


@clients.command("list")
def list_clients(data_dir: DATA_DIR = None) -> None:
    """Show every client."""

    async def listed(authorization: "Authorization") -> None:
        table = table_of(("client",), "what", "scope")
        for each in await authorization.clients.all():
            what = [each.name, each.auth_method, *each.grant_types, *(["introspection"] if each.may_introspect else [])]
            what.append(f"by {each.registered_by}" + (", disabled" if each.is_disabled else ""))
            table.add_row(*map(escape, (each.id, "\n".join(what), each.scope)))
        console.print(table)

    run(listed, data_dir)


@clients.command("rotate")
def rotate_client(
    id: ID,
    jwks: Annotated[Path | None, typer.Option("--jwks", help="File with its new public keys, as a JWK Set.")] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Give a client a new secret, or new keys; the old ones end now."""
    keys = None if jwks is None else _key_set(jwks)

    async def rotate(authorization: "Authorization") -> None:
        client = await client_of(authorization, id)
        if keys is not None:
            from smart_auth.client_metadata import checked

            await authorization.clients.update(checked(msgspec.structs.replace(client, jwks=keys, jwks_uri=None)))
        elif client.secret_hash is None:
            stop(f"{id} has no secret. Give it new keys with --jwks.")
        else:
            show({"client_id": id, "client_secret": await authorization.clients.rotate_secret(id)})
        await authorization.note("register", "new secret or keys, by command", client_id=id)

    run(rotate, data_dir)


@clients.command("remove")
def remove_client(id: ID, data_dir: DATA_DIR = None) -> None:
    """Forget a client and end its tokens."""

    async def remove(authorization: "Authorization") -> None:
        if not await authorization.clients.remove(id):
            stop(f"There is no client {id}; `fhir-server client list` shows all.")
        await authorization.note("revoke", "client removed, by command", client_id=id)
        console.print(f"{escape(id)} is removed. Its tokens end within a second.", highlight=False)

    run(remove, data_dir)


@clients.command("invite")
def invite(
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="For how long it is good.")] = 24,
    data_dir: DATA_DIR = None,
) -> None:
    """Make an initial access token, with which one app registers itself (RFC 7591)."""

    async def make(authorization: "Authorization") -> None:
        show({"initial_access_token": await authorization.clients.invite(hours * 3600)})

    run(make, data_dir)


def _key_set(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        stop(f"Cannot read {path}: {error.strerror}.")
    except ValueError:
        stop(f"{path} is not JSON.")
    if not isinstance(found, dict):
        stop(f"{path} holds no JWK Set.")
    return found if "keys" in found else {"keys": [found]}
