"""1.4 The token response: fields, types, headers and context."""

import pytest

from tests.conformance.smart_kit.kit import Launched

pytestmark = pytest.mark.slow


async def test_fields_have_the_types_of_the_specification(each_launch: Launched) -> None:
    answer = each_launch.answer
    for name in ("access_token", "token_type", "scope", "refresh_token", "id_token", "patient"):
        assert isinstance(answer[name], str) and answer[name]
    assert isinstance(answer["expires_in"], int) and answer["expires_in"] > 0
    assert answer["token_type"].lower() == "bearer"


async def test_nothing_of_it_is_kept_on_the_way(each_launch: Launched) -> None:
    assert "no-store" in each_launch.response.headers["cache-control"]
    assert "no-cache" in each_launch.response.headers["pragma"]


async def test_what_was_asked_for_is_granted_word_by_word(each_launch: Launched) -> None:
    assert set(each_launch.scopes) == set(each_launch.asked.sent["scope"].split())
    assert len(each_launch.scopes) == len(set(each_launch.scopes))


async def test_the_context_of_the_ehr_is_told(ehr: Launched) -> None:
    assert ehr.answer["intent"] == "reconcile"
    assert ehr.answer["fhirContext"] == [{"reference": "CareTeam/of-the-day"}]


async def test_tokens_outlast_the_kits_own_refreshing(each_launch: Launched) -> None:
    # Inferno refreshes by itself in a token's last minute, by an assertion with a jku that nobody registered.
    assert each_launch.answer["expires_in"] >= 900
