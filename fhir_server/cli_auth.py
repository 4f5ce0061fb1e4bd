"""What the commands that administer sign-in share: they work on the database, whether a server runs or not.

Each running server takes notice within a second. What they change is in the audit log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from fhir_server.cli_start import console, mongodb, settings_of, stop
from fhir_server.core.outcome import FhirError
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization
    from smart_auth.records import Account, Client, Grant

    Work = Callable[[Authorization], Awaitable[None]]


def run(work: "Work", data_dir: Path | None) -> None:
    """Do the work on the database of the settings; a refusal becomes one sentence and exit code 2."""
    from smart_auth.errors import OAuthError

    settings = settings_of(data_dir=data_dir)
    with mongodb(settings) as uri:
        try:
            asyncio.run(_worked(work, settings, uri))
        except OAuthError as error:
            stop(error.text)
        except FhirError as error:
            stop(error.issues[0].text)
        except ValueError as error:
            stop(str(error))


async def _worked(work: "Work", settings: Settings, uri: str) -> None:
    from fhir_server.app import administration, open_database
    from fhir_server.store import mongo

    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        async with administration(settings, database) as authorization:
            await work(authorization)
    finally:
        await mongo.close(database)


async def client_of(authorization: "Authorization", id: str) -> "Client":
    """The client with this id; ends the command where there is none."""
    found = await authorization.clients.get(id)
    if found is None:
        stop(f"There is no client {id}; `fhir-server client list` shows all.")
    return found


async def account_of(authorization: "Authorization", username: str) -> "Account":
    """The account of this name; ends the command where there is none."""
    found = await authorization.accounts.by_login(username)
    if found is None:
        stop(f"There is no account {username}; `fhir-server account list` shows all.")
    return found


async def end_grants(authorization: "Authorization", grants: "list[Grant]") -> None:
    """End grants with every token of theirs."""
    for grant in grants:
        await authorization.grants.revoke(grant.id)


def table_of(whole: tuple[str, ...], *others: str) -> Table:
    """A table that cuts nothing off where a line is short: `whole` columns keep their values, others are folded."""
    table = Table(box=None)
    for heading in (*whole, *others):
        table.add_column(heading, no_wrap=heading in whole, overflow="fold")
    return table


def show(values: dict[str, str]) -> None:
    """A line for each, as `name: value`, on standard output."""
    for name, value in values.items():
        console.print(f"{name}: {escape(value)}", highlight=False, soft_wrap=True)
