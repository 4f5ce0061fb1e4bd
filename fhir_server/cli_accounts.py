"""The command `account`: people who can sign in."""

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape

from fhir_server.cli_auth import account_of, end_grants, run, table_of
from fhir_server.cli_start import DATA_DIR, console, stop
from fhir_server.core.reference import is_id

if TYPE_CHECKING:
    from smart_auth.access import Kind
    from smart_auth.authorization import Authorization

accounts = typer.Typer(no_args_is_help=True, help="People who can sign in.")

SHORTEST_PASSWORD = 8
"""NIST SP 800-63B 5.1.1.2."""

USERNAME = Annotated[str, typer.Argument(metavar="USERNAME")]


@accounts.command("add")
def add_account(
    username: USERNAME,
    kind: Annotated[str, typer.Option("--kind", help="patient, practitioner, officer or admin.")],
    name: Annotated[str, typer.Option("--name", help="The person's name.")] = "",
    fhir_user: Annotated[str | None, typer.Option("--fhir-user", help="Practitioner/ID or Patient/ID.")] = None,
    patient: Annotated[list[str], typer.Option("--patient", help="Repeatable. An id; its own first.")] = [],  # noqa: B006
    agency: Annotated[str | None, typer.Option("--agency", help="URI of the agency.")] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Add somebody who can sign in; the password is asked for, or read from standard input."""
    if kind not in ("patient", "practitioner", "officer", "admin"):
        stop("--kind must be patient, practitioner, officer or admin.")
    _check_person(kind, fhir_user, patient)
    password = _password()

    async def add(authorization: "Authorization") -> None:
        from smart_auth.identity.accounts import LoginTaken

        try:
            account = await authorization.accounts.add(
                username,
                password,
                cast("Kind", kind),
                name=name,
                fhir_user=fhir_user,
                patients=patient,
                agency=agency,
            )
        except LoginTaken:
            stop(f"There is an account {username} already.")
        await authorization.note("register", "account added, by command", account=account)
        console.print(f"{escape(username)} can sign in.", highlight=False)
        there = {each.id for each in await authorization.directory.patients(patient)}
        for missing in (id for id in patient if id not in there):
            console.print(f"There is no Patient {escape(missing)} yet: nothing is seen of it.", highlight=False)

    run(add, data_dir)


@accounts.command("list")
def list_accounts(
    ids: Annotated[bool, typer.Option("--ids", help="Show the ids by which the audit log names accounts.")] = False,
    data_dir: DATA_DIR = None,
) -> None:
    """Show every account."""

    async def listed(authorization: "Authorization") -> None:
        table = table_of(("username", "id")) if ids else table_of(("username", "kind"), "acts for", "name", "is")
        for each in sorted(await authorization.accounts.all(), key=lambda account: account.login):
            kind = each.kind + (", disabled" if each.is_disabled else "")
            described = (kind, "\n".join(each.patients), each.name, each.fhir_user or "")
            table.add_row(*map(escape, (each.username, *((each.id,) if ids else described))))
        console.print(table)

    run(listed, data_dir)


@accounts.command("password")
def change_password(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Give somebody a new password, asked for as by `add`, and sign them out everywhere; what they granted stays."""
    password = _password()

    async def change(authorization: "Authorization") -> None:
        from smart_auth.records import SESSIONS

        account = await account_of(authorization, username)
        await authorization.accounts.change_password(account.id, password)
        await authorization.documents.remove_all(SESSIONS, {"account": account.id})
        await authorization.note("register", "new password, by command", account=account)
        console.print(f"{escape(username)} signs in by the new password from now on.", highlight=False)

    run(change, data_dir)


@accounts.command("disable")
def disable_account(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Let somebody sign in no more, and end every token."""

    async def disable(authorization: "Authorization") -> None:
        from smart_auth.records import ACCOUNTS, SESSIONS

        account = await account_of(authorization, username)
        await authorization.documents.change(ACCOUNTS, account.id, {"is_disabled": True})
        await authorization.documents.remove_all(SESSIONS, {"account": account.id})
        await end_grants(authorization, await authorization.grants.of_account(account.id))
        longest = max(authorization.settings.access_token_seconds, authorization.settings.system_access_token_seconds)
        await authorization.revocations.revoke("account", account.id, authorization.now() + longest + 60)
        await authorization.note("revoke", "account disabled, by command", account=account)
        console.print(f"{escape(username)} cannot sign in. Tokens end within a second.", highlight=False)

    run(disable, data_dir)


@accounts.command("enable")
def enable_account(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Let somebody who was disabled sign in again; apps that had access ask for it again."""

    async def enable(authorization: "Authorization") -> None:
        from smart_auth.records import ACCOUNTS

        account = await account_of(authorization, username)
        # What ended stays so, also what an end that was interrupted left standing.
        while grants := await authorization.grants.of_account(account.id):
            await end_grants(authorization, grants)
        await authorization.revocations.forgive("account", account.id)
        await authorization.documents.change(ACCOUNTS, account.id, {"is_disabled": False})
        await authorization.note("register", "account enabled, by command", account=account)
        console.print(f"{escape(username)} can sign in again.", highlight=False)

    run(enable, data_dir)


def _check_person(kind: str, fhir_user: str | None, patients: list[str]) -> None:
    """End the command where the account would be nobody's, and see nothing."""
    if kind == "patient" and not patients:
        stop("A patient account needs --patient: whose record it is, and then those it acts for.")
    if kind == "practitioner" and not _names(fhir_user, "Practitioner"):
        stop("A practitioner account needs --fhir-user Practitioner/ID: care relations are found by it.")
    if fhir_user is not None and not _names(fhir_user, "Practitioner", "Patient", "RelatedPerson", "Person"):
        stop("--fhir-user must be Practitioner/ID, Patient/ID, RelatedPerson/ID or Person/ID.")
    for id in patients:
        if not is_id(id):
            stop(f"--patient takes the id of a Patient, which {id!r} is not.")


def _names(reference: str | None, *types: str) -> bool:
    type, _, id = (reference or "").partition("/")
    return type in types and is_id(id) is not None


def _password() -> str:
    """From a terminal typed twice; otherwise the first line of standard input."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        typed = sys.stdin.readline().rstrip("\r\n")
    if len(typed) < SHORTEST_PASSWORD:
        stop(f"A password has at least {SHORTEST_PASSWORD} characters.")
    return typed
