"""What asks for a card, where cards are configured: orders of practitioners, and all that administrators do.

https://www.rfc-editor.org/rfc/rfc9470
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.core.outcome import FhirError
from fhir_server.interactions import batch, create, delete, update
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from fhir_server.policy_writes import ORDERS
from fhir_server.rest.caller import refuse_administration
from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.conftest import numbers, patient
from tests.rest.in_process import opened, put
from tests.rest.writers import practitioner, system

pytestmark = pytest.mark.asyncio

ADMIN = AccessContext("root", "console", "admin", scopes("user/*.cruds"))
ORDER = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/anna"},
    "code": {"text": "x-ray"},
}
GOAL = {
    "resourceType": "Goal",
    "lifecycleStatus": "active",
    "description": {"text": "walk"},
    "subject": {"reference": "Patient/anna"},
}


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as found:
        await put(found, patient(id="anna"))
        await put(found, ORDER | {"id": "o"})
        server = replace(found.server, card_for=frozenset({"orders", "administration"}))
        yield structs.replace(found, server=server)


def by(context: RequestContext, acr: str = "level2", **more: Any) -> RequestContext:
    return structs.replace(context, sight=practitioner("anna", acr=acr, **more))


def refused(error: pytest.ExceptionInfo[FhirError]) -> str:
    assert (error.value.status, error.value.issues[0].number) == (401, 6044)
    assert error.value.issues[0].slug == "step-up-required"
    return error.value.headers["WWW-Authenticate"]


async def test_an_order_without_a_card_is_answered_with_the_challenge(context: RequestContext) -> None:
    with pytest.raises(FhirError) as error:
        await create.create(by(context), "ServiceRequest", ORDER)
    header = refused(error)
    assert header.startswith('Bearer realm="fhir", error="insufficient_user_authentication", acr_values="card"')
    with pytest.raises(FhirError) as error:
        await update.update(by(context), "ServiceRequest", "o", ORDER | {"id": "o"})
    refused(error)
    with pytest.raises(FhirError) as error:
        await delete.delete(by(context), "ServiceRequest", "o")
    refused(error)


async def test_in_a_batch_the_order_alone_is_refused(context: RequestContext) -> None:
    entries = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in (ORDER, GOAL)]
    answer = await batch.batch(by(context), {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.body is not None
    assert b'"status":"401' in answer.body.replace(b" ", b"") and b"6044" in answer.body
    assert b'"status":"201' in answer.body.replace(b" ", b"")


async def test_an_order_inside_another_resource_is_one(context: RequestContext) -> None:
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/anna"},
        "contained": [ORDER | {"id": "o"}],
        "activity": [{"reference": {"reference": "#o"}}],
    }
    with pytest.raises(FhirError) as error:
        await create.create(by(context), "CarePlan", plan)
    assert "ServiceRequest" in refused(error)
    assert (await create.create(by(context, "card"), "CarePlan", plan)).status == 201


async def test_a_patients_contained_order_is_no_order(context: RequestContext) -> None:
    own = structs.replace(
        context,
        sight=Sight(
            AccessContext("anna", "app", "patient", scopes("patient/*.cruds"), patient="anna", patients=("anna",))
        ),
    )
    asked = ORDER | {"id": "o", "intent": "proposal"}
    goal = GOAL | {"addresses": [{"reference": "#o"}]}
    with pytest.raises(FhirError) as error:
        await create.create(own, "Goal", goal | {"contained": [ORDER | {"id": "o"}]})
    assert error.value.status == 403
    assert error.value.issues[0].expression == "Goal.contained[0]"
    assert (await create.create(own, "Goal", goal | {"contained": [asked]})).status == 201


async def test_with_a_card_the_order_is_written(context: RequestContext) -> None:
    assert (await create.create(by(context, "card"), "ServiceRequest", ORDER)).status == 201


async def test_what_is_no_order_asks_for_no_card(context: RequestContext) -> None:
    assert "Goal" not in ORDERS
    assert (await create.create(by(context), "Goal", GOAL)).status == 201


async def test_nobody_else_and_no_server_without_cards_asks_for_one(context: RequestContext) -> None:
    without = structs.replace(context, server=replace(context.server, card_for=frozenset()))
    assert (await create.create(by(without), "ServiceRequest", ORDER)).status == 201
    feed = structs.replace(context, sight=system())
    assert (await create.create(feed, "ServiceRequest", ORDER)).status == 201


async def test_who_may_not_write_at_all_is_told_that_and_not_to_fetch_the_card(context: RequestContext) -> None:
    with pytest.raises(FhirError) as error:
        await create.create(by(context, scopes=scopes("user/*.rs")), "ServiceRequest", ORDER)
    assert error.value.status == 403


async def test_an_administrator_needs_the_card_for_everything(context: RequestContext) -> None:
    with pytest.raises(FhirError) as error:
        refuse_administration(context.server, ADMIN)
    refused(error)
    refuse_administration(context.server, replace(ADMIN, acr="card"))
    refuse_administration(replace(context.server, card_for=frozenset({"orders"})), ADMIN)
    refuse_administration(context.server, replace(ADMIN, kind="officer"))


async def test_over_http_the_challenge_is_in_the_header(mongodb_uri: str, database_name: str) -> None:
    bearers = {"admin": ADMIN, "card": replace(ADMIN, acr="card")}
    async with guarded(mongodb_uri, database_name, bearers) as api:
        app = api._transport.app  # type: ignore[attr-defined]
        app.state.server = replace(app.state.server, card_for=frozenset({"administration"}))
        answer: httpx.Response = await api.get("Patient", headers=as_bearer("admin"))
        assert (answer.status_code, numbers(answer)) == (401, ["6044"])
        assert 'error="insufficient_user_authentication", acr_values="card"' in answer.headers["www-authenticate"]
        assert answer.json()["issue"][0]["details"]["coding"][1]["code"] == "step-up-required"
        assert (await api.get("Patient", headers=as_bearer("card"))).status_code == 200
