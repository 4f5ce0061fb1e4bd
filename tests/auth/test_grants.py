"""What people granted is listed as long as it stands."""

from smart_auth.records import GRANTS
from tests.auth.oauth import OAuth


async def test_a_persons_grants_are_listed_newest_first_without_what_has_ended(server: OAuth) -> None:
    client = await server.public()
    await server.granted(client, scope="patient/*.rs")
    first = await server.granted(client)
    server.clock.at += 3600
    second = await server.granted(await server.public())
    revoked = await server.granted(client)
    await server.parts.grants.revoke(revoked.id)
    assert [grant.id for grant in await server.parts.grants.of_account("a1")] == [second.id, first.id]
    assert [grant.id for grant in await server.parts.grants.of_client(client.id)] == [first.id]
    assert await server.parts.grants.of_account("nobody") == []


async def test_a_grant_that_has_ended_is_forgotten(server: OAuth) -> None:
    await server.granted(await server.public())
    server.clock.at += 101 * 86_400
    assert await server.parts.grants.of_account("a1") == []
    assert await server.parts.documents.find(GRANTS, {}) == []


async def test_revoking_a_grant_of_which_nothing_is_known_harms_nobody(server: OAuth) -> None:
    await server.parts.grants.revoke("unknown")
    assert await server.parts.grants.find("unknown") is None
