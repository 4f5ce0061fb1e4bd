"""Sealed cursors: they open for whom they were made, and for nobody else."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.registry import resource_types
from fhir_server.search.page import CURSOR_PARAMETER, PageState, Position, seal, unseal

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW = datetime(2026, 1, 1, 12, 30, 15, 123000, tzinfo=UTC)
STATE = PageState(
    pairs=(("family", "O'Brien,Ü"), ("_sort", "-birthdate")),
    ceiling=NOW,
    after=Position(
        (datetime(2025, 5, 5, 5, 5, 5, 5000, tzinfo=UTC), -(2**62), 2**62, "text", None, 0.5), "p1", "Patient"
    ),
    lenient=True,
    snapshot=(1_795_328_325, 30),
    types=frozenset(("Account", "Patient", "VisionPrescription")),
)
DAY = 86_400


def refusal(text: str, key: bytes = KEY, type: str = "Patient", caller: str = "me", now: datetime = NOW) -> str:
    with pytest.raises(FhirError) as refused:
        unseal(key, text, type, caller, now, DAY)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.number, issue.expression) == (400, 4005, CURSOR_PARAMETER)
    return issue.text


def test_a_state_comes_back_whole_up_to_its_last_second() -> None:
    text = seal(KEY, STATE, "Patient", "me", NOW)
    assert unseal(KEY, text, "Patient", "me", NOW + timedelta(seconds=DAY), DAY) == STATE


def test_a_first_page_has_no_position() -> None:
    state = PageState((), NOW, None)
    assert unseal(KEY, seal(KEY, state, "Patient", "me", NOW), "Patient", "me", NOW, DAY) == state


def test_all_types_fit_into_a_link_of_few_characters() -> None:
    text = seal(KEY, replace(STATE, types=frozenset(resource_types())), "Patient", "me", NOW)
    assert unseal(KEY, text, "Patient", "me", NOW, DAY).types == frozenset(resource_types())
    assert len(text) < len(seal(KEY, replace(STATE, types=None), "Patient", "me", NOW)) + 40


def test_a_links_length_does_not_follow_the_instants_in_it() -> None:
    ends = (NOW, NOW.replace(microsecond=0), datetime(1971, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, 0, 0, 0, 1000, UTC))
    lengths = {
        len(seal(KEY, replace(STATE, ceiling=end, after=Position((end,), "p1")), "Patient", "me", NOW)) for end in ends
    }
    assert len(lengths) == 1


def test_a_cursor_is_safe_in_a_url_and_shows_nothing() -> None:
    text = seal(KEY, STATE, "Patient", "me", NOW)
    assert text.replace("-", "").replace("_", "").isalnum()
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for secret in (b"Brien", b"family", b"p1", b"birthdate", b"Patient"):
        assert secret not in raw


def test_no_two_cursors_are_alike() -> None:
    assert len({seal(KEY, STATE, "Patient", "me", NOW) for _ in range(50)}) == 50


def test_every_refusal_has_the_same_words() -> None:
    text = seal(KEY, STATE, "Patient", "me", NOW)
    texts = {
        refusal(text, key=OTHER_KEY),
        refusal(text, caller="you"),
        refusal(text, type="Observation"),
        refusal(text, now=NOW + timedelta(seconds=DAY + 1)),
        refusal(""),
        refusal("a"),
        refusal("not base64 !"),
        refusal("ä"),
        refusal(text[:-1]),
        refusal(text + "AAAA"),
    }
    assert len(texts) == 1


def test_a_change_of_any_byte_is_noticed() -> None:
    text = seal(KEY, STATE, "Patient", "me", NOW)
    raw = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        refusal(urlsafe_b64encode(changed).rstrip(b"=").decode())


def test_caller_and_type_cannot_be_shifted_into_each_other() -> None:
    refusal(seal(KEY, STATE, "Patient", "a\nb", NOW), type="Patient\na", caller="b")
