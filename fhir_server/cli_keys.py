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

NEW_FILE = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="Where the new master key is.", show_default=False)
]


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
def rotate(file: NEW_FILE = None, data_dir: DATA_DIR = None) -> None:
    """Seal all keys under the master key in FILE in place of the one in force; run again where it was cut short.

    Without FILE they are sealed under the key of FHIR_KMS_PROVIDER; the one in force may be that of a file then
    (FHIR_MASTER_KEY_FILE, or the data folder's). Restart the servers with these settings afterwards; those that run
    go on meanwhile.
    """
    from fhir_server.master_key import local_master_of, master_of
    from fhir_server.store.vault import CannotUnlock, Vault, vault_of

    settings = settings_of(data_dir=data_dir)
    if file is None and settings.kms_provider is None:
        stop("Name the FILE of the new master key, or set FHIR_KMS_PROVIDER.")

    async def sealed(database: "Database") -> None:
        vault = vault_of(database)
        try:
            if file is not None:
                count = await vault.rotate(database, master_of(file, str(file)))
            else:
                count = await Vault(local_master_of(settings) or vault.master).rotate(database, vault.master)
        except (CannotUnlock, ValueError) as error:
            stop(str(error))
        under = file or f"the key of FHIR_KMS_PROVIDER={settings.kms_provider}"
        console.print(f"{count} keys are sealed under {under} now. Restart the servers with it.", highlight=False)

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
