"""1.3 PKCE: a code is worth nothing without the verifier it was asked with."""

import pytest

from tests.conformance.smart_kit.app import App, Json
from tests.conformance.smart_kit.kit import Asked, Kit, challenge_of, new_verifier
from tests.conformance.smart_kit.person import Person

pytestmark = pytest.mark.slow

SCOPE = "launch/patient patient/Patient.rs"


def _wrong(asked: Asked, how: str) -> str | None:
    """What is sent instead of the verifier."""
    return {
        "none": None,
        "an empty one": "",
        "another": new_verifier(),
        "the challenge": challenge_of(asked.verifier),
    }[how]


@pytest.mark.parametrize("how", ["none", "an empty one", "another", "the challenge"])
@pytest.mark.parametrize("kind", ["public", "symmetric"])
async def test_a_wrong_verifier_is_refused(
    kit: Kit, apps: dict[str, App], patient: Person, kind: str, how: str
) -> None:
    asked = await kit.authorize(apps[kind], patient, SCOPE)
    refused = await kit.exchange(asked, code_verifier=_wrong(asked, how))
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"] in ("invalid_grant", "invalid_request")
    assert "access_token" not in refused.json()


@pytest.mark.parametrize(
    "changed", [{"code_challenge": ""}, {"code_challenge": "short"}, {"code_challenge_method": "plain"}]
)
async def test_a_request_without_a_good_challenge_gets_no_code(
    kit: Kit, apps: dict[str, App], patient: Person, changed: Json
) -> None:
    asked = await kit.authorize(apps["symmetric"], patient, SCOPE, **changed)
    assert "code" not in asked.answer and asked.answer["error"] == "invalid_request"


@pytest.mark.parametrize("length", [42, 129])
async def test_a_verifier_of_another_length_is_refused(
    kit: Kit, apps: dict[str, App], patient: Person, length: int
) -> None:
    verifier = "v" * length
    asked = await kit.authorize(apps["public"], patient, SCOPE, code_challenge=challenge_of(verifier))
    assert (await kit.exchange(asked, code_verifier=verifier)).status_code == 400
