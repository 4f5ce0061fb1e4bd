"""What a parent sees of a child's record changes on the birthday, in UTC, without anybody's doing.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.birthDate
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.care.proxies import KEPT_BY_TEENAGERS
from fhir_server.core.proxied import AgeBands, Proxied
from fhir_server.interactions import proxy_relation
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import proxied
from tests.rest.conftest import patient
from tests.rest.families import as_ana, consent, person, relative, told
from tests.rest.in_process import opened, put
from tests.rest.narrowing import found

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await put(context, patient(id="ana"))
        await put(context, patient(id="kid", birthDate="2010-06-15"))
        for each in (
            relative("kid"),
            consent("kid"),
            person("kid"),
            told("plain", "kid"),
            told("private", "kid", "SEX"),
        ):
            await put(context, each)
        yield context


def at(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    monkeypatch.setattr(proxy_relation, "now", lambda: moment)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2023-06-14T23:59:59", {"plain", "private"}),
        ("2023-06-15T00:00:00", {"plain"}),
        ("2028-06-14T23:59:59", {"plain"}),
        ("2028-06-15T00:00:00", set()),
    ],
)
async def test_the_day_before_the_birthday_and_the_birthday(
    family: RequestContext, monkeypatch: pytest.MonkeyPatch, moment: str, expected: set[str]
) -> None:
    at(monkeypatch, moment)
    here = await as_ana(family, "patient/*.rs", "kid")
    assert await found(here, "Observation") == {f"Observation/{each}" for each in expected}


async def test_what_was_found_yesterday_does_not_hold_today(
    family: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2023-06-14T23:59:59")
    assert await proxied(family.server, ("ana",)) == (Proxied("kid"),)
    at(monkeypatch, "2023-06-15T00:00:00")
    assert await proxied(family.server, ("ana",)) == (Proxied("kid", KEPT_BY_TEENAGERS),)


async def test_at_18_nobody_sees_it_but_by_the_grown_ups_own_consent(
    family: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2028-06-15T00:00:00")
    own_word = consent("kid", by="Patient/kid", dateTime="2028-06-15") | {"id": "own-word"}
    await put(family, own_word | {"dateTime": "2028-06-14"})
    assert await proxied(family.server, ("ana",)) == ()
    family.server.database.noted.clear()
    await put(family, own_word)
    assert await proxied(family.server, ("ana",)) == (Proxied("kid"),)
    await put(family, own_word | {"status": "inactive"})
    family.server.database.noted.clear()
    assert await proxied(family.server, ("ana",)) == ()


async def test_the_ages_are_configured(family: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, "2024-01-01T00:00:00")
    later = structs.replace(family, server=replace(family.server, age_bands=AgeBands(16, 21)))
    assert await proxied(later.server, ("ana",)) == (Proxied("kid"),)
    at(monkeypatch, "2029-01-01T00:00:00")
    assert await proxied(later.server, ("ana",)) == (Proxied("kid", KEPT_BY_TEENAGERS),)


async def test_a_birth_date_that_is_put_right_acts_at_once(
    family: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2022-01-01T00:00:00")
    assert await proxied(family.server, ("ana",)) == (Proxied("kid"),)
    await put(family, patient(id="kid", birthDate="2008-01-01"))
    family.server.database.noted.clear()
    assert await proxied(family.server, ("ana",)) == (Proxied("kid", KEPT_BY_TEENAGERS),)
