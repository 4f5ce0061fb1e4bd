"""The command `card`: cards of staff, which have no record to be found by."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli_auth import account_of, run, show, table_of
from fhir_server.cli_start import DATA_DIR, console, stop

if TYPE_CHECKING:
    from smart_auth.authorization import Authorization
    from smart_auth.identity.cards import Card
    from smart_auth.records import Account

cards = typer.Typer(no_args_is_help=True, help="CAC and PIV cards that staff sign in by.")

LONGEST_FILE = 65_536
"""Bytes. A certificate in PEM has about 2,500, a file with remarks before it a few more."""

USERNAME = Annotated[str, typer.Argument(metavar="USERNAME")]


@cards.command("bind")
def bind_card(
    username: USERNAME,
    certificate: Annotated[
        Path, typer.Argument(metavar="CERT.pem", help="The card's certificate for authentication, as PEM.")
    ],
    data_dir: DATA_DIR = None,
) -> None:
    """Let the card of this certificate sign in to an account of staff. It is checked as at a sign-in."""
    pem = _text(certificate)

    async def bind(authorization: "Authorization") -> None:
        account = await account_of(authorization, username)
        if account.kind == "patient":
            stop(f"{username} is a beneficiary, whose card is registered by its owner at /auth/card.")
        card = await _checked(authorization, pem)
        if account.is_disabled or (card.kind == "piv" and not account.is_logon_active):
            stop(f"{username} is disabled or deactivated: this card would not sign in to it.")
        await _refuse_somebody_elses(authorization, card, account)
        await authorization.card_bindings.bind(card, account)
        await authorization.note("card", f"{card.kind.upper()} bound, by command", account=account)
        show({"bound to": account.username, "name on the card": card.name, "key": card.key})

    run(bind, data_dir)


@cards.command("list")
def list_cards(username: USERNAME, data_dir: DATA_DIR = None) -> None:
    """Show the cards that sign in to an account, with the keys by which `remove` knows them."""

    async def listed(authorization: "Authorization") -> None:
        account = await account_of(authorization, username)
        table = table_of(("kind", "bound on", "last used on"), "key")
        for each in await authorization.card_bindings.of_account(account.id):
            table.add_row(each.kind.upper(), _day(each.registered_at), _day(each.last_used_at), each.id)
        console.print(table)

    run(listed, data_dir)


@cards.command("remove")
def remove_card(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it.")], data_dir: DATA_DIR = None
) -> None:
    """Let a card sign in to nothing any more; sessions and grants stay: `token revoke --user` ends those."""

    async def remove(authorization: "Authorization") -> None:
        from smart_auth.records import CARDS

        binding = await authorization.documents.get(CARDS, key)
        if binding is None or not await authorization.card_bindings.remove(key):
            stop("There is no card of this key; `fhir-server card list USERNAME` shows those of an account.")
        account = await authorization.accounts.get(binding["account"])
        await authorization.note("card", "card removed, by command", account=account)
        console.print("The card signs in to nothing any more.", highlight=False)

    run(remove, data_dir)


async def _checked(authorization: "Authorization", pem: str) -> "Card":
    """The card, if somebody could sign in by it now; ends the command where nobody could."""
    from smart_auth.identity.certificates import CertificateRefused, card

    trust = authorization.portal.cards
    if trust is None:
        stop("No card is read here: set FHIR_CARD_ANCHORS and FHIR_CARD_PROXY_SECRET, as for the server.")
    try:
        return await card(trust, pem, authorization.now())
    except CertificateRefused as refusal:
        stop(f"{refusal.reason}: {refusal.text}")


async def _refuse_somebody_elses(authorization: "Authorization", card: "Card", account: "Account") -> None:
    """End the command where the card would be taken from somebody."""
    owner = await authorization.card_bindings.known(card)
    if owner is not None and owner.id != account.id:
        stop(f"This card is bound to {owner.username}; `fhir-server card remove {card.key}` ends that.")


def _text(certificate: Path) -> str:
    try:
        with certificate.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
        if len(content) <= LONGEST_FILE:
            # What stands before it is a remark, as `openssl x509 -text` writes it.
            before, begin, after = content.decode("ascii").partition("-----BEGIN CERTIFICATE-----")
            if begin and "PRIVATE KEY" not in before + after:
                return begin + after
    except OSError as error:
        stop(f"{certificate} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        pass
    stop(f"{certificate} holds no certificate in PEM, or a private key beside it, which has no business there.")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
