"""The commands about the master key of what is encrypted: `fhir-server master-key make | rotate | renew`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli_start import DATA_DIR, console, mongodb, settings_of, stop

if TYPE_CHECKING:
    from fhir_server.store.mongo import Database

master_key = typer.Typer(no_args_is_help=True, help="The master key under which messages and files are encrypted.")

FILE = Annotated[Path, typer.Argument(metavar="FILE", help="Where the master key is, or is to be.")]


@master_key.command("make")
def make_key(file: FILE) -> None:
    """Write a new master key to FILE, which must not exist; keep a copy in another place than the database's."""
    from fhir_server.master_key import make

    if file.exists():
        stop(f"{file} exists: a master key is never overwritten.")
    try:
        make(file)
    except ValueError as error:
        stop(str(error))
    console.print(f"A master key is in {file}. Who loses it loses messages and files.", highlight=False)


@master_key.command()
def rotate(file: FILE, data_dir: DATA_DIR = None) -> None:
    """Seal all keys under the master key in FILE in place of the one in force; run again where it was cut short.

    Restart the servers with FHIR_MASTER_KEY_FILE set to FILE afterwards; those that run go on meanwhile.
    """
    from fhir_server.master_key import master_of
    from fhir_server.store.vault import CannotUnlock, vault_of

    async def sealed(database: "Database") -> None:
        try:
            count = await vault_of(database).rotate(database, master_of(file, str(file)))
        except (CannotUnlock, ValueError) as error:
            stop(str(error))
        console.print(f"{count} keys are sealed under {file} now. Restart the servers with it.", highlight=False)

    _run(sealed, data_dir)


@master_key.command()
def renew(data_dir: DATA_DIR = None) -> None:
    """Begin a new content key: what is written from now on is sealed under it, all else stays readable."""
    from fhir_server.store.vault import vault_of

    async def renewed(database: "Database") -> None:
        number = await vault_of(database).renew(database)
        text = f"Content key {number} is in force. Servers that run write with it once they are restarted."
        console.print(text, highlight=False)

    _run(renewed, data_dir)


def _run(work: "Callable[[Database], Awaitable[None]]", data_dir: Path | None) -> None:
    """Work on the configured database. Ends the command where it is away."""
    settings = settings_of(data_dir=data_dir)
    with mongodb(settings) as uri:
        asyncio.run(_with_database(settings, uri, work))


async def _with_database(settings: object, uri: str, work: "Callable[[Database], Awaitable[None]]") -> None:
    from pydantic import SecretStr

    from fhir_server.app import open_database
    from fhir_server.core.outcome import FhirError
    from fhir_server.settings import Settings
    from fhir_server.store import mongo

    assert isinstance(settings, Settings)
    try:
        database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    except ValueError as error:
        stop(str(error))
    try:
        await work(database)
    except FhirError as error:
        stop(error.issues[0].text)
    finally:
        await mongo.close(database)
