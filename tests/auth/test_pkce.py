"""RFC 7636, as far as SMART lets it: S256 for everybody."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_auth.errors import OAuthError
from smart_auth.pkce import check_challenge, verify

# The example of RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def test_the_example_of_the_rfc_is_verified() -> None:
    assert verify(CHALLENGE, VERIFIER)


@given(st.text(UNRESERVED, min_size=43, max_size=128))
def test_a_verifier_fits_the_challenge_that_was_made_of_it_and_no_other(verifier: str) -> None:
    assert verify(challenge_of(verifier), verifier)
    assert not verify(CHALLENGE, verifier) or verifier == VERIFIER


@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("x" * 60, id="another"),
        pytest.param(CHALLENGE, id="the challenge itself"),
        pytest.param(VERIFIER + "\n", id="a line end behind it"),
    ],
)
def test_a_wrong_verifier_is_not_accepted(verifier: str | None) -> None:
    assert not verify(CHALLENGE, verifier)


@pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "a" * 43 + "!", "é" * 50, "a b" * 20])
def test_a_verifier_outside_the_rfcs_form_is_not_accepted_though_it_fits(verifier: str) -> None:
    assert not verify(challenge_of(verifier), verifier)


def test_a_challenge_that_equals_the_verifier_does_not_make_it_plain() -> None:
    assert not verify(VERIFIER, VERIFIER)


def test_a_challenge_of_other_characters_is_just_wrong() -> None:
    assert not verify("é" * 43, VERIFIER)


def test_a_sha256_challenge_passes() -> None:
    check_challenge(CHALLENGE, "S256")


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, None),
        (None, "S256"),
        ("", "S256"),
        (CHALLENGE, None),
        (CHALLENGE, ""),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE[:-1], "S256"),
        (CHALLENGE + "=", "S256"),
        (CHALLENGE + "\n", "S256"),
        ("+" * 43, "S256"),
    ],
)
def test_no_challenge_and_every_other_one_is_an_invalid_request(challenge: str | None, method: str | None) -> None:
    with pytest.raises(OAuthError) as refused:
        check_challenge(challenge, method)
    assert (refused.value.status, refused.value.error) == (400, "invalid_request")
