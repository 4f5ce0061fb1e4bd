"""Access tokens of patients who let an app in, made beside the server that is measured."""

import asyncio

from pydantic import SecretStr

from bench import records
from fhir_server.app import administration, open_database
from fhir_server.settings import Settings
from fhir_server.store import mongo
from smart_auth.records import Client

SCOPES = ("patient/*.rs",)
APP = Client(id="bench", name="Bench", scope="patient/*.rs", redirect_uris=("https://app.example.org/",))


def patients_tokens(mongodb_uri: str, database: str, base: str, count: int) -> list[str]:
    """An access token for each of the first patients, good at the server with this base."""
    return asyncio.run(_tokens(mongodb_uri, database, base, count))


async def _tokens(mongodb_uri: str, database: str, base: str, count: int) -> list[str]:
    settings = Settings(
        mongodb_uri=SecretStr(mongodb_uri), mongodb_database=database, base_url=base, access_token_seconds=86_400
    )
    opened = open_database(settings)
    try:
        async with administration(settings, opened) as authorization:
            client = (await authorization.clients.add(APP)).client
            tokens: list[str] = []
            for number in range(count):
                patient = records.patient_id(number)
                account = await authorization.accounts.add(
                    patient, "not for signing in", "patient", fhir_user=f"Patient/{patient}", patients=(patient,)
                )
                grant = await authorization.grants.create(
                    client=client,
                    account=account,
                    scopes=SCOPES,
                    base=base,
                    auth_time=0,
                    acr="level2",
                    amr=(),
                    patient=patient,
                )
                token, _ = await authorization.tokens.mint(grant, client, account, base)
                tokens.append(token)
            return tokens
    finally:
        await mongo.close(opened)
