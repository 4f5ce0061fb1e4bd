"""The command `account`: people who can sign in."""

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape
from rich.table import Table

from fhir_server.cli_auth import account_of, end_grants, run
from fhir_server.cli_start import DATA_DIR, console, stop

if TYPE_CHECKING:
    from smart_auth.access import Kind
    from smart_auth.authorization import Authorization

accounts = typer.Typer(no_args_is_help=True, help="People who can sign in.")

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

    run(add, data_dir)


@accounts.command("list")
def list_accounts(data_dir: DATA_DIR = None) -> None:
    """Show every account."""

    async def listed(authorization: "Authorization") -> None:
        table = Table("username", "kind", "name", "is", "acts for", "", box=None)
        for each in sorted(await authorization.accounts.all(), key=lambda account: account.login):
            state = "disabled" if each.is_disabled else ""
            row = (each.username, each.kind, each.name, each.fhir_user or "", " ".join(each.patients), state)
            table.add_row(*map(escape, row))
        console.print(table)

    run(listed, data_dir)


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


def _password() -> str:
    """From a terminal typed twice; otherwise the first line of standard input."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")
