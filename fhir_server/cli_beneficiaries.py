"""The command `beneficiary`: the class of somebody in the record, as it is and as it changes from a day on."""

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from pydantic import SecretStr
from rich.markup import escape

from fhir_server.cli_auth import table_of
from fhir_server.cli_start import DATA_DIR, console, mongodb, settings_of, stop
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.care.beneficiary_class import BeneficiaryClass
    from fhir_server.core.resource import Resource
    from fhir_server.interactions.context import RequestContext
    from fhir_server.record_status import RecordStatus

    Work = Callable[[RecordStatus, RequestContext], Awaitable[None]]

beneficiaries = typer.Typer(no_args_is_help=True, help="Why people are in the record, and from when to when.")

PATIENT = Annotated[str, typer.Argument(metavar="PATIENT", help="The id of the Patient.")]


@beneficiaries.callback()
def about() -> None:
    """Why people are in the record, and from when to when."""


@beneficiaries.command("show")
def show(
    patient: PATIENT,
    numbers: Annotated[bool, typer.Option("--numbers", help="Print birth date and numbers too.")] = False,
    data_dir: DATA_DIR = None,
) -> None:
    """Show the classes in force today, and every coverage with its period."""

    async def shown(status: "RecordStatus", context: "RequestContext") -> None:
        from fhir_server.care.beneficiary_class import class_of, covered_class

        standing = await status.standing(context, patient, _today())
        if standing is None:
            stop(f"There is no Patient {patient}.")
        own = class_of(standing.patient)
        table = table_of(("class", "from", "to", "status"), "coverage")
        for coverage in standing.coverages:
            period = coverage.get("period", {})
            told = covered_class(coverage, own) or ""
            days = period.get("start", ""), period.get("end", "")
            table.add_row(told, *map(escape, days), escape(coverage.get("status", "")), escape(coverage["id"]))
        console.print(f"Today: {', '.join(sorted(standing.classes)) or 'of no class'}.", highlight=False)
        console.print(table)
        for line in _numbers(standing.patient) if numbers else ():
            console.print(escape(line), highlight=False)

    _run(shown, data_dir)


@beneficiaries.command("status")
def change_status(
    patient: PATIENT,
    new_class: Annotated[str, typer.Option("--class", help="A code such as veteran.")],
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="Its first day, as 2026-12-01.")],
    icn: Annotated[str | None, typer.Option("--icn", help="The VA's number, where it is known.")] = None,
    sponsor: Annotated[
        str | None, typer.Option("--sponsor", help="The Patient on whom a new dependent depends.")
    ] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Give somebody a class from a day on; the old one is honoured to the day before, in the same record."""
    from fhir_server.care.beneficiary_class import CLASS_RULES, is_class

    if not is_class(new_class):
        stop(f"--class must be one of {', '.join(CLASS_RULES)}.")
    day = _day(start)
    if not is_id(patient):
        stop(f"{patient} cannot be the id of a Patient.")

    async def changed(status: "RecordStatus", context: "RequestContext") -> None:
        await status.change(context, patient, cast("BeneficiaryClass", new_class), day, icn=icn, sponsor=sponsor)
        console.print(f"{escape(patient)}: {new_class} from {day.isoformat()} on.", highlight=False)

    _run(changed, data_dir)


def _run(work: "Work", data_dir: Path | None) -> None:
    """Do the work on the database of the settings; a refusal becomes one sentence and exit code 2."""
    settings = settings_of(data_dir=data_dir)
    with mongodb(settings) as uri:
        try:
            asyncio.run(_worked(work, settings, uri))
        except FhirError as error:
            stop(error.issues[0].text)


async def _worked(work: "Work", settings: Settings, uri: str) -> None:
    from fhir_server.app import auditor_of, compose, open_database
    from fhir_server.definitions.parameter_set import InForce
    from fhir_server.record_status import RecordStatus
    from fhir_server.record_writer import RecordWriter
    from fhir_server.store import mongo

    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    auditor = auditor_of(settings, database, f"{socket.gethostname()}-{os.getpid()}-command")
    try:
        server = await compose(settings, database, InForce())
        writer = RecordWriter(server, auditor, server.own_bases[0])
        # Nobody is signed in at a terminal: the audit log names the user of the system.
        await work(RecordStatus(writer), writer.context(f"command {getpass.getuser()}"))
    finally:
        # Nobody keeps what is said on a terminal.
        await auditor.end(says_anchor=not sys.stderr.isatty())
        await mongo.close(database)


def _numbers(patient: "Resource") -> list[str]:
    """Birth date and identifiers, a line each."""
    lines = [f"Birth date: {patient.get('birthDate', '')}"]
    for each in patient.get("identifier", ()):
        kind = each.get("type", {})
        named = kind.get("text") or next((one.get("display") for one in kind.get("coding", ())), None)
        lines.append(f"{named or each.get('system', '')}: {each.get('value', '')}")
    return lines


def _today() -> date:
    return datetime.now(UTC).date()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        stop(f"--from must be a day such as 2026-12-01, not {text}.")
