"""What every command begins with: its settings, a MongoDB, and one sentence where it cannot go on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape

from fhir_server import logs
from fhir_server.settings import Settings, misspelt
from fhir_server.store.embedded import EmbeddedUnavailable, embedded_mongod
from fhir_server.store.embedded_watch import kept_running

console = Console()
errors = Console(stderr=True)

DATA_DIR = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the embedded MongoDB.  [default: .data]")]


def stop(sentence: str) -> NoReturn:
    """Say why the command ends, and end it with exit code 2."""
    errors.print(escape(sentence), highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def settings_of(**options: Any) -> Settings:
    """The settings of this command; options that are None were not given. Ends it where a setting is wrong."""
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except SettingsError as error:
        # pydantic-settings names the field alone; what it could not read as JSON stands in the cause.
        name = str(error).partition('"')[2].partition('"')[0]
        stop(f"Setting FHIR_{name.upper()} is wrong: it is not JSON. See docs/settings.md.")
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            # What settings are to each other; the text names them.
            stop(f"{first['msg'].removeprefix('Value error, ')}. See docs/settings.md.")
        name = str(first["loc"][0])
        option = f" (--{name.replace('_', '-')})" if name in options else ""
        stop(f"Setting FHIR_{name.upper()}{option} is wrong: {first['msg']}. See docs/settings.md.")
    wrong = misspelt(os.environ)
    if wrong is not None:
        stop(wrong)
    logs.configure(settings.log_format, settings.log_level)
    return settings


@contextmanager
def mongodb(settings: Settings) -> Iterator[str]:
    """The URI of the configured MongoDB, or of the embedded one for as long as it is needed."""
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri.get_secret_value()
        return
    try:
        binary = str(settings.mongod) if settings.mongod else None
        with embedded_mongod(settings.data_dir, binary) as mongod, kept_running(mongod, binary):
            yield mongod.uri
    except EmbeddedUnavailable as error:
        stop(str(error))
