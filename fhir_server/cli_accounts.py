"""The command `account`: people who can sign in."""

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape

from fhir_server.cli_auth import account_of, end_grants, run, table_of
from fhir_server.cli_start import DATA_DIR, console, stop
from fhir_server.core.reference import is_id

if TYPE_CHECKING:
    from smart_auth.access import Kind, LogonLevel
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
    level: Annotated[str, typer.Option("--level", help="level1, which sees no health record, or level2.")] = "level2",
    email: Annotated[
        str | None, typer.Option("--email", help="Confirmed by you: links to a new password go there.")
    ] = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Add somebody who can sign in; the password is asked for, or read from standard input."""
    if kind not in ("patient", "practitioner", "officer", "admin"):
        stop("--kind must be patient, practitioner, officer or admin.")
    if level not in ("level1", "level2"):
        stop("--level must be level1 or level2.")
    _check_person(kind, fhir_user, patient)
    address = _address(email)
    password = _password()

    async def add(authorization: "Authorization") -> None:
        from smart_auth.identity.accounts import LoginTaken

        _check_password(authorization, password, username, name, address)
        try:
            account = await authorization.accounts.add(
                username,
                password,
                cast("Kind", kind),
                name=name,
                fhir_user=fhir_user,
                patients=patient,
                agency=agency,
                level=cast("LogonLevel", level),
                email=address,
            )
        except LoginTaken:
            stop(f"There is an account {username} already.")
        if address is not None:
            await authorization.accounts.change(account.id, email_verified_at=authorization.now())
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
        columns = table_of(("username", "kind", "level"), "acts for", "name", "is")
        table = table_of(("username", "id")) if ids else columns
        for each in sorted(await authorization.accounts.all(), key=lambda account: account.login):
            kind = each.kind + (", disabled" if each.is_disabled else "")
            level = each.level + ("" if each.is_logon_active else ", deactivated")
            described = (kind, level, "\n".join(each.patients), each.name, each.fhir_user or "")
            table.add_row(*map(escape, (each.username, *((each.id,) if ids else described))))
        console.print(table)

    run(listed, data_dir)


@accounts.command("password")
def change_password(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Give somebody a new password, asked for as by `add`, and end all that the old one opened, tokens too."""
    password = _password()

    async def change(authorization: "Authorization") -> None:
        from smart_auth.identity.logons import Logons

        account = await account_of(authorization, username)
        _check_password(authorization, password, username, account.name, account.email)
        await Logons(authorization).change_password(account, password)
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
        from smart_auth.records import ACCOUNTS, SESSIONS

        account = await account_of(authorization, username)
        # What ended stays so, also what an end that was interrupted left standing.
        while grants := await authorization.grants.of_account(account.id):
            await end_grants(authorization, grants)
        await authorization.documents.remove_all(SESSIONS, {"account": account.id})
        await authorization.revocations.forgive("account", account.id)
        await authorization.documents.change(ACCOUNTS, account.id, {"is_disabled": False})
        await authorization.note("register", "account enabled, by command", account=account)
        console.print(f"{escape(username)} can sign in again.", highlight=False)

    run(enable, data_dir)


@accounts.command("deactivate")
def deactivate_account(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """End somebody's DS Logon: password, PIV cards and other providers let in no more, a CAC does; tokens end."""

    async def deactivate(authorization: "Authorization") -> None:
        from smart_auth.identity.logons import Logons

        await Logons(authorization).deactivate(await account_of(authorization, username), "by command")
        console.print(f"The DS Logon {escape(username)} is deactivated. Tokens end within a second.", highlight=False)

    run(deactivate, data_dir)


@accounts.command("unlock")
def unlock_account(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Let somebody try again at once who is locked out after too many failures."""

    async def unlock(authorization: "Authorization") -> None:
        account = await account_of(authorization, username)
        await authorization.limits.forget_logins(account.login)
        await authorization.note("logon", "lock lifted, by command", account=account)
        console.print(f"{escape(username)} can try again.", highlight=False)

    run(unlock, data_dir)


@accounts.command("upgrade")
def upgrade_account(
    username: USERNAME,
    patient: Annotated[str, typer.Option("--patient", help="The id of the person's own Patient.")],
    data_dir: DATA_DIR = None,
) -> None:
    """Make somebody's DS Logon Premium (level 2), with the record of a person whom you have seen and identified."""
    if not is_id(patient):
        stop(f"--patient takes the id of a Patient, which {patient!r} is not.")

    async def upgrade(authorization: "Authorization") -> None:
        from smart_auth.identity.logons import Logons
        from smart_auth.identity.persons import PersonTaken

        account = await account_of(authorization, username)
        if account.kind != "patient":
            stop(f"{username} is no beneficiary's account.")
        if not await authorization.directory.patient_exists(patient):
            stop(f"There is no Patient {patient}.")
        try:
            await Logons(authorization).upgrade_by_word(account, patient)
        except PersonTaken:
            stop(f"The record {patient} is another account's own: deactivate or remove that one first.")
        console.print(f"{escape(username)} sees the record at the next sign-in.", highlight=False)

    run(upgrade, data_dir)


@accounts.command("codes")
def codes_of_account(
    username: USERNAME,
    remove: Annotated[bool, typer.Option("--remove", help="Ask for no codes any more, as for a lost device.")] = False,
    data_dir: DATA_DIR = None,
) -> None:
    """Say whether somebody is asked for one-time codes; with --remove no longer."""

    async def codes(authorization: "Authorization") -> None:
        account = await account_of(authorization, username)
        if not remove:
            said = "no codes" if account.totp is None else "a code after the password"
            console.print(f"{escape(username)} is asked for {said}.", highlight=False)
            return
        if not await authorization.one_time_codes.remove(account.id):
            stop(f"{username} is asked for no codes.")
        await authorization.note("logon", "one-time codes removed, by command", account=account)
        console.print(f"{escape(username)} is asked for no codes any more.", highlight=False)

    run(codes, data_dir)


def _address(email: str | None) -> str | None:
    """The address as it is kept; ends the command where it is none."""
    from smart_auth.identity.logons import email_of

    address = None if email is None else email_of(email)
    if email is not None and address is None:
        stop("--email must be an address such as name@example.org.")
    return address


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
    return typed


def _check_password(
    authorization: "Authorization", password: str, username: str, name: str = "", email: str | None = None
) -> None:
    """Stop where the policy that people choose passwords by refuses this one."""
    faults = authorization.password_policy.faults(password, username=username, name=name, email=email or "")
    if faults:
        stop(" ".join(faults))
