"""Some refusals have a word beside their number, which clients can act on."""

from fhir_server.core import outcome
from fhir_server.core.outcome import NUMBER_SYSTEM, SLUG_SYSTEM, operation_outcome


def test_the_number_stands_first_and_the_word_after_it() -> None:
    drawn = operation_outcome(outcome.INSUFFICIENT_ASSURANCE("Upgrade.").issues)
    assert drawn["issue"][0]["details"]["coding"] == [
        {"system": NUMBER_SYSTEM, "code": "6043"},
        {"system": SLUG_SYSTEM, "code": "insufficient-assurance"},
    ]


def test_an_occurrence_may_say_a_word_of_its_own() -> None:
    refused = outcome.UNAUTHENTICATED("Sign in again.", slug="token-expired")
    assert [issue.slug for issue in refused.issues] == ["token-expired"]
    assert outcome.UNAUTHENTICATED("Sign in.").issues[0].slug is None


def test_a_refusal_without_a_word_is_drawn_as_ever() -> None:
    drawn = operation_outcome(outcome.NOT_FOUND("There is none.").issues)
    assert drawn["issue"][0]["details"]["coding"] == [{"system": NUMBER_SYSTEM, "code": "2001"}]
