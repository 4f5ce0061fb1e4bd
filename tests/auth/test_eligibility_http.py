"""A registry of eligibility that is asked over HTTP: what it may answer, and what it must not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import httpx
import pytest

from smart_auth.identity import eligibility_http
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.identity.eligibility_http import MAX_BYTES, HttpRegistry

ANA = "9900000017"
PERSON: dict[str, Any] = {
    "dod_id": ANA,
    "family": "Rivera",
    "given": ["Ana"],
    "birth_date": "1984-03-12",
    "statuses": [{"beneficiary_class": "active-duty", "start": "2010-01-01"}],
}


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> HttpRegistry:
    return HttpRegistry("https://registry.test/v1/", "a token", httpx.MockTransport(answer))


def always(*args: Any, **kwargs: Any) -> HttpRegistry:
    return answering(lambda request: httpx.Response(*args, **kwargs))


class TestAsking:
    async def test_a_number_stands_in_the_body_and_nowhere_else(self) -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200, json=PERSON)

        found = await answering(answer).by_ssn("900000001")
        assert found is not None
        assert (found.dod_id, found.given, found.birth_date) == (ANA, ("Ana",), date(1984, 3, 12))
        assert [str(each.url) for each in asked] == ["https://registry.test/v1/enrolled"]
        assert asked[0].headers["authorization"] == "Bearer a token"
        assert json.loads(asked[0].content) == {"ssn": "900000001"}

    async def test_404_is_nobody(self) -> None:
        assert await always(404).by_dod_id(ANA) is None
        assert await always(404).by_ssn("900000001") is None
        assert await always(404).dependents_of(ANA) == ()

    async def test_a_family(self) -> None:
        child = {**PERSON, "dod_id": "9900000025", "sponsor_dod_id": ANA, "relationship": "child"}
        found = await always(200, json={"enrolled": [child]}).dependents_of(ANA)
        assert [each.relationship for each in found] == ["child"]


class TestWhatCannotBeReliedUpon:
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, b""),
            (200, b"not json"),
            (200, b"[]"),
            (200, b"\xff"),
            (200, json.dumps({**PERSON, "birth_date": "1984"}).encode()),
            (200, json.dumps({**PERSON, "dod_id": "12"}).encode()),
            (200, json.dumps({**PERSON, "family": ""}).encode()),
            (200, b" " * (MAX_BYTES + 1)),
            (204, b""),
            (301, b""),
            (401, b"{}"),
            (429, b"{}"),
            (500, b"{}"),
        ],
    )
    async def test_it_is_as_if_there_were_no_answer(self, status: int, body: bytes) -> None:
        with pytest.raises(RegistryUnavailable):
            await always(status, content=body).by_dod_id(ANA)

    async def test_somebody_else_is_no_answer(self) -> None:
        other = {**PERSON, "dod_id": "9900000025"}
        with pytest.raises(RegistryUnavailable):
            await always(200, json=other).by_dod_id(ANA)
        with pytest.raises(RegistryUnavailable):
            await always(200, json={"enrolled": [{**other, "sponsor_dod_id": "9900000033"}]}).dependents_of(ANA)

    async def test_a_redirect_is_not_followed(self) -> None:
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            return httpx.Response(307, headers={"location": "https://elsewhere.test/"})

        with pytest.raises(RegistryUnavailable):
            await answering(answer).by_dod_id(ANA)
        assert len(asked) == 1

    async def test_a_refusal_says_neither_number_nor_token_nor_answer(self) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError(f"no route to {request.url} with {request.headers}")

        for registry in (answering(answer), always(200, json={**PERSON, "statuses": [{"start": ANA}]})):
            with pytest.raises(RegistryUnavailable) as refused:
                await registry.by_dod_id(ANA)
            assert not any(each in str(refused.value) for each in (ANA, "token", "registry.test", "Rivera"))

    async def test_an_answer_byte_by_byte_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(eligibility_http, "TIMEOUT_SECONDS", 0.3)

        async def slowly() -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.05)

        # It has no end: only who stops waiting comes to this.
        with pytest.raises(RegistryUnavailable):
            await answering(lambda request: httpx.Response(200, content=slowly())).by_dod_id(ANA)
